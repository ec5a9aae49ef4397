//! A worker's loop: take a task, fetch what it works on, prove, store the output, report, acknowledge.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use evm_arithmetization::ProofWithPublicValues;
use rayon::ThreadPool;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument;

use crate::artifacts::{ArtifactError, Artifacts};
use crate::circuits::Circuits;
use crate::digest::Digest;
use crate::execute::{self, Failure, Inputs};
use crate::machine::MB;
use crate::metrics::tasks::{self as metrics, Outcome as Counted};
use crate::mock::{self, Mock};
use crate::queue::{Delivery, Outcome, Tasks};
use crate::stack;
use crate::task::{Task, Work};

/// Rest before a failed task is tried again, and between two looks at a store that does not answer.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How long a store may be away before the task that needs it fails: what was proved meanwhile is worth the wait.
const STORE_PATIENCE: Duration = Duration::from_secs(600);

/// What proves.
#[derive(Clone, Debug)]
pub enum Prover {
    /// Circuits.
    Real(Arc<Circuits>),
    /// Nothing, it only takes time.
    Mock(Mock),
}

impl Prover {
    /// The digest that tasks must name.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Real(circuits) => circuits.digest,
            Self::Mock(_) => mock::digest(),
        }
    }

    /// The profile's name.
    pub fn profile(&self) -> &str {
        match self {
            Self::Real(circuits) => &circuits.profile.name,
            Self::Mock(_) => mock::PROFILE,
        }
    }
}

/// A worker, or one slot of several.
#[derive(Clone, Debug)]
pub struct Worker<Q> {
    /// Where tasks come from.
    pub tasks: Q,
    /// What proves them.
    pub prover: Prover,
    /// Where inputs and outputs are.
    pub artifacts: Artifacts,
    /// Memory that segments may take, shared by the workers of a process.
    pub memory: Arc<Memory>,
    /// The threads that it proves on, if not those that all workers of the process share.
    pub threads: Option<Arc<ThreadPool>>,
    /// Which of the workers of this process it is.
    pub slot: usize,
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
        let megabytes = u32::try_from(bytes / MB).unwrap_or(u32::MAX >> 3);
        metrics::families().memory_budget.set((u64::from(megabytes) * MB) as f64);
        Self { megabytes, free: Semaphore::new(megabytes as usize) }
    }

    /// Waits until so much is free.
    async fn take(&self, megabytes: u32) -> Result<Option<SemaphorePermit<'_>>, Failure> {
        if megabytes > self.megabytes {
            return Err(Failure::Memory { needed: megabytes, there: self.megabytes });
        }
        // An error would mean that the semaphore was closed, which nobody does.
        if let Ok(there) = self.free.try_acquire_many(megabytes) {
            return Ok(Some(there));
        }
        let _waiting = Up::new(&metrics::families().memory_waiting);
        Ok(self.free.acquire_many(megabytes).await.ok())
    }
}

/// A gauge that is one higher until this is dropped.
struct Up<'a>(&'a prometheus::Gauge);

