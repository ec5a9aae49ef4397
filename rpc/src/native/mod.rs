//! Witnesses from any node with `eth_getProof`: the block is executed again on a state that is proved, and what comes out
//! is compared with the header.
//!
//! Nothing a node says is interpreted. What a tracer says only tells what to fetch at once; what execution still misses
//! is fetched when it is asked for.

mod assemble;
mod compare;
mod execute;
mod hint;
mod reveal;
mod state;

use std::sync::Arc;

use alloy::eips::BlockId;
use ops::witness::Witness;

use self::execute::Run;
use self::state::State;
use crate::checkpoint::Checkpoint;
use crate::error::FetchError;
use crate::fork;
use crate::node::{FullBlock, Node};

/// The witness of a block, for a chain of proofs that begins at the checkpoint.
pub async fn witness(node: &Node, block: BlockId, checkpoint: &Checkpoint) -> Result<Witness, FetchError> {
    let block = Arc::new(node.block(block).await?);
    fork::check(&block.header)?;
    let parent = node.header(block.header.parent_hash.into()).await?;
    let hashes = node.previous_hashes(&block.header).await?;
    let mut work = Work::begin(node, &block, State::new(parent.number, parent.state_root, hashes)).await?;

    let mut wanted = hint::hint(node, &block, &mut work.state).await;
    wanted.add(work.run.first_wanted());
    while !wanted.is_empty() {
        work.state.fetch(node, wanted).await?;
        compare::beacon_roots(&block, &work.state)?;
        (work, wanted) = work.apart(|work| work.run.go_on(&work.state)).await?;
    }
    (work, ()) = work.apart(|work| work.run.finish(&work.state)).await?;
    work = reveal::siblings(node, work).await?;
    let roots;
    (work, roots) = work.apart(|work| compare::roots(work)).await?;
    compare::check(node, &work, &roots).await?;
    let (chain_id, checkpoint) = (node.chain_id(), *checkpoint);
    let (_, witness) = work.apart(move |work| assemble::witness(work, chain_id, &checkpoint)).await?;
    Ok(witness)
}

/// A block, what is known of the state before it, and how far it was executed.
struct Work {
    block: Arc<FullBlock>,
    state: State,
    run: Run,
}

impl Work {
    async fn begin(node: &Node, block: &Arc<FullBlock>, state: State) -> Result<Self, FetchError> {
        let (number, chain_id) = (block.header.number, node.chain_id());
        let block = Arc::clone(block);
        // Signatures take a moment.
        let begin = move || Ok(Self { run: Run::new(Arc::clone(&block), chain_id)?, block, state });
        blocking(number, begin).await
    }

    /// Computes on a thread of its own: executing a large block takes seconds, and others wait for answers meanwhile.
    async fn apart<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Self) -> Result<T, FetchError> + Send + 'static,
    ) -> Result<(Self, T), FetchError> {
        let number = self.block.header.number;
        blocking(number, move || {
            let mut this = self;
            let result = work(&mut this)?;
            Ok((this, result))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    number: u64,
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(FetchError::Panic { number, reason: error.to_string() }),
    }
}
