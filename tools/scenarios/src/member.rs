//! A leader or a worker: a process that runs, and what became of it.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::log::{self, Line};

/// How often somebody looks whether something has happened.
pub const LOOK: Duration = Duration::from_millis(20);

/// Runs; dropped, it is killed. Its output is in files, so that it can be read while it runs and when all is over.
#[derive(Debug)]
pub struct Member {
    /// What it is called.
    pub name: String,
    child: Child,
    stdout: PathBuf,
    log: PathBuf,
}

impl Member {
    /// Starts a program that writes to these files.
    pub fn start(name: &str, command: &mut Command, stdout: PathBuf, log: PathBuf) -> anyhow::Result<Self> {
        let file = |path: &PathBuf| File::create(path).with_context(|| path.display().to_string());
        command.stdin(Stdio::null()).stdout(file(&stdout)?).stderr(file(&log)?);
        let child = command.spawn().with_context(|| format!("{command:?} does not start"))?;
        Ok(Self { name: name.to_owned(), child, stdout, log })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub fn lines(&self) -> Vec<Line> {
        log::read(&self.log)
    }

    /// Whether it has said this so far.
    pub fn has_said(&self, words: &str) -> bool {
        self.lines().iter().any(|line| line.message.contains(words))
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        // Every shell has this, not every system the program.
        let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.id())]).status();
        ensure!(kill.is_ok_and(|status| status.success()), "cannot send {signal} to {}", self.name);
        Ok(())
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().and_then(|()| self.child.wait()).with_context(|| format!("killing {}", self.name))?;
        Ok(())
    }

    /// Waits for its end.
    pub fn end(mut self, limit: Duration) -> anyhow::Result<Ended> {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if start.elapsed() > limit => bail!("{} has not ended within {} s", self.name, limit.as_secs()),
                None => thread::sleep(LOOK),
            }
        };
        if let Some(signal) = status.signal() {
            bail!("{} was ended by signal {signal}", self.name);
        }
        let stdout = std::fs::read_to_string(&self.stdout)?;
        Ok(Ended { name: self.name.clone(), code: status.code(), stdout, lines: self.lines() })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Fails for one that has ended, which is as good.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}

/// What became of a process.
#[derive(Debug)]
pub struct Ended {
    /// What it was called.
    pub name: String,
    /// Its exit code.
    pub code: Option<i32>,
    /// All of its stdout.
    pub stdout: String,
    /// All of its log.
    pub lines: Vec<Line>,
}

impl Ended {
    /// A leader whose blocks were all "proved" by mocks: exit code 0, and the last block on stdout.
    pub fn proved(&self, last_block: u64) -> anyhow::Result<()> {
        self.ended_with(0)?;
        let array: Value = serde_json::from_str(&self.stdout).with_context(|| format!("stdout of {}", self.name))?;
        let whole = array.as_array().and_then(|array| array.first()).is_some_and(|proof| {
            array.as_array().map(Vec::len) == Some(1) && proof["mock"] == true && proof["b_height"] == last_block
        });
        ensure!(whole, "{} has put out {}", self.name, self.stdout.trim());
        Ok(())
    }

    /// It ended with this code.
    pub fn ended_with(&self, code: i32) -> anyhow::Result<()> {
        ensure!(
            self.code == Some(code),
            "{} ended with {:?} instead of {code}: {:?}",
            self.name,
            self.code,
            self.errors()
        );
        Ok(())
    }

    /// It ended with this code and nothing on stdout, and the reason is one line that has all of these words.
    pub fn failed(&self, code: i32, words: &[&str]) -> anyhow::Result<String> {
        self.ended_with(code)?;
        ensure!(self.stdout.is_empty(), "{} has put out {}", self.name, self.stdout.trim());
        let errors = self.errors();
        let [error] = errors.as_slice() else { bail!("{} has not said one error but {errors:?}", self.name) };
        for word in words {
            ensure!(error.contains(word), "{} does not say `{word}`: {error}", self.name);
        }
        Ok(error.clone())
    }

    /// The errors that it has said.
    pub fn errors(&self) -> Vec<String> {
        self.lines.iter().filter(|line| line.level == "ERROR").map(|line| line.message.clone()).collect()
    }

    /// The last line that has these words.
    pub fn said(&self, words: &str) -> anyhow::Result<&Line> {
        let found = self.lines.iter().rev().find(|line| line.message.contains(words));
        found.with_context(|| format!("{} has not said `{words}`", self.name))
    }
}