impl<'a> Up<'a> {
    fn new(gauge: &'a prometheus::Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Works on tasks, one at a time, until there will be no more.
pub async fn serve<Q: Tasks>(worker: Worker<Q>) {
    let Worker { tasks, prover, artifacts, memory, threads, slot } = worker;
    let bench = Bench { prover, artifacts, memory, threads, slot };
    let _slot = Up::new(&metrics::families().slots);
    while let Some(delivery) = tasks.take().await {
        let span = span(&delivery.task);
        bench.handle(delivery).instrument(span).await;
    }
}

/// What a worker has at hand, wherever its tasks come from.
struct Bench {
    prover: Prover,
    artifacts: Artifacts,
    memory: Arc<Memory>,
    threads: Option<Arc<ThreadPool>>,
    slot: usize,
}

impl Bench {
    async fn handle(&self, delivery: Delivery) {
        let start = Instant::now();
        let _busy = Up::new(&metrics::families().busy);
        let task = delivery.task.clone();
        let counted = |outcome| metrics::families().ended(&task, outcome, start.elapsed());
        let kind = delivery.task.work.kind().name();
        match self.prove_and_store(&delivery).await {
            Ok(reused) => {
                let time = start.elapsed();
                let seconds = (time.as_secs_f64() * 10.0).round() / 10.0;
                match &self.prover {
                    Prover::Real(_) => tracing::info!(seconds, reused, "proved {kind}"),
                    Prover::Mock(_) => tracing::debug!(seconds, reused, "MOCK, nothing proved: {kind}"),
                }
                counted(if reused { Counted::Reused } else { Counted::Proved });
                delivery.settle(Outcome::Done { reused, time });
            }
            Err(Failure::Aborted) => {
                tracing::info!("{kind} stopped");
                counted(Counted::Cancelled);
                delivery.settle(Outcome::Cancelled);
            }
            Err(failure) if failure.retryable() => {
                tracing::warn!(delivery = delivery.deliveries, "{kind} failed: {failure}");
                counted(Counted::Retried);
                metrics::families().failed(&task, failure.cause());
                tokio::time::sleep(RETRY_PAUSE).await;
                delivery.retry(failure.cause(), failure.to_string());
            }
            Err(failure) => {
                tracing::error!("{kind} failed for good: {failure}");
                counted(Counted::Failed);
                metrics::families().failed(&task, failure.cause());
                let (cause, reason) = (failure.cause(), failure.to_string());
                delivery.settle(Outcome::Failed { cause, reason });
            }
        }
    }

    /// Whether the output was there already.
    async fn prove_and_store(&self, delivery: &Delivery) -> Result<bool, Failure> {
        let Self { prover, artifacts, memory, threads, slot } = self;
        let task = &delivery.task;
        execute::check(prover.digest(), prover.profile(), task)?;
        let circuits = match prover {
            Prover::Real(circuits) => circuits,
            Prover::Mock(mock) => return pretend(*mock, delivery, artifacts).await,
        };
        if patiently(delivery, move || artifacts.output(&task.id)).await?.is_some() {
            return Ok(true);
        }
        let families = metrics::families();
        let start = Instant::now();
        let inputs = patiently(delivery, move || Inputs::fetch(artifacts, task)).await?;
        families.stage("fetch", start.elapsed());
        // Held while proving: segments that do not fit into memory together run one after another.
        let start = Instant::now();
        let memory = memory.take(task.memory_mb()).await?;
        families.stage("memory_wait", start.elapsed());
        families.slot_memory(*slot, u64::from(task.memory_mb()) * MB);
        let proved = prove_on_a_thread(delivery, circuits.clone(), inputs, threads.clone()).await;
        families.slot_memory(*slot, 0);
        drop(memory);
        let proof = proved?;
        stop_if_aborted(delivery)?;
        let start = Instant::now();
        patiently(delivery, || artifacts.put_output(&task.id, &proof)).await?;
        families.stage("store", start.elapsed());
        Ok(false)
    }
}

fn stop_if_aborted(delivery: &Delivery) -> Result<(), Failure> {
    if delivery.abort.load(Ordering::Relaxed) { Err(Failure::Aborted) } else { Ok(()) }
}

/// Asks the store again and again while it does not answer.
async fn patiently<T, F>(delivery: &Delivery, ask: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, ArtifactError>>,
{
    let start = Instant::now();
    loop {
        match ask().await {
            Err(error) if error.is_outage() && start.elapsed() < STORE_PATIENCE => {
                tracing::warn!("waiting for the artifact store: {error}");
                tokio::time::sleep(RETRY_PAUSE).await;
                stop_if_aborted(delivery)?;
            }
            result => return Ok(result?),
        }
    }
}

/// What a mock does instead of proving.
async fn pretend(mock: Mock, delivery: &Delivery, artifacts: &Artifacts) -> Result<bool, Failure> {
    let task = &delivery.task;
    if patiently(delivery, move || artifacts.has_mock(&task.id)).await? {
        return Ok(true);
    }
    let gas = match (&task.work, mock.cost) {
        (Work::Segment(segment), mock::Cost::Gas(_)) => {
            let inputs = patiently(delivery, move || artifacts.inputs(&segment.inputs)).await?;
            inputs.gas_used_after.saturating_sub(inputs.gas_used_before).low_u64()
        }
        _ => 1_000_000,
    };
    let end = Instant::now() + mock.time(gas, fastrand::f64());
    loop {
        stop_if_aborted(delivery)?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        tokio::time::sleep(left.min(Duration::from_millis(50))).await;
    }
    if fastrand::f64() < mock.fail {
        return Err(Failure::Panic("the mock was told to fail".to_owned()));
    }
    patiently(delivery, move || artifacts.put_mock(&task.id)).await?;
    Ok(false)
}

async fn prove_on_a_thread(
    delivery: &Delivery,
    circuits: Arc<Circuits>,
    inputs: Inputs,
    threads: Option<Arc<ThreadPool>>,
) -> Result<ProofWithPublicValues, Failure> {
    let (task, abort) = (delivery.task.clone(), delivery.abort.clone());
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let span = tracing::Span::current();
    let prove = move || {
        let work = || span.in_scope(|| execute::execute(&circuits, &task, inputs, &abort));
        let result = match threads {
            Some(threads) => threads.install(work),
            None => work(),
        };
        if sender.send(result).is_err() {
            tracing::debug!("nobody waits for this proof any more");
        }
    };
    std::thread::Builder::new()
        .name("prove".to_owned())
        .stack_size(stack::BYTES)
        .spawn(prove)
        .map_err(|error| Failure::Panic(format!("no thread to prove on: {error}")))?;
    receiver.await.unwrap_or_else(|_| Err(Failure::Panic("the proving thread ended".to_owned())))
}

/// What a log line about a task says: which part of which block.
pub fn span(task: &Task) -> tracing::Span {
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
