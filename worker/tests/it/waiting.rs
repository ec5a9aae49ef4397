//! A worker that is there before what it needs: it waits, and says for what.

use testing::broker::Broker;
use testing::process::Process;
use testing::relay::Relay;

use crate::support::{NODE, OK, SOON, leader, mock_block, vhost, worker};

#[test]
fn a_broker_that_is_not_there_yet_is_waited_for() {
    let home = worker();
    let (_, address) = vhost();
    let relay = Relay::to(NODE.port());
    relay.refuse(true);
    let there = address.replace(&format!(":{}/", NODE.port()), &format!(":{}/", relay.port()));
    let mut waiting = Process::start(home.command("--mock-prover constant:1 --name early").env("AMQP_URI", there));
    waiting.wait_for("does not answer, trying on", SOON);
    waiting.wait_for("ready to prove", SOON);
    waiting.wait_for("lost the broker", SOON);
    relay.refuse(false);
    // Nobody has made queues there yet.
    waiting.wait_for("no leader has been there yet", SOON);
    let mut leader = Process::start(leader(&home, &mock_block()).env("AMQP_URI", address));
    leader.wait_for("connected", SOON);
    waiting.wait_for("connected", SOON);
    leader.feed("");
    leader.end(SOON).expect(OK, &["MOCK, not proved: block 1"]);
    waiting.signal("TERM");
    waiting.end(SOON).expect(OK, &["drained"]);
}

/// One that accepts connections and never says a word, as a broker that hangs, keeps nobody from stopping the worker.
#[test]
fn a_broker_that_hangs_does_not_keep_a_worker_from_ending() {
    let home = worker();
    let broker = Broker::start();
    broker.pause();
    for signal in ["TERM", "INT"] {
        let mut waiting = Process::start(home.command("--mock-prover constant:1").env("AMQP_URI", broker.uri()));
        // It listens for signals before it looks for the broker; half a second is enough, and nothing tells when.
        std::thread::sleep(std::time::Duration::from_millis(500));
        waiting.signal(signal);
        let run = waiting.end(std::time::Duration::from_secs(10));
        run.expect(130, &["stopped before it took any task"]);
    }
}
