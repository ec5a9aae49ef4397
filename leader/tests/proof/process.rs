//! Running `leader` and `verifier` as processes: arguments in; exit code, stdout and stderr out.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;

use crate::chain::{circuits_dir, heavy, target_tmp};

/// What became of a process.
#[derive(Debug)]
pub(crate) struct Run {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// From the signal that it was sent to its end.
    pub(crate) stopping: Duration,
}

impl Run {
    /// Asserts the exit code, and that the log says each of `words`.
    #[track_caller]
    pub(crate) fn expect(&self, code: u8, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code.into()), "{}\n{}", self.stdout, self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing from\n{}", self.stderr);
        }
        self
    }

    /// Every task that was proved, and not found proved, as the log names it: place and kind.
    pub(crate) fn proved(&self) -> Vec<String> {
        let tasks = self.stderr.lines().filter(|line| line.ends_with("reused=false"));
        let tasks = tasks.filter_map(|line| {
            let (span, event) = line.split_once("task{")?.1.split_once("}: proved ")?;
            Some(format!("{} of {span}", event.split_once(" seconds=")?.0))
        });
        tasks.collect()
    }
}

/// `leader` with the circuits of these tests and nothing from the environment.
pub(crate) fn leader(artifacts: &Path) -> Command {
    leader_with(&circuits_dir(), artifacts)
}

/// `leader` with circuits of another folder.
pub(crate) fn leader_with(circuits: &Path, artifacts: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leader"));
    clean_environment(&mut command);
    command.args(["--profile", "test", "--circuits-dir"]).arg(circuits).arg("--artifacts-dir").arg(artifacts);
    command
}

fn clean_environment(command: &mut Command) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", target_tmp());
}

/// Runs `leader` to its end.
pub(crate) fn run(command: &mut Command) -> Run {
    let _heavy = heavy();
    collect(start(command), |_| None)
}

/// Runs `leader` and sends it a signal as soon as its log says `word`.
pub(crate) fn interrupt(command: &mut Command, word: &str, signal: &'static str) -> Run {
    let _heavy = heavy();
    let mut sent = false;
    collect(start(command), |line| {
        let now = !sent && line.contains(word);
        sent |= now;
        now.then_some(signal)
    })
}

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

fn collect(mut child: Child, mut signal: impl FnMut(&str) -> Option<&'static str>) -> Run {
    let mut stdout = child.stdout.take().expect("stdout is a pipe");
    let stdout = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let mut stderr = String::new();
    let mut signalled = None;
    for line in BufReader::new(child.stderr.take().expect("stderr is a pipe")).lines() {
        let line = line.expect("the log is text");
        stderr.push_str(&line);
        stderr.push('\n');
        if let Some(signal) = signal(&line) {
            let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
            assert!(kill.is_ok_and(|status| status.success()), "cannot send {signal}");
            signalled = Some(Instant::now());
        }
    }
    let status = child.wait().expect("the process can be waited for");
    let stdout = stdout.join().expect("no panic").expect("stdout is text");
    Run { code: status.code(), stdout, stderr, stopping: signalled.map_or(Duration::ZERO, |at| at.elapsed()) }
}

/// Where [`verify`] puts the command line for [`verifier_process`].
const VERIFIER_ARGS: &str = "PROOF_TEST_VERIFIER_ARGS";

/// Runs the verifier on a proof file. Its library in a process of its own, which is this test binary once more: a
/// binary of another package need not have been built, or be of the same sources.
pub(crate) fn verify<S: AsRef<OsStr>>(proof: &Path, args: &[S]) -> Run {
    let mut line = vec!["verifier".to_owned(), "--file".to_owned(), proof.display().to_string()];
    line.extend(args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned()));
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    clean_environment(&mut command);
    command.args(["--exact", "process::verifier_process", "--nocapture", "--test-threads=1"]);
    collect(start(command.env(VERIFIER_ARGS, serde_json::to_string(&line).expect("strings are JSON"))), |_| None)
}

/// No scenario: what the process started by [`verify`] does.
#[test]
#[expect(clippy::exit, reason = "it is a process's whole work, and its exit code what the tests look at")]
fn verifier_process() {
    let Ok(line) = std::env::var(VERIFIER_ARGS) else { return };
    let line: Vec<String> = serde_json::from_str(&line).unwrap();
    let cli = verifier::cli::Cli::try_parse_from(line).unwrap();
    ops::log::init(&cli.log);
    let exit = verifier::exit_code(verifier::run(cli));
    std::process::exit((0..=u8::MAX).find(|code| ExitCode::from(*code) == exit).unwrap().into())
}
