//! Proving one block: plan, dispatch, check. Several are proved at a time, each on top of the one before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, bail};
use evm_arithmetization::ProofWithPublicValues;
use evm_arithmetization::proof::{BlockHashes, BlockMetadata};
use ops::circuits::verifier::Verifier;
use ops::decode::Batch;
use ops::digest::Digest;
use ops::mock::MockProof;
use ops::plan::{self, BlockPlan};
use ops::proof::{self, BlockProof};
use ops::task::{BlockId, Scope, TaskId};
use ops::witness::Witness;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::dispatch::{self, Dispatch, Proved};
use crate::graph::Graph;
use crate::metrics::{self, Ended};
use crate::output::{self, Finished};
use crate::prepare::Shared;
use crate::progress::BlockProgress;

/// What the next block builds upon: the task of a block, and how to learn that it is done.
pub type Upon = (TaskId, Proved);

/// How many tasks of a block there are, and how many are done; both are 0 until it is planned.
#[derive(Debug, Default)]
pub struct Counts {
    all: AtomicUsize,
    done: AtomicUsize,
}

impl Counts {
    /// Done, and all.
    pub fn get(&self) -> (usize, usize) {
        (self.done.load(Ordering::Relaxed), self.all.load(Ordering::Relaxed))
    }

    /// Takes note of where a block stands.
    pub fn set(&self, done: usize, all: usize) {
        self.done.store(done, Ordering::Relaxed);
        self.all.store(all, Ordering::Relaxed);
    }
}

/// The block of this number is not wanted any more.
#[derive(Debug, thiserror::Error)]
#[error("block {0} was cancelled")]
pub struct Cancelled(pub u64);

/// A block that is being proved.
#[derive(Debug)]
pub struct Begun {
    /// The block.
    pub block: BlockId,
    /// How far it is.
    pub counts: Arc<Counts>,
    /// Ends when it is proved, has failed or was cancelled.
    pub work: JoinHandle<anyhow::Result<Finished>>,
    upon: Upon,
    cancel: oneshot::Sender<()>,
}

impl Begun {
    /// What the next block builds upon.
    pub fn link(&self) -> Upon {
        self.upon.clone()
    }

    /// Stops it: queued tasks vanish, running ones are aborted.
    pub async fn cancel(self) {
        if self.cancel.send(()).is_ok()
            && let Ok(Err(error)) = self.work.await
        {
            tracing::debug!(block_number = self.block.number, "{error:#}");
        }
    }
}

/// Starts to prove a block on top of the one before it.
pub fn begin(shared: &Shared, witness: Witness, previous: Option<Upon>, first_block: u64) -> Begun {
    let scope = scope(&shared.config, shared.circuits, &witness);
    let id = scope.block(previous.as_ref().map(|(id, _)| *id));
    let block = BlockId { number: witness.number(), hash: witness.hash() };
    let (done, proved) = watch::channel(false);
    let (cancel, cancelled) = oneshot::channel();
    let (shared, counts) = (shared.clone(), Arc::new(Counts::default()));
    let counted = counts.clone();
    let work = tokio::spawn(async move {
        let start = Instant::now();
        metrics::families().blocks.inc();
        let saved = shared.config.save_inputs_on_error.as_ref().map(|folder| (folder.clone(), witness.clone()));
        let result = tokio::select! {
            result = prove_block(&shared, witness, scope, previous, &counted) => result,
            Ok(()) = cancelled => {
                match shared.queue.finish(block, &shared.artifacts).await {
                    Ok(()) => Err(Cancelled(block.number).into()),
                    Err(error) => Err(error.into()),
                }
            }
        };
        let ended = match &result {
            Ok((_, ended)) => *ended,
            Err(error) if error.is::<Cancelled>() => Ended::Cancelled,
            Err(_) => Ended::Failed,
        };
        metrics::families().blocks.dec();
        metrics::families().ended(ended, start.elapsed());
        match result {
            Ok((proof, _)) => {
                // Nobody may be waiting: it was the last block.
                done.send_replace(true);
                let Shared { config, circuits, .. } = &shared;
                Ok(match proof {
                    Some(proof) => {
                        Finished::Proof(Box::new(BlockProof::new(&config.profile, *circuits, first_block, &proof)))
                    }
                    None => Finished::Mock(MockProof::new(block.number)),
                })
            }
            Err(error) => {
                if let Some((folder, witness)) = saved {
                    output::save_witness(&folder, &witness)?;
                }
                Err(error)
            }
        }
    });
    Begun { block, counts, work, upon: (id, proved), cancel }
}

