//! A node's process: started with a log, stopped in an orderly way, and never left behind.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::DevnetError;

/// For a node to write its state and end; far more than it needs.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Waits for the end of its input, which comes with the end of whoever started it, then ends the node.
const GUARD: &str = "cat >/dev/null; kill -TERM $1; sleep 5; kill -KILL $1";

/// A running node. Dropping it stops the node and waits for its end.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    guard: Child,
    log: PathBuf,
    /// Where in the log this run begins.
    from: u64,
}

impl Process {
    /// Starts a program whose output is appended to `log`.
    pub(crate) fn spawn(name: &'static str, mut command: Command, log: &Path) -> Result<Self, DevnetError> {
        let opened = File::options().create(true).append(true).open(log);
        let file = opened.map_err(DevnetError::io(format!("cannot open {}", log.display())))?;
        let from = file.metadata().map_or(0, |metadata| metadata.len());
        let failed = || DevnetError::io(format!("cannot start {name}"));
        let errors = file.try_clone().map_err(failed())?;
        // A group of its own: Ctrl-C is for whoever started it, who then stops it.
        command.stdin(Stdio::null()).stdout(file).stderr(errors).process_group(0);
        let mut child = command.spawn().map_err(failed())?;
        let pid = child.id().to_string();
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "guard", &pid]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        match guard.process_group(0).spawn() {
            Ok(guard) => Ok(Self { name, child, guard, log: log.to_owned(), from }),
            Err(error) => {
                discard(child.kill());
                discard(child.wait());
                Err(failed()(error))
            }
        }
    }

    /// The log of this run so far.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(self.from).unwrap_or(0).min(bytes.len());
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }

    /// Waits until `find` finds something in the log of this run.
    pub(crate) async fn await_log<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Result<T, DevnetError> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = find(&self.log()) {
                return Ok(found);
            }
            if let Some(status) = self.ended() {
                return Err(self.error(format!("ended while it started ({status})")));
            }
            if Instant::now() > end {
                return Err(self.error("does not start".into()));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// An error that names the log.
    pub(crate) fn error(&self, what: String) -> DevnetError {
        DevnetError::Process { program: self.name, what, log: self.log.clone() }
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Lets it do nothing any more, its connections open.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends [`Process::pause`].
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) {
        discard(self.child.kill());
        discard(self.child.wait());
    }

    fn signal(&self, signal: Signal) {
        // It is not reaped yet, so nobody else has this id.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            discard(kill_process(pid, signal));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // First, while the id is still the node's.
        discard(self.guard.kill());
        discard(self.guard.wait());
        if self.ended().is_some() {
            return;
        }
        self.signal(Signal::TERM);
        self.resume();
        let end = Instant::now() + PATIENCE;
        while self.ended().is_none() && Instant::now() < end {
            thread::sleep(POLL);
        }
        discard(self.child.kill());
        discard(self.child.wait());
    }
}

/// For what has failed only if the process is gone already, which is what is wanted.
fn discard<T, E>(_: Result<T, E>) {}

/// The full path of a program: what the variable names, or the first of that name in `PATH`.
pub(crate) fn find(variable: &str, name: &str) -> Option<PathBuf> {
    match std::env::var_os(variable).filter(|value| !value.is_empty()) {
        Some(path) => Some(path.into()),
        None => {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
        }
    }
}

/// What a program prints, or why it cannot be run.
pub(crate) fn output(program: &Path, arguments: &[&str]) -> Result<String, DevnetError> {
    let failed = || DevnetError::io(format!("cannot run {}", program.display()));
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().map_err(failed())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
