//! Running `leader` and `verifier` as processes: arguments in; exit code, stdout and stderr out.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;
use testing::process::{LIMIT, Process, Run, clean, this_test};

use crate::chain::{circuits_dir, heavy, target_tmp};

/// Nothing here takes longer, not on the slowest machine: building circuits and proving two blocks.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);

/// Every task that was proved, and not found proved, as the log names it: place and kind.
pub(crate) fn proved(run: &Run) -> Vec<String> {
    let tasks = run.stderr.lines().filter(|line| line.ends_with("reused=false"));
    let tasks = tasks.filter_map(|line| {
        let (span, event) = line.split_once("task{")?.1.split_once("}: proved ")?;
        Some(format!("{} of {span}", event.split_once(" seconds=")?.0))
    });
    tasks.collect()
}

/// `leader` with the circuits of these tests and nothing from the environment.
pub(crate) fn leader(artifacts: &Path) -> Command {
    leader_with(&circuits_dir(), artifacts)
}

/// `leader` with circuits of another folder.
pub(crate) fn leader_with(circuits: &Path, artifacts: &Path) -> Command {
    let mut command = clean(env!("CARGO_BIN_EXE_leader"), target_tmp());
    command.args(["--profile", "test", "--circuits-dir"]).arg(circuits).arg("--artifacts-dir").arg(artifacts);
    command
}

/// Runs `leader` to its end.
pub(crate) fn run(command: &mut Command) -> Run {
    let _heavy = heavy();
    Process::start(command).end(PATIENCE)
}

/// Runs `leader` and sends it a signal as soon as its log says `word`.
pub(crate) fn interrupt(command: &mut Command, word: &str, signal: &str) -> Run {
    let _heavy = heavy();
    let mut process = Process::start(command);
    process.wait_for(word, PATIENCE);
    process.signal(signal);
    process.end(LIMIT)
}

/// Where [`library`] puts the command line.
const ARGS: &str = "PROOF_TEST_ARGS";

/// A binary of another package: its library in a process of its own, which is this test binary once more. The binary
/// itself need not have been built, or be of the same sources.
fn library(test: &str, line: Vec<String>) -> Command {
    let mut command = this_test(test, target_tmp());
    command.env(ARGS, serde_json::to_string(&line).expect("strings are JSON"));
    command
}

/// In the process started by [`library`]: the command line, which is absent when all tests are run.
fn line() -> Option<Vec<String>> {
    let line = std::env::var(ARGS).ok()?;
    Some(serde_json::from_str(&line).expect("a command line"))
}

#[expect(clippy::exit, reason = "it is a process's whole work, and its exit code what the tests look at")]
fn exit(code: ExitCode) -> ! {
    std::process::exit((0..=u8::MAX).find(|number| ExitCode::from(*number) == code).expect("a code").into())
}

/// Runs the verifier on a proof file.
pub(crate) fn verify<S: AsRef<OsStr>>(proof: &Path, args: &[S]) -> Run {
    let mut line = vec!["verifier".to_owned(), "--file".to_owned(), proof.display().to_string()];
    line.extend(args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned()));
    Process::start(&mut library("process::verifier_process", line)).end(LIMIT)
}

/// No scenario: what the process started by [`verify`] does.
#[test]
fn verifier_process() {
    let Some(line) = line() else { return };
    let cli = verifier::cli::Cli::try_parse_from(line).expect("a command line");
    let screen = ops::log::init(&cli.log);
    exit(verifier::exit_code(verifier::run(cli, &screen)));
}

/// Starts a worker.
pub(crate) fn worker(artifacts: &Path, address: &str, args: &[&str]) -> Process {
    let dirs = [("--circuits-dir", circuits_dir()), ("--artifacts-dir", artifacts.to_owned())];
    let dirs = dirs.into_iter().flat_map(|(flag, folder)| [flag.to_owned(), folder.display().to_string()]);
    let line = ["worker", "--profile", "test"].into_iter().chain(args.iter().copied()).map(str::to_owned);
    let mut command = library("process::worker_process", line.chain(dirs).collect());
    Process::start(command.env("AMQP_URI", address))
}

/// No scenario: what the process started by [`worker`] does.
#[test]
fn worker_process() {
    let Some(line) = line() else { return };
    let cli = worker::cli::Cli::try_parse_from(line).expect("a command line");
    let screen = ops::log::init(&cli.log);
    exit(ops::exit::report(worker::run(cli, &screen)));
}
