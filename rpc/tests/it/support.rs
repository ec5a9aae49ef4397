//! What several subjects need: the program in a home of its own, nodes, and a witness run to its end.

use std::time::Duration;

use alloy::eips::BlockId;
use ethereum_types::H256;
use ops::decode::decode;
use ops::execute::simulate;
use ops::panics;
use ops::witness::Witness;
use rayon::prelude::*;
use rpc::checkpoint::Checkpoint;
use rpc::node::{Node, Options, Retries};
use testing::home::Home;
use testing::stack::large_stacks;

pub(crate) const FAILED: i32 = 1;
pub(crate) const USAGE: i32 = 2;
pub(crate) const INTERRUPTED: i32 = 130;

/// `rpc`, as people and scripts call it.
pub(crate) fn rpc() -> Home {
    Home::new(env!("CARGO_BIN_EXE_rpc"))
}

/// Options of a client that is soon through with trying.
pub(crate) fn options() -> Options {
    Options {
        timeout: Duration::from_secs(60),
        retries: Retries { attempts: 3, pause: Duration::from_millis(1) },
        ..Options::default()
    }
}

/// A client of the node at this address.
pub(crate) async fn connect(url: &str) -> Node {
    Node::connect(url, options()).await.expect("it connects")
}

/// The checkpoint at a block.
pub(crate) async fn checkpoint(node: &Node, number: u64) -> Checkpoint {
    Checkpoint::at(node, BlockId::number(number)).await.expect("there is a checkpoint")
}

/// The state root that a header has.
pub(crate) async fn state_root(node: &Node, number: u64) -> H256 {
    node.header(BlockId::number(number)).await.expect("there is a header").state_root.0.into()
}

/// Runs a block in batches: the kernel must agree with the decoder, and the decoder with the header.
pub(crate) fn simulates(witness: &Witness, batch_size: u32, state_root: H256) {
    large_stacks();
    let number = witness.number();
    let batches = decode(witness.clone(), batch_size).unwrap_or_else(|error| panic!("block {number}: {error:#}"));
    let last = batches.last().expect("there are two batches at least");
    assert_eq!(last.inputs.trie_roots_after.state_root, state_root, "block {number} in batches of {batch_size}");
    batches.par_iter().for_each(|batch| {
        let run = || simulate::segments(&batch.inputs, 19).find_map(Result::err);
        let failed = panics::catch(run).unwrap_or_else(|panic| panic!("block {number}, {:?}: {panic}", batch.txs));
        assert!(failed.is_none(), "block {number}, transactions {:?}: {failed:?}", batch.txs);
    });
}
