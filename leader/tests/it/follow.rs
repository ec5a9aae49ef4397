//! Following a real node's chain, with mocks for proofs: through reorganisations, restarts, and nodes that are down or
//! behind. What is written is of the chain, whatever happens.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use devnet::testing::have_geth;
use devnet::{BlockSpec, Chain, Tx, accounts};
use serde_json::Value;
use testing::home::Home;
use testing::process::Process;

/// Nothing that is waited for takes longer, on a busy machine either.
const SOON: Duration = Duration::from_secs(180);

const INTERRUPTED: i32 = 130;

/// `leader rpc` in a home, its proofs in the folder `proofs`.
fn follow(home: &Home, url: &str, cost: &str, words: &str) -> Process {
    let words = format!(
        "--mock-prover constant:{cost} --num-workers 2 --block-pool-size 6 -o proofs rpc --rpc-url {url} \
         --poll-interval 0.1 --no-cache {words}"
    );
    Process::start(&mut home.command(&words))
}

fn home() -> Home {
    Home::new(env!("CARGO_BIN_EXE_leader"))
}

/// Does something with a home and a chain of so many blocks, if there is a node here.
fn at_a_node(blocks: u64, work: impl AsyncFnOnce(Home, Chain)) {
    if !have_geth() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut chain = Chain::start().await.expect("a node");
        grow(&mut chain, blocks).await;
        work(home(), chain).await;
    });
}

/// So many blocks of one transfer each.
async fn grow(chain: &mut Chain, blocks: u64) {
    for number in 0..blocks {
        let spec = BlockSpec::of([Tx::transfer(0, accounts::stranger(number), 1)]);
        chain.block(&spec).await.expect("a block");
    }
}

/// What the follower says that it has proved: numbers and hashes.
fn proved(home: &Home) -> BTreeMap<u64, String> {
    let Ok(text) = std::fs::read(home.path("work/proofs/follow.json")) else { return BTreeMap::new() };
    let state: Value = serde_json::from_slice(&text).expect("it appears whole");
    let blocks = state["proved"].as_array().expect("a list").iter();
    blocks.map(|block| (block["number"].as_u64().expect("a number"), block["hash"].to_string())).collect()
}

/// Waits until a block of the chain is proved, and compares all that is written with the chain.
async fn await_proof(home: &Home, chain: &Chain, number: u64) {
    let end = Instant::now() + SOON;
    let wanted = Value::from(chain.hash(number).await.expect("a block").to_string()).to_string();
    while proved(home).get(&number) != Some(&wanted) {
        assert!(Instant::now() < end, "block {number} was not proved: {:?}", proved(home));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (number, hash) in proved(home) {
        let wanted = Value::from(chain.hash(number).await.expect("a block").to_string()).to_string();
        assert_eq!(hash, wanted, "block {number} is not of the chain");
        assert!(home.path(&format!("work/proofs/b{number}.zkproof")).exists(), "block {number} has no file");
    }
}

/// The value of a field in the log's line about a reorganisation.
fn field(log: &str, name: &str) -> u64 {
    let line = log.lines().find(|line| line.contains("the chain has reorganised")).expect("it is said");
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(&format!("{name}=")));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} is missing from {line}"))
}

/// The last blocks of a chain are replaced while their segments are running and their parents are not yet proved.
fn reorganised(depth: u64) {
    at_a_node(8, async |home, mut chain| {
        // A segment takes 3 seconds, and there are 6 tasks in each block: what is begun last has hardly begun.
        let start = format!("--start-block {}", 8 - depth);
        let mut leader = follow(&home, chain.url(), "3000", &start);
        // The first block stays; the others are begun, as far as there is room, and will go.
        let last = (8 - depth + 5).min(8);
        leader.wait_for(&format!("begun block_number={last}"), SOON);
        leader.wait_for("Proving block", SOON);
        let specs = vec![BlockSpec::of([Tx::transfer(1, accounts::stranger(70), 2)]); depth as usize + 1];
        let reorg = chain.reorg(depth, &specs).await.expect("a reorganisation");
        assert_eq!(reorg.orphaned.len() as u64, depth);
        leader.wait_for("the chain has reorganised", SOON);
        await_proof(&home, &chain, 9 - depth).await;
        leader.signal("INT");
        let run = leader.end(SOON);
        run.expect(INTERRUPTED, &["interrupted"]);
        let log = &run.stderr;
        assert_eq!(field(log, "fork_point"), 8 - depth);
        assert_eq!(field(log, "depth"), depth.min(5));
        assert!(field(log, "tasks_cancelled") > 0, "{log}");
        // All tasks of the first block were run once: what was done of it was kept.
        let first = format!("block_number={} ", 8 - depth);
        let segments = log.lines().filter(|line| line.contains(&first) && line.contains("proved segment seconds"));
        assert!(segments.count() <= 2, "{log}");
    });
}

