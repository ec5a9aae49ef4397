//! Processes: a clean environment to start them in, what they say while they run, signals, and what became of them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Nothing that neither proves nor builds circuits takes longer, on a busy machine either, unless it is stuck.
pub const LIMIT: Duration = Duration::from_secs(300);

/// How often somebody looks whether a process has ended.
const LOOK: Duration = Duration::from_millis(5);

/// A program with nothing from the environment but where to find other programs. Its user's folders are below `home`.
pub fn clean(program: impl AsRef<OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home.join("home")).env("XDG_CACHE_HOME", home.join("cache"));
    command
}

/// This test program once more, with one of its tests only, whose output is let through.
pub fn this_test(name: &str, home: &Path) -> Command {
    let mut command = clean(std::env::current_exe().expect("this program has a path"), home);
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    command
}

/// Runs a program with a text on stdin to its end, which comes within [`LIMIT`].
pub fn run(command: &mut Command, stdin: &str) -> Run {
    let mut process = Process::start(command);
    process.feed(stdin);
    process.end(LIMIT)
}

/// A process that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    stdin: Option<ChildStdin>,
    stdout: Option<JoinHandle<String>>,
    log: Arc<Log>,
    logging: Option<JoinHandle<()>>,
    signalled: Option<Instant>,
}

/// What a process has said on stderr so far.
#[derive(Debug, Default)]
struct Log {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    text: String,
    ended: bool,
}

impl Log {
    fn change(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.said.lock().expect("nobody panics with this lock"));
        self.changed.notify_all();
    }

    fn text(&self) -> String {
        self.said.lock().expect("nobody panics with this lock").text.clone()
    }
}

impl Process {
    /// Starts a program. Its stdin stays open and silent until it is fed, or until it ends.
    pub fn start(command: &mut Command) -> Self {
        let name = format!("{command:?}");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let (stdin, log) = (child.stdin.take(), Arc::new(Log::default()));
        let mut stdout = child.stdout.take().expect("stdout is a pipe");
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).expect("stdout is text");
            text
        });
        let (stderr, heard) = (BufReader::new(child.stderr.take().expect("stderr is a pipe")), log.clone());
        let logging = std::thread::spawn(move || {
            for line in stderr.lines() {
                let line = line.expect("stderr is text");
                heard.change(|said| said.text.extend([line.as_str(), "\n"]));
            }
            heard.change(|said| said.ended = true);
        });
        Self { child, name, stdin, stdout: Some(stdout), log, logging: Some(logging), signalled: None }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a text to its stdin and closes it.
    pub fn feed(&mut self, text: &str) {
        let mut stdin = self.stdin.take().expect("it is fed once");
        let text = text.to_owned();
        // On a thread, since the pipe may be full. A program that has seen enough stops reading: no error.
        std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    }

    /// What it has said on stderr so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Waits until its log says `word`.
    #[track_caller]
    pub fn wait_for(&self, word: &str, limit: Duration) {
        let said = self.log.said.lock().expect("nobody panics with this lock");
        let wait = |said: &mut Said| !said.ended && !said.text.contains(word);
        let (said, _) = self.log.changed.wait_timeout_while(said, limit, wait).expect("nobody panics with this lock");
        let text = said.text.clone();
        drop(said);
        assert!(text.contains(word), "{} has not said `{word}`:\n{text}", self.name);
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&mut self, signal: &str) {
        // Every shell has this, not every system the program.
        let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.id())]).status();
        assert!(kill.is_ok_and(|status| status.success()), "cannot send {signal} to {}", self.name);
        self.signalled = Some(Instant::now());
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self, limit: Duration) -> Run {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("it can be waited for") {
                Some(status) => break status,
                None if start.elapsed() > limit => panic!("{} does not end:\n{}", self.name, self.log.text()),
                None => std::thread::sleep(LOOK),
            }
        };
        let stopping = self.signalled.map_or(Duration::ZERO, |at| at.elapsed());
        let stdout = self.stdout.take().expect("it ends once").join().expect("stdout is text");
        self.logging.take().expect("it ends once").join().expect("stderr is text");
        Run { code: status.code(), stdout, stderr: self.log.text(), stopping }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Neither is an error where it has ended, and nothing could be done about one.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What became of a process.
#[derive(Debug)]
pub struct Run {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    /// All of its stdout.
    pub stdout: String,
    /// All of its stderr.
    pub stderr: String,
    /// From the last signal that it was sent to its end.
    pub stopping: Duration,
}

impl Run {
    /// It ended with this code, and its log says each of these words.
    #[track_caller]
    pub fn expect(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing from\n{}", self.stderr);
        }
        self
    }

    /// It ended well.
    #[track_caller]
    pub fn succeeds(&self, name: &str) {
        assert_eq!(self.code, Some(0), "{name}:\n{}", self.stderr);
    }

    /// It ended with this code and an error that has all of these parts.
    #[track_caller]
    pub fn says(&self, name: &str, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{name}:\n{}", self.stderr);
        let error = self.stderr.lines().find(|line| line.contains("ERROR ") || line.starts_with("error: "));
        let error = error.unwrap_or_else(|| panic!("{name}: no error is said:\n{}", self.stderr));
        for part in parts {
            assert!(error.contains(part), "{name}: `{part}` is not in: {error}");
        }
        // The cause is said once.
        for cause in ["(os error ", " at line "] {
            assert!(error.matches(cause).count() <= 1, "{name}: said twice: {error}");
        }
    }

    /// The same, and the error is all that it said: one line, nothing on stdout.
    #[track_caller]
    pub fn fails(&self, name: &str, code: i32, parts: &[&str]) {
        self.says(name, code, parts);
        assert_eq!(self.stdout, "", "{name}");
        let lines = self.stderr.lines().filter(|line| !line.trim().is_empty()).count();
        assert_eq!(lines, 1, "{name}: not one line:\n{}", self.stderr);
    }
}
