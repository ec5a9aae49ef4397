//! Passwords: in no log however loud, in no error, in nothing that is printed.

use std::process::Command;

use testing::home::Home;
use testing::process::{Process, Run};

use crate::support::{NODE, OK, SOON, USAGE, leader, mock_block, vhost, word, worker};

/// A password with characters that addresses must escape, and a user who has it.
const PASSWORD: &str = "hunter2/of@all:things";
const ESCAPED: &str = "hunter2%2fof%40all%3athings";
const USER: &str = "prover";

/// None of the forms that a password may be shown in.
#[track_caller]
fn keeps_the_secret(what: &str, run: &Run) {
    let bytes: Vec<_> = PASSWORD.bytes().take(7).map(|byte| byte.to_string()).collect();
    let forms = ["hunter2".to_owned(), PASSWORD.to_owned(), ESCAPED.to_owned(), bytes.join(", ")];
    for (stream, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
        for form in &forms {
            let line = text.lines().find(|line| line.contains(form));
            assert!(line.is_none(), "{what}, {stream}: {line:?}");
        }
    }
}

/// The ways to give a password.
fn ways(home: &Home, address: &str) -> [(&'static str, Vec<String>, Option<String>); 3] {
    let file = home.file("password", &format!("{PASSWORD}\n"));
    let full = address.replace("guest:guest", &format!("{USER}:{ESCAPED}"));
    let bare = address.replace("guest:guest", USER);
    let argument = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
    let file = [argument("--amqp-uri", &bare), argument("--amqp-password-file", word(&file))].concat();
    [("variable", vec![], Some(full.clone())), ("argument", argument("--amqp-uri", &full), None), ("file", file, None)]
}

fn given(mut command: Command, words: &[String], variable: Option<&String>) -> Command {
    command.args(words).envs(variable.map(|address| ("AMQP_URI", address))).env("RUST_LOG", "trace");
    command
}

#[test]
fn a_password_is_never_shown() {
    let home = worker();
    let (vhost, address) = vhost();
    NODE.ctl(&["add_user", USER, PASSWORD]).expect("a user");
    NODE.ctl(&["set_permissions", "-p", &vhost, USER, ".*", ".*", ".*"]).expect("permissions");
    for (way, words, variable) in ways(&home, &address) {
        // Let in.
        let mut working =
            Process::start(&mut given(home.command("--mock-prover constant:1"), &words, variable.as_ref()));
        working.wait_for("ready to prove", SOON);
        let line = |words_of_leader: &str| leader(&home, &format!("{words_of_leader} {}", words.join(" ")));
        let status = line("queue status");
        let status = Process::start(&mut given(status, &[], variable.as_ref())).end(SOON);
        status.succeeds(way);
        assert!(status.stdout.contains("blockproof.tasks.merge.high"), "{}", status.stdout);
        keeps_the_secret(&format!("status, {way}"), &status);
        let proved = Process::start(&mut given(line(&mock_block()), &[], variable.as_ref())).end(SOON);
        proved.expect(OK, &["TRACE", "not proved: block 1"]);
        keeps_the_secret(&format!("leader, {way}"), &proved);
        working.signal("TERM");
        let worked = working.end(SOON);
        // What libraries say is in the log as well.
        worked.expect(OK, &["TRACE", "Connecting.", "create channel", "drained"]);
        keeps_the_secret(&format!("worker, {way}"), &worked);
    }

    // Not let in, and nobody there.
    NODE.ctl(&["clear_password", USER]).expect("no password");
    for (way, words, variable) in ways(&home, &address) {
        let command = home.command("--mock-prover constant:1");
        let refused = Process::start(&mut given(command, &words, variable.as_ref())).end(SOON);
        refused.expect(USAGE, &["refuses"]);
        keeps_the_secret(&format!("refused, {way}"), &refused);
        let words: Vec<_> = words.iter().map(|word| word.replace("127.0.0.1:", "127.0.0.1:1?")).collect();
        let variable = variable.map(|address| address.replace(&format!(":{}/", NODE.port()), ":1/"));
        let command = home.command("--mock-prover constant:1");
        let mut alone = Process::start(&mut given(command, &words, variable.as_ref()));
        std::thread::sleep(std::time::Duration::from_secs(1));
        alone.signal("KILL");
        keeps_the_secret(&format!("alone, {way}"), &alone.end(SOON));
    }
}

/// Usage that is wrong otherwise: what was typed is repeated, but not this.
#[test]
fn a_password_is_not_repeated_where_something_else_is_wrong() {
    let home = worker();
    let good = "--amqp-uri amqp://prover:hunter2@broker";
    for words in
        ["--nonsense", "--slots none", "nonsense", "--help", "--version", "completions bash", "keygen --nonsense"]
    {
        for line in [format!("{good} {words}"), format!("{words} {good}")] {
            let run = home.run(&line, "");
            assert!(!run.stderr.contains("hunter2") && !run.stdout.contains("hunter2"), "{line}:\n{}", run.stderr);
        }
    }
}
