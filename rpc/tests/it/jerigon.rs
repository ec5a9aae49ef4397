//! Witnesses from a recorded Jerigon node: the same as the reference fetcher made of it, and each simulates.

use std::process::Command;

use alloy::eips::BlockId;
use ops::witness::Witness;
use rpc::cli::RpcType;
use rpc::fetch::{self, Fetcher};
use testing::replay::{Replay, recorded};
use testing::witness::read;

use crate::support::{checkpoint, connect, simulates, state_root};

/// Blocks with something in them. All behind them are empty.
const LAST: u64 = 36;

/// The blocks of a recorded witness file, which may be compressed.
fn reference(name: &str) -> Option<Vec<Witness>> {
    let path = recorded(&format!("witnesses/{name}"))?;
    let command = if name.ends_with(".gz") { "gzip" } else { "cat" };
    let mut command = Command::new(command);
    if name.ends_with(".gz") {
        command.arg("-dc");
    }
    let text = command.arg(&path).output().expect("it is read").stdout;
    let mut blocks = read(&String::from_utf8(text).expect("a witness is text")).expect("a witness");
    blocks.iter_mut().for_each(mend_bloom);
    Some(blocks)
}

/// The reference fetcher has the bytes of each word the wrong way round.
pub(crate) fn mend_bloom(witness: &mut Witness) {
    for word in &mut witness.other_data.b_data.b_meta.block_bloom {
        let mut bytes = [0; 32];
        word.to_little_endian(&mut bytes);
        *word = ethereum_types::U256::from_big_endian(&bytes);
    }
}

async fn fetch(node: &rpc::node::Node, number: u64) -> Witness {
    let checkpoint = checkpoint(node, number - 1).await;
    let witness = fetch::witness(node, RpcType::Jerigon, BlockId::number(number), &checkpoint).await;
    witness.unwrap_or_else(|error| panic!("block {number}: {error}"))
}

/// Block 27 as well, which the ancestor could fetch and not decode: a withdrawal of nothing to nobody.
#[tokio::test]
async fn every_block_is_that_of_the_reference_and_simulates() {
    let Some(replay) = Replay::jerigon() else { return };
    let node = connect(&replay.url()).await;
    for number in 1..=LAST {
        let witness = fetch(&node, number).await;
        let reference = reference(&format!("{number:02}.json")).expect("it is recorded").remove(0);
        assert_eq!(witness.digest(), reference.digest(), "block {number}");
        let root = state_root(&node, number).await;
        for batch_size in [1, 10] {
            simulates(&witness, batch_size, root);
        }
    }
}

/// Around the block that is the first to have 256 before it.
#[tokio::test]
async fn blocks_with_all_previous_hashes() {
    let Some(replay) = Replay::jerigon() else { return };
    let node = connect(&replay.url()).await;
    for number in 255..=258 {
        let witness = fetch(&node, number).await;
        let zeros = witness.other_data.b_data.b_hashes.prev_hashes.iter().filter(|hash| hash.is_zero()).count();
        assert_eq!(zeros, 256_usize.saturating_sub(number as usize), "block {number}");
        simulates(&witness, 10, state_root(&node, number).await);
    }
}

/// A range has one checkpoint; it comes in order, however many are fetched at a time.
#[tokio::test]
async fn ranges_are_those_of_the_reference() {
    let Some(replay) = Replay::jerigon() else { return };
    let node = connect(&replay.url()).await;
    for (name, numbers, at) in [("01-32.json.gz", 1..=32, 0), ("05-06.checkpoint-2.json", 5..=6, 2)] {
        let checkpoint = checkpoint(&node, at).await;
        let reference = reference(name).expect("it is recorded");
        for concurrency in [1, 8] {
            let fetcher = Fetcher { node: node.clone(), rpc_type: RpcType::Jerigon, checkpoint, concurrency };
            let mut blocks = fetcher.blocks(numbers.clone());
            for reference in &reference {
                let witness = blocks.next().await.expect("one more").expect("a witness");
                assert_eq!(witness.digest(), reference.digest(), "{name}: block {}", reference.number());
            }
            assert!(blocks.next().await.is_none(), "{name}");
        }
    }
}

/// Beside the headers of the blocks before there are five questions for a block.
#[tokio::test]
async fn few_questions_are_asked() {
    let Some(replay) = Replay::jerigon() else { return };
    let node = connect(&replay.url()).await;
    let checkpoint = checkpoint(&node, 35).await;
    let before = replay.requests();
    fetch::witness(&node, RpcType::Jerigon, BlockId::number(36), &checkpoint).await.expect("a witness");
    let asked = replay.requests() - before;
    assert!(asked <= 5, "{asked}: {:?}", replay.all_calls());
}