/// Proves a block: plan, dispatch, check. The proof is absent if nothing is proved.
async fn prove_block(
    shared: &Shared,
    witness: Witness,
    scope: Scope,
    previous: Option<Upon>,
    counts: &Counts,
) -> anyhow::Result<(Option<ProofWithPublicValues>, Ended)> {
    let Shared { config, artifacts, queue, screen, verifier, trust, .. } = shared;
    let id = scope.block(previous.as_ref().map(|(id, _)| *id));
    let (meta, hashes) = (witness.other_data.b_data.b_meta.clone(), witness.other_data.b_data.b_hashes.clone());
    let number = witness.number();
    if let (Some(proof), Some(verifier)) = (artifacts.output(&id).await?, verifier) {
        match check(&proof, verifier, &meta, &hashes) {
            Ok(()) => {
                tracing::info!(block_number = number, "the block was proved before, reusing its proof");
                return Ok((Some(proof), Ended::Reused));
            }
            Err(reason) => {
                tracing::warn!(block_number = number, "not reusing the stored proof of the block: {reason:#}");
                artifacts.remove_output(&id).await?;
            }
        }
    }
    let (plan, batches) = plan_block(config, shared.circuits, witness).await?;
    if verifier.is_some() {
        plan::check(&plan, &config.profile, config.segment_budget())?;
    }
    let mut graph = Graph::new(&plan, previous.as_ref().map(|(id, _)| *id));
    let reused = dispatch::resume(&mut graph, &plan, artifacts, trust).await?;
    if reused > 0 {
        tracing::info!(block_number = number, "reusing {reused} finished tasks of {}", graph.len());
    }
    for (index, batch) in batches.iter().enumerate() {
        artifacts.put_inputs(&plan.scope.inputs(index as u32), &batch.inputs).await?;
    }
    drop(batches);
    let tasks: Vec<TaskId> = graph.tasks().map(|task| task.id).collect();
    let mut progress = BlockProgress::new(&plan, config.lanes(), graph.len(), screen);
    let result = Dispatch::new(&plan, graph, queue, artifacts, trust, &mut progress, counts).run(previous).await;
    progress.finish();
    result?;

    let proof = match verifier {
        None => None,
        Some(verifier) => {
            let proof = artifacts.output(&id).await?;
            let proof = proof.context("the proof of the block has vanished from the artifact store")?;
            check(&proof, verifier, &meta, &hashes).with_context(|| format!("block {number}"))?;
            Some(proof)
        }
    };
    let gas_used = meta.block_gas_used.low_u64();
    tracing::info!(
        total_txs = plan.transactions(),
        gas_used,
        time_spent = %format!("{}s", progress.elapsed().as_secs()),
        "{} block {number}",
        if proof.is_some() { "Proved" } else { "MOCK, not proved:" }
    );
    if !config.keep_intermediate_proofs {
        for intermediate in tasks.iter().filter(|task| **task != id) {
            artifacts.remove_output(intermediate).await?;
            if proof.is_none() {
                artifacts.remove_mock(intermediate).await?;
            }
        }
        for batch in 0..plan.batches.len() {
            artifacts.remove_inputs(&plan.scope.inputs(batch as u32)).await?;
        }
    }
    Ok((proof, Ended::Proved { gas: gas_used, transactions: plan.transactions() }))
}

/// Whether a proof is valid and of this block.
fn check(
    proof: &ProofWithPublicValues,
    verifier: &Verifier,
    metadata: &BlockMetadata,
    hashes: &BlockHashes,
) -> anyhow::Result<()> {
    let proved = proof::verify_intern(&proof.intern, &verifier.data)?;
    match proved.block_metadata == *metadata && proved.block_hashes == *hashes {
        true => Ok(()),
        false => bail!("the proof states other block metadata or hashes than the witness"),
    }
}

/// Decodes and plans a block, off the async threads.
pub async fn plan_block(
    config: &Config,
    circuits: Digest,
    witness: Witness,
) -> anyhow::Result<(BlockPlan, Vec<Batch>)> {
    let scope = scope(config, circuits, &witness);
    tokio::task::spawn_blocking(move || plan::of_witness(witness, scope)).await.context("planning ended")?
}

fn scope(config: &Config, circuits: Digest, witness: &Witness) -> Scope {
    let Config { batch_size, max_cpu_len_log, .. } = *config;
    Scope { circuits, witness: witness.digest(), batch_size, max_cpu_len_log }
}
