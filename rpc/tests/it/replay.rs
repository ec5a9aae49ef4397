//! The native path at recorded nodes: what they say is enough for their blocks to be executed again.

use alloy::eips::BlockId;
use ops::witness::Witness;
use rpc::cli::RpcType;
use rpc::error::FetchError;
use rpc::fetch;
use rpc::node::Node;
use testing::replay::Replay;

use crate::support::{checkpoint, connect, simulates, state_root};

/// Blocks with something in them.
const LAST: u64 = 36;

async fn fetch(node: &Node, rpc_type: RpcType, number: u64) -> Result<Witness, FetchError> {
    let checkpoint = checkpoint(node, number - 1).await;
    fetch::witness(node, rpc_type, BlockId::number(number), &checkpoint).await
}

#[tokio::test]
async fn blocks_of_geth_simulate() {
    let Some(replay) = Replay::geth() else { return };
    let node = connect(&replay.url()).await;
    for number in 1..=LAST {
        let witness = fetch(&node, RpcType::Native, number).await.unwrap_or_else(|error| panic!("{error}"));
        let root = state_root(&node, number).await;
        for batch_size in [1, 10] {
            simulates(&witness, batch_size, root);
        }
    }
}

/// Jerigon's tracer is wrong about some accounts, and it has no `debug_dbGet`; it serves nevertheless, and the block is
/// said to be the same as in its own witness.
#[tokio::test]
async fn blocks_of_jerigon_are_the_same_both_ways() {
    let Some(replay) = Replay::jerigon() else { return };
    let node = connect(&replay.url()).await;
    let mut failed = Vec::new();
    for number in 1..=LAST {
        let own = fetch(&node, RpcType::Jerigon, number).await.unwrap_or_else(|error| panic!("{error}"));
        match fetch(&node, RpcType::Native, number).await {
            Ok(native) => {
                let values = |witness: &Witness| serde_json::to_value(&witness.other_data).expect("it is JSON");
                assert_eq!(values(&native), values(&own), "block {number}");
                let metas = |witness: &Witness| {
                    let infos = witness.block_trace.txn_info.iter();
                    serde_json::to_value(infos.map(|info| &info.meta).collect::<Vec<_>>()).expect("it is JSON")
                };
                assert_eq!(metas(&native), metas(&own), "block {number}");
            }
            Err(error) => failed.push(format!("block {number}: {error}")),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
