//! A cluster whose artifacts are in a bucket, at a real server that speaks S3. Nothing is proved.

use std::process::Command;

use testing::process::{Process, Run};
use testing::stores::STORES;

use crate::support::{OK, SOON, USAGE, leader, mock_block, vhost, worker};

/// What must not be shown.
const SECRET: &str = "hunter2";

fn with(mut command: Command, address: &str, variables: &[(String, String)]) -> Command {
    command.env("AMQP_URI", address).env("RUST_LOG", "trace").envs(variables.iter().cloned());
    command
}

#[track_caller]
fn keeps_the_secret(run: &Run) {
    let line = [&run.stdout, &run.stderr].into_iter().flat_map(|text| text.lines()).find(|line| line.contains(SECRET));
    assert!(line.is_none(), "{line:?}");
}

/// Leader and worker share nothing but the broker and a bucket.
#[test]
fn a_block_goes_through_a_bucket() {
    let Some(stores) = STORES.as_ref() else { return };
    stores.make("artifacts");
    for (place, variables) in [("s3://artifacts/s", stores.s3(SECRET)), ("gs://artifacts/g", stores.gs(SECRET))] {
        let (home, away) = (worker(), worker());
        let (_, address) = vhost();
        let store = format!("--artifacts-dir {place}");
        let mut command = with(home.command(&format!("--mock-prover constant:1 {store}")), &address, &variables);
        let mut working = Process::start(&mut command);
        working.wait_for("ready to prove", SOON);
        let on_leader = |words: &str| {
            Process::start(&mut with(leader(&away, &format!("{words} {store}")), &address, &variables)).end(SOON)
        };
        let proved = on_leader(&mock_block());
        proved.expect(OK, &["not proved: block 1"]);
        keeps_the_secret(&proved);
        working.signal("TERM");
        let worked = working.end(SOON);
        worked.expect(OK, &["drained"]);
        keeps_the_secret(&worked);
        for home in [&home, &away] {
            let local: Vec<_> =
                home.files().into_iter().filter(|file| file.to_string_lossy().contains("artifacts")).collect();
            assert!(local.is_empty(), "{local:?}");
        }
        let cleaned = on_leader("clean-artifacts");
        cleaned.expect(OK, &[]);
        keeps_the_secret(&cleaned);
    }
}

/// Both say in one line what is wrong with the place, before anything else is done.
#[test]
fn a_place_that_is_none_is_refused() {
    let home = worker();
    let refused = |words: &str, variables: &[(String, String)], parts: &[&str]| {
        let (_, address) = vhost();
        let on_worker = home.command(&format!("--mock-prover constant:1 {words}"));
        for command in [on_worker, leader(&home, &format!("{} {words}", mock_block()))] {
            let mut command = with(command, &address, variables);
            let run = Process::start(command.env("RUST_LOG", "error")).end(SOON);
            run.says(words, USAGE, parts);
            let lines: Vec<_> = run.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
            assert_eq!(lines.len(), 1, "{words}: not one line: {lines:#?}");
            keeps_the_secret(&run);
        }
    };
    let forms = ["--artifacts-dir", "a folder", "gs://BUCKET/PREFIX", "s3://BUCKET/PREFIX"];
    refused("--artifacts-dir http://hunter2", &[], &forms);
    refused("--artifacts-dir s3://key:hunter2@bucket", &[], &forms);
    let Some(stores) = STORES.as_ref() else { return };
    for (place, variables) in [("s3://nowhere/a", stores.s3(SECRET)), ("gs://nowhere/a", stores.gs(SECRET))] {
        let parts = [&format!("artifact store at {place}: "), "there is no such bucket"];
        refused(&format!("--artifacts-dir {place}"), &variables, &parts);
    }
}
