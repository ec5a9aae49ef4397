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

/// Where [`verify`] puts the command line for [`verifier_process`].
const VERIFIER_ARGS: &str = "PROOF_TEST_VERIFIER_ARGS";

/// Runs the verifier on a proof file. Its library in a process of its own, which is this test binary once more: a
/// binary of another package need not have been built, or be of the same sources.
pub(crate) fn verify<S: AsRef<OsStr>>(proof: &Path, args: &[S]) -> Run {
    let mut line = vec!["verifier".to_owned(), "--file".to_owned(), proof.display().to_string()];
    line.extend(args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned()));
    let mut command = this_test("process::verifier_process", target_tmp());
    command.env(VERIFIER_ARGS, serde_json::to_string(&line).expect("strings are JSON"));
    Process::start(&mut command).end(LIMIT)
}

/// No scenario: what the process started by [`verify`] does.
#[test]
#[expect(clippy::exit, reason = "it is a process's whole work, and its exit code what the tests look at")]
fn verifier_process() {
    let Ok(line) = std::env::var(VERIFIER_ARGS) else { return };
    let line: Vec<String> = serde_json::from_str(&line).unwrap();
    let cli = verifier::cli::Cli::try_parse_from(line).unwrap();
    let screen = ops::log::init(&cli.log);
    let exit = verifier::exit_code(verifier::run(cli, &screen));
    std::process::exit((0..=u8::MAX).find(|code| ExitCode::from(*code) == exit).unwrap().into())
}
