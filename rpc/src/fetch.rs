//! Witnesses of blocks in a row, several at a time and in order: for the command line and for whoever proves them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use alloy::eips::BlockId;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use ops::witness::{Link, Witness};
use tokio::task::JoinHandle;

use crate::checkpoint::Checkpoint;
use crate::cli::RpcType;
use crate::error::FetchError;
use crate::node::Node;
use crate::{jerigon, native};

/// The witness of a block, in this way. It holds what a leader looks at before it decodes.
pub async fn witness(
    node: &Node,
    rpc_type: RpcType,
    block: BlockId,
    checkpoint: &Checkpoint,
) -> Result<Witness, FetchError> {
    let witness = match rpc_type {
        RpcType::Native => native::witness(node, block, checkpoint).await?,
        RpcType::Jerigon => jerigon::witness(node, block, checkpoint).await?,
    };
    let invalid =
        |error: ops::witness::WitnessError| FetchError::Invalid { number: witness.number(), reason: error.to_string() };
    witness.check().map_err(invalid)?;
    Ok(witness)
}

/// How blocks are fetched.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// The node.
    pub node: Node,
    /// Where the state comes from.
    pub rpc_type: RpcType,
    /// Where the chain of proofs begins.
    pub checkpoint: Checkpoint,
    /// Blocks at the same time. As many again may wait in memory until it is their turn.
    pub concurrency: usize,
}

impl Fetcher {
    /// Begins to fetch blocks, given by their numbers in ascending order. Nothing is done unless it is polled, nothing
    /// goes on when it is dropped.
    pub fn blocks<I: IntoIterator<Item = u64>>(self, numbers: I) -> Blocks<I::IntoIter> {
        Blocks { fetcher: self, numbers: Some(numbers.into_iter()), running: FuturesOrdered::new(), last: None }
    }

    async fn block(self, number: u64) -> Result<Witness, FetchError> {
        witness(&self.node, self.rpc_type, BlockId::number(number), &self.checkpoint).await
    }
}

/// Blocks that are being fetched.
#[derive(Debug)]
pub struct Blocks<I> {
    fetcher: Fetcher,
    /// `None` after an error.
    numbers: Option<I>,
    running: FuturesOrdered<Task>,
    last: Option<(u64, Link)>,
}

impl<I: Iterator<Item = u64>> Blocks<I> {
    /// The next block; `None` after the last one, and after an error. A block whose number follows that of the one before
    /// is its child.
    pub async fn next(&mut self) -> Option<Result<Witness, FetchError>> {
        while self.running.len() < self.fetcher.concurrency {
            let Some(number) = self.numbers.as_mut().and_then(Iterator::next) else { break };
            let work = tokio::spawn(self.fetcher.clone().block(number));
            self.running.push_back(Task { number, work });
        }
        let result = self.running.next().await?.and_then(|witness| self.follow(witness));
        if result.is_err() {
            self.running.clear();
            self.numbers = None;
        }
        Some(result)
    }

    /// Blocks are fetched by number, so the chain may have changed between two of them.
    fn follow(&mut self, witness: Witness) -> Result<Witness, FetchError> {
        let number = witness.number();
        if let Some((before, last)) = self.last.replace((number, witness.link()))
            && before + 1 == number
        {
            last.check_next(&witness).map_err(|error| FetchError::Invalid {
                number,
                reason: format!("the chain has changed while it was fetched, fetch it again: {error}"),
            })?;
        }
        Ok(witness)
    }
}

/// A block on its way. Dropped, it ends.
#[derive(Debug)]
struct Task {
    number: u64,
    work: JoinHandle<Result<Witness, FetchError>>,
}

impl Future for Task {
    type Output = Result<Witness, FetchError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let number = self.number;
        let panic = |error: tokio::task::JoinError| FetchError::Panic { number, reason: error.to_string() };
        Pin::new(&mut self.work).poll(context).map(|joined| joined.map_err(panic)?)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.work.abort();
    }
}