#[test]
fn a_reorganisation_of_one_block() {
    reorganised(1);
}

#[test]
fn a_reorganisation_of_three_blocks() {
    reorganised(3);
}

#[test]
fn a_reorganisation_of_seven_blocks() {
    reorganised(7);
}

/// What was proved and left the chain is put aside, and proving goes on from the fork.
#[test]
fn proofs_of_blocks_that_left_the_chain_are_put_aside() {
    at_a_node(5, async |home, mut chain| {
        let mut leader = follow(&home, chain.url(), "1", "--start-block 1");
        await_proof(&home, &chain, 5).await;
        chain.reorg(2, &vec![BlockSpec::default(); 3]).await.expect("a reorganisation");
        await_proof(&home, &chain, 6).await;
        leader.signal("TERM");
        let run = leader.end(SOON);
        run.expect(INTERRUPTED, &["the chain has reorganised", "was put aside"]);
        assert_eq!(field(&run.stderr, "proofs_orphaned"), 2);
        let aside = home.files().into_iter().filter(|file| file.extension().is_some_and(|end| end == "orphaned"));
        assert_eq!(aside.count(), 2);

        // While nobody looks, the chain changes again: a restart goes on from what is still true.
        chain.reorg(4, &vec![BlockSpec::of([Tx::transfer(2, accounts::stranger(9), 3)]); 4]).await.expect("another");
        let mut leader = follow(&home, chain.url(), "1", "");
        await_proof(&home, &chain, 6).await;
        leader.signal("INT");
        let run = leader.end(SOON);
        run.expect(INTERRUPTED, &["going on after the last proved block block_number=6", "the chain has reorganised"]);
        assert_eq!(field(&run.stderr, "fork_point"), 2);
        assert!(!run.stderr.contains("MOCK, not proved: block 2 "), "{}", run.stderr);
    });
}

/// Killed, it goes on where it was, and proves nothing twice that is written.
#[test]
fn a_restart_goes_on_where_it_was() {
    at_a_node(6, async |home, chain| {
        let mut leader = follow(&home, chain.url(), "100", "--start-block 1");
        await_proof(&home, &chain, 2).await;
        leader.signal("KILL");
        let killed = leader.end(SOON);
        assert_eq!(killed.code, None);
        let before = proved(&home);
        let leader = follow(&home, chain.url(), "1", "--start-block 1 --end-block 6");
        let run = leader.end(SOON);
        run.expect(0, &["going on after the last proved block"]);
        await_proof(&home, &chain, 6).await;
        for number in before.keys() {
            assert!(!run.stderr.contains(&format!("MOCK, not proved: block {number} ")), "{}", run.stderr);
        }
    });
}

/// A node that is down is waited for; one that is behind takes nothing back.
#[test]
fn a_node_that_is_down_or_behind_is_waited_for() {
    at_a_node(3, async |home, mut chain| {
        let words = "--start-block 1 --max-retries 0";
        let mut leader = follow(&home, chain.url(), "1", words);
        await_proof(&home, &chain, 3).await;
        chain.geth_mut().stop();
        leader.wait_for("waiting for the node", SOON);
        chain.geth_mut().restart().await.expect("it starts again");
        leader.wait_for("answers again", SOON);
        grow(&mut chain, 1).await;
        await_proof(&home, &chain, 4).await;
        leader.signal("INT");
        leader.end(SOON).expect(INTERRUPTED, &[]);

        // Another node, which lacks two of the blocks.
        let mut behind = chain.fork(2).await.expect("another node");
        let mut leader = follow(&home, behind.url(), "1", words);
        leader.wait_for("going on after the last proved block block_number=4", SOON);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(proved(&home).len(), 4, "what is proved was taken back");
        behind.adopt(&chain).await.expect("it catches up");
        grow(&mut behind, 1).await;
        await_proof(&home, &behind, 5).await;
        leader.signal("INT");
        let run = leader.end(SOON);
        run.expect(INTERRUPTED, &[]);
        assert!(!run.stderr.contains("reorganised"), "{}", run.stderr);
    });
}

