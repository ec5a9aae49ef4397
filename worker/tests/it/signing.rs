//! Whom a leader believes: those whose key it has, and nobody who was fenced.

use amqp::message::{Control, encode};
use amqp::session::Outgoing;
use amqp::topology::CONTROL;
use testing::process::Process;

use crate::support::{FAILED, OK, SOON, leader, mock_block, say, vhost, worker};

/// Three workers: one has no key, one a key that nobody knows, one the key of the list. The tasks that the first two have
/// taken and reported are given out again.
#[test]
fn a_leader_with_keys_hears_those_who_have_them() {
    let home = worker();
    let (_, address) = vhost();
    let public = home.run("keygen good.key", "").stdout;
    home.run("keygen strange.key", "").succeeds("keygen");
    home.file("keys", &format!("# the workers of this test\n{} good\n", public.trim()));
    let start = |name: &str, words: &str| {
        let words = format!("--mock-prover constant:2000 --name {name} {words}");
        Process::start(home.command(&words).env("AMQP_URI", &address))
    };
    let words = format!("{} --worker-keys keys", mock_block());
    let mut leader = Process::start(leader(&home, &words).env("AMQP_URI", &address));
    leader.feed("");
    leader.wait_for("connected", SOON);
    // There are two tasks to begin with, and each takes one.
    let bad = [("unsigned", ""), ("strange", "--signing-key strange.key")];
    let workers = bad.map(|(name, words)| start(name, words));
    for ((name, _), mut worker) in bad.into_iter().zip(workers) {
        leader.wait_for(&format!("not signed with a key of the list worker=\"{name}\""), SOON);
        worker.signal("TERM");
        worker.end(SOON).expect(OK, &["drained"]);
    }
    // What they have done is done, for all that the queue knows, until the leader looks for what it has lost.
    leader.wait_for("it is lost", SOON);
    let mut good = start("good", "--signing-key good.key");
    leader.end(SOON).expect(OK, &["MOCK, not proved: block 1"]);
    good.signal("TERM");
    good.end(SOON).expect(OK, &["drained"]);
}

/// It ends, and if whatever looks after it starts it again under its name, it is told again.
#[test]
fn a_fenced_worker_stays_away() {
    let home = worker();
    let (_, address) = vhost();
    let mut leader = Process::start(leader(&home, &mock_block()).env("AMQP_URI", &address));
    leader.feed("");
    leader.wait_for("connected", SOON);
    let start = |name: &str, cost: &str| {
        let words = format!("--mock-prover constant:{cost} --name {name}");
        Process::start(home.command(&words).env("AMQP_URI", &address))
    };
    let first = start("liar", "100000");
    first.wait_for("connected", SOON);
    let (worker, reason) = ("liar".to_owned(), "it has lied".to_owned());
    let (body, key) = (encode(&Control::Fence { worker, reason }), String::new());
    say(&address, Outgoing { exchange: CONTROL, key, body, id: String::new(), mandatory: true });
    first.end(SOON).expect(FAILED, &["fenced by a leader: it has lied"]);
    start("liar", "100000").end(SOON).expect(FAILED, &["fenced by a leader: it has lied"]);
    let mut other = start("other", "1");
    leader.end(SOON).expect(OK, &["MOCK, not proved: block 1"]);
    other.signal("TERM");
    other.end(SOON).expect(OK, &["drained"]);
}
