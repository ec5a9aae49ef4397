//! A worker's loop: take a task, fetch what it works on, prove, store the output, report, acknowledge.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use evm_arithmetization::ProofWithPublicValues;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument;

use crate::artifacts::Artifacts;
use crate::circuits::Circuits;
use crate::execute::{self, Failure, Inputs};
use crate::machine::MB;
use crate::queue::Outcome;
use crate::queue::memory::{Delivery, Queue};
use crate::task::{Task, Work};

/// Stack of a thread that proves. Assembling the kernel and building circuits recurse deeply.
pub const STACK_BYTES: usize = 64 << 20;

/// Rest before a failed task is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What all workers of a process share.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Where tasks come from.
    pub queue: Queue,
    /// The circuits.
    pub circuits: Arc<Circuits>,
    /// Where inputs and outputs are.
    pub artifacts: Artifacts,
    /// Megabytes that segments may take together.
    pub memory: Arc<Memory>,
}

/// Memory for segments, shared by the workers of a process.
#[derive(Debug)]
pub struct Memory {
    megabytes: u32,
    free: Semaphore,
}

impl Memory {
    /// So many bytes.
    pub fn new(bytes: u64) -> Self {
        let megabytes = u32::try_from(bytes / MB).unwrap_or(u32::MAX);
        Self { megabytes, free: Semaphore::new(megabytes as usize) }
    }

    /// Waits until so much is free. What is more than all there is waits until it is alone.
    async fn take(&self, megabytes: u32) -> Option<SemaphorePermit<'_>> {
        // An error would mean that the semaphore was closed, which nobody does.
        self.free.acquire_many(megabytes.min(self.megabytes)).await.ok()
    }
}

/// Works on tasks, one at a time, until the queue is closed.
pub async fn serve(worker: Worker) {
    while let Some(delivery) = worker.queue.take().await {
        let span = span(&delivery.task);
        handle(delivery, &worker).instrument(span).await;
    }
}

async fn handle(delivery: Delivery, worker: &Worker) {
    let start = Instant::now();
    let kind = delivery.task.work.kind().name();
    match prove_and_store(&delivery, worker).await {
        Ok(reused) => {
            let time = start.elapsed();
            tracing::info!(seconds = (time.as_secs_f64() * 10.0).round() / 10.0, reused, "proved {kind}");
            delivery.ack(Outcome::Done { reused, time });
        }
        Err(Failure::Aborted) => {
            tracing::info!("{kind} cancelled");
            delivery.ack(Outcome::Cancelled);
        }
        Err(failure) if failure.retryable() => {
            tracing::warn!(delivery = delivery.deliveries, "{kind} failed: {failure}");
            tokio::time::sleep(RETRY_PAUSE).await;
            delivery.retry(&failure.to_string());
        }
        Err(failure) => {
            tracing::error!("{kind} failed for good: {failure}");
            delivery.reject(failure.to_string());
        }
    }
}

/// Whether the output was there already.
async fn prove_and_store(delivery: &Delivery, worker: &Worker) -> Result<bool, Failure> {
    let Worker { circuits, artifacts, memory, .. } = worker;
    let task = &delivery.task;
    execute::check(circuits.digest, &circuits.profile.name, task)?;
    if artifacts.output(&task.id).await?.is_some() {
        return Ok(true);
    }
    let inputs = Inputs::fetch(artifacts, task).await?;
    // Held while proving: segments that do not fit into memory together run one after another.
    let megabytes = match &task.work {
        Work::Segment(segment) => segment.memory_mb,
        _ => 0,
    };
    let _memory = memory.take(megabytes).await;
    let proof = prove_on_a_thread(delivery, circuits.clone(), inputs).await?;
    if delivery.abort.load(Ordering::Relaxed) {
        return Err(Failure::Aborted);
    }
    artifacts.put_output(&task.id, &proof).await?;
    Ok(false)
}

async fn prove_on_a_thread(
    delivery: &Delivery,
    circuits: Arc<Circuits>,
    inputs: Inputs,
) -> Result<ProofWithPublicValues, Failure> {
    let (task, abort) = (delivery.task.clone(), delivery.abort.clone());
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let span = tracing::Span::current();
    let prove = move || {
        let result = span.in_scope(|| execute::execute(&circuits, &task, inputs, &abort));
        if sender.send(result).is_err() {
            tracing::debug!("nobody waits for this proof any more");
        }
    };
    std::thread::Builder::new()
        .name("prove".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(prove)
        .map_err(|error| Failure::Panic(format!("no thread to prove on: {error}")))?;
    receiver.await.unwrap_or_else(|_| Err(Failure::Panic("the proving thread ended".to_owned())))
}

/// What a log line about a task says: which part of which block.
fn span(task: &Task) -> tracing::Span {
    let (block_number, block_hash) = (task.block.number, format!("{:#x}", task.block.hash));
    match &task.work {
        Work::Segment(segment) => {
            let (first, end) = segment.txs;
            tracing::info_span!(
                "task",
                block_number,
                block_hash,
                batch = segment.batch,
                tx_first = first,
                tx_last = end.saturating_sub(1).max(first),
                segment = segment.index
            )
        }
        Work::SegmentMerge { batch, segments: (first, last), .. } => {
            tracing::info_span!("task", block_number, block_hash, batch, segment_first = first, segment_last = last)
        }
        Work::BatchMerge { batches: (first, last), .. } => {
            tracing::info_span!("task", block_number, block_hash, batch_first = first, batch_last = last)
        }
        Work::Block { .. } => tracing::info_span!("task", block_number, block_hash),
    }
}