/// `--head` keeps away from the newest blocks.
#[test]
fn the_head_may_be_behind_the_newest_block() {
    at_a_node(5, async |home, mut chain| {
        let mut leader = follow(&home, chain.url(), "1", "--start-block 1 --head confirmations=2");
        await_proof(&home, &chain, 3).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(proved(&home).len(), 3);
        leader.signal("INT");
        leader.end(SOON).expect(INTERRUPTED, &[]);
        // No block is final yet, which is waited for.
        let mut leader = follow(&home, chain.url(), "1", "--head finalized");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(proved(&home).len(), 3);
        chain.finalize(4, 5).await.expect("it is final");
        await_proof(&home, &chain, 4).await;
        assert_eq!(proved(&home).len(), 4);
        leader.signal("INT");
        leader.end(SOON).expect(INTERRUPTED, &[]);
    });
}

/// What cannot be followed is said in one sentence.
#[test]
fn what_cannot_be_followed_is_refused() {
    at_a_node(2, async |home, chain| {
        let url = chain.url().to_owned();
        let run = |words: &str| {
            let words = format!("--mock-prover constant:1 -o proofs rpc --rpc-url {url} --no-cache {words}");
            Process::start(&mut home.command(&words)).end(SOON)
        };
        run("").says("no start", 2, &["--start-block"]);
        run("--start-block 0 --end-block 1").says("genesis", 2, &["begin with 1"]);
        run("--start-block 2 --end-block 1").says("backwards", 2, &["--end-block"]);
        run("--start-block 2 --end-block 2 --checkpoint-block 2").says("checkpoint", 2, &["--checkpoint-block"]);
        run("--start-block 1 --chain-id 5").says("another chain", 1, &["chain 1337", "5"]);
        run("--start-block 1 --end-block 1").expect(0, &["MOCK, not proved: block 1"]);
        run("--start-block 2 --end-block 2").says("another start", 2, &["begun with block 1", "--proof-output-dir"]);
        let state = home.path("work/proofs/follow.json");
        let text = std::fs::read_to_string(&state).expect("it is there");
        std::fs::write(&state, text.replace("1337", "1")).expect("it is written");
        run("--end-block 2").says("another chain on disk", 2, &["chain 1", "1337", "--proof-output-dir"]);
    });
    let home = home();
    let run = home.run("--mock-prover constant:1 rpc --rpc-url http://127.0.0.1:9 --start-block 1", "");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let run = home.run("--mock-prover constant:1 rpc --start-block 1 --end-block 1", "");
    run.says("no node", 2, &["--rpc-url"]);
}

/// A range ends, and its proofs are those of `leader stdio` on the fetched witness.
#[test]
fn a_range_is_proved_and_planned() {
    at_a_node(0, async |home, mut chain| {
        chain.plan(3).await.expect("blocks");
        let url = chain.url();
        let words =
            format!("--mock-prover constant:1 rpc --rpc-url {url} --no-cache --start-block 1 --end-block latest");
        let run = Process::start(&mut home.command(&words)).end(SOON);
        run.expect(0, &["MOCK, not proved: block 3"]);
        let proofs: Value = serde_json::from_str(&run.stdout).expect("an array");
        assert_eq!(proofs[0]["b_height"], 3, "{proofs}");
        let words = format!("--test-only rpc --rpc-url {url} --no-cache --start-block 1 --end-block 3");
        let run = Process::start(&mut home.command(&words)).end(SOON);
        run.expect(0, &[]);
        let lines: Vec<_> = run.stdout.lines().filter(|line| line.starts_with("block ")).collect();
        assert_eq!(lines.len(), 3, "{}", run.stdout);
        assert!(lines[0].contains("block 1: 1 transactions, 21000 gas"), "{}", lines[0]);
    });
}
