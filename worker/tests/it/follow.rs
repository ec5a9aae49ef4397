//! A leader that follows a node's chain, in a cluster: what left the chain is stopped at the workers, and what is written
//! is of the chain.

use devnet::testing::have_geth;
use devnet::{BlockSpec, Chain, Tx, accounts};
use testing::process::Process;

use crate::support::{OK, SOON, leader, vhost, worker};

#[test]
fn blocks_that_left_the_chain_are_stopped_at_the_workers() {
    if !have_geth() {
        return;
    }
    let home = worker();
    let (_, address) = vhost();
    let start = |name: &str, cost: &str| {
        let words = format!("--mock-prover constant:{cost} --slots 8 --grace 1 --name {name}");
        Process::start(home.command(&words).env("AMQP_URI", &address))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut slow = runtime.block_on(async {
        let mut chain = Chain::start().await.expect("a node");
        for number in 0..4 {
            let spec = BlockSpec::of([Tx::transfer(0, accounts::stranger(number), 1)]);
            chain.block(&spec).await.expect("a block");
        }
        let words = format!(
            "--runtime amqp --mock-prover constant:1 -o proofs rpc --rpc-url {} --poll-interval 0.1 --no-cache \
             --start-block 1 --end-block 5",
            chain.url()
        );
        let leader = Process::start(leader(&home, &words).env("AMQP_URI", &address));
        // It takes the first tasks of all blocks and will not be through with them.
        let slow = start("slow", "600000");
        leader.wait_for("begun block_number=4", SOON);
        leader.wait_for("Proving block 4", SOON);
        chain.reorg(3, &vec![BlockSpec::default(); 4]).await.expect("a reorganisation");
        leader.wait_for("the chain has reorganised fork_point=1 depth=3", SOON);
        slow.wait_for("segment stopped", SOON);
        let mut quick = start("quick", "1");
        // Nobody else takes what the slow one has of the first block.
        drop(slow);
        leader.end(SOON).expect(OK, &["MOCK, not proved: block 1 ", "MOCK, not proved: block 5 "]);
        let written = std::fs::read_to_string(home.path("work/proofs/follow.json")).expect("it is there");
        for number in 1..=5 {
            let hash = chain.hash(number).await.expect("a block").to_string();
            assert!(written.contains(&hash), "block {number} is {hash}: {written}");
        }
        quick.signal("TERM");
        quick
    });
    slow.signal("TERM");
    slow.end(SOON).expect(OK, &["drained"]);
}
