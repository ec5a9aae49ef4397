//! The program as a process among others: signals, and readers that go away.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use testing::process::Process;
use testing::witness::shipped;

use crate::support::{INTERRUPTED, OK, leader};

/// Stops a run that waits for its input.
#[test]
fn signals_end_a_run_with_their_own_code() {
    let home = leader();
    for signal in ["TERM", "INT"] {
        let mut process = Process::start(&mut home.command("--test-only stdio"));
        // It listens for signals before it reads; half a second is enough for that, and nothing tells when.
        std::thread::sleep(Duration::from_millis(500));
        process.signal(signal);
        // Its stdin is open until then.
        let run = process.end(Duration::from_secs(10));
        assert_eq!(run.code, Some(INTERRUPTED), "{signal}");
        let text = run.stderr;
        assert!(text.lines().count() == 1 && text.contains("the same command goes on"), "{signal}: {text}");
    }
}

/// Whoever reads the output may have heard enough.
#[test]
fn a_closed_pipe_is_no_error() {
    let home = leader();
    for words in ["--test-only stdio", "completions bash"] {
        let mut command = home.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        drop(child.stdout.take());
        let mut stdin = child.stdin.take().expect("a pipe");
        drop(stdin.write_all(shipped("transfer.json").as_bytes()));
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(OK), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
