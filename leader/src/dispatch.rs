//! Giving a block's tasks to the workers and following them until the block is proved.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use amqp::message::{BlockState, Stage, TaskState};
use anyhow::{Context, bail};
use evm_arithmetization::ProofWithPublicValues;
use ops::artifacts::{ArtifactError, Artifacts};
use ops::circuits::verifier::Verifier;
use ops::digest::Digest;
use ops::exit;
use ops::plan::BlockPlan;
use ops::queue::{Cause, Event, MAX_DELIVERIES, Outcome, Report};
use ops::task::{Kind, Task, TaskId, Work};
use tokio::sync::watch;

use crate::block::{Cancelled, Counts};
use crate::graph::{Graph, Standing};
use crate::metrics::{self, BlockMetrics};
use crate::progress::BlockProgress;
use crate::queue::Queue;

/// How the next block learns that the block before it is proved; closed without a value if it fails.
pub type Proved = watch::Receiver<bool>;

/// Whether outputs are proofs or only stand for them, and how what others return is checked.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Workers of this process are believed.
    Own,
    /// Proofs of others are verified before anything is built on them.
    Verify(Arc<Verifier>),
    /// Nothing is proved.
    Mock,
}

/// Marks what a former run has left in the artifact store: the topmost outputs, and with them all below.
pub async fn resume(
    graph: &mut Graph,
    plan: &BlockPlan,
    artifacts: &Artifacts,
    trust: &Trust,
) -> Result<usize, ArtifactError> {
    // From the root down: what is below an output that is there is not looked at.
    let tasks: Vec<_> = graph.tasks().cloned().collect();
    for Task { id, work, .. } in tasks.iter().rev() {
        let there = match trust {
            _ if !graph.wanted(id) => false,
            Trust::Mock => artifacts.has_mock(id).await?,
            Trust::Own => artifacts.output(id).await?.is_some(),
            // Others may write into the store, too.
            Trust::Verify(verifier) => match artifacts.output(id).await? {
                Some(proof) => match check(verifier, plan, work, &proof) {
                    Ok(()) => true,
                    Err(reason) => {
                        tracing::warn!("not reusing what is stored for {work}: {reason}");
                        // A worker would find it and report it as done.
                        artifacts.remove_output(id).await?;
                        false
                    }
                },
                None => false,
            },
        };
        if there {
            graph.found(id);
        }
    }
    Ok(Kind::ALL.into_iter().map(|kind| graph.count(kind).1).sum())
}

/// A block that is being proved.
pub struct Dispatch<'a> {
    plan: &'a BlockPlan,
    graph: Arc<Mutex<Graph>>,
    queue: &'a Queue,
    artifacts: &'a Artifacts,
    trust: &'a Trust,
    progress: &'a mut BlockProgress,
    counts: &'a Counts,
    metrics: BlockMetrics,
    /// How often the output of a task was reported and what was found is not it.
    missing: HashMap<TaskId, u32>,
}

impl<'a> Dispatch<'a> {
    /// Of a planned block, some of whose tasks may be done.
    pub fn new(
        plan: &'a BlockPlan,
        graph: Graph,
        queue: &'a Queue,
        artifacts: &'a Artifacts,
        trust: &'a Trust,
        progress: &'a mut BlockProgress,
        counts: &'a Counts,
    ) -> Self {
        Self {
            plan,
            graph: Arc::new(Mutex::new(graph)),
            queue,
            artifacts,
            trust,
            progress,
            counts,
            metrics: BlockMetrics::new(plan.block),
            missing: HashMap::new(),
        }
    }

    /// Proves the block: ends when the output of its last task is in the artifact store. `previous` is the block before.
    pub async fn run(mut self, previous: Option<(TaskId, Proved)>) -> anyhow::Result<()> {
        let (block, queue, artifacts) = (self.plan.block, self.queue, self.artifacts);
        let mut reports = queue.begin(block, artifacts, self.status()).await?;
        let result = self.follow(&mut reports, previous).await;
        if let Err(error) = queue.finish(block, artifacts).await {
            tracing::warn!(block_number = block.number, "queued tasks of the block may still be proved: {error}");
        }
        self.show();
        result
    }

    async fn follow(
        &mut self,
        reports: &mut tokio::sync::mpsc::UnboundedReceiver<Report>,
        mut previous: Option<(TaskId, Proved)>,
    ) -> anyhow::Result<()> {
        let number = self.plan.block.number;
        let mut tick = tokio::time::interval(Duration::from_secs(60));
        tick.tick().await;
        self.count(&lock(&self.graph));
        self.progress.update(&lock(&self.graph));
        while !lock(&self.graph).finished() {
            for task in lock(&self.graph).ready() {
                self.queue.publish(task);
            }
            self.show();
            tokio::select! {
                report = reports.recv() => {
                    self.hear(report.context("the queue has ended")?).await?;
                    tick.reset();
                }
                proved = wait_for(&mut previous) => match proved {
                    Some(id) => lock(&self.graph).found_previous(&id),
                    None => bail!("block {number} cannot be proved without the block before it, which failed"),
                },
                _ = tick.tick() => self.progress.remind(&lock(&self.graph)),
            }
        }
        Ok(())
    }

    /// Tells the metrics where the block stands.
    fn show(&self) {
        let eta = *lock(&self.progress.eta_source());
        self.metrics.update(&lock(&self.graph), eta);
    }

    fn count(&self, graph: &Graph) {
        let done: usize = Kind::ALL.into_iter().map(|kind| graph.count(kind).1).sum();
        self.counts.set(done, graph.len());
    }

    async fn hear(&mut self, Report { id, worker, event, output, genuine }: Report) -> anyhow::Result<()> {
        let number = self.plan.block.number;
        if let Event::Ended(outcome) = &event
            && let Some(kind) = lock(&self.graph).tasks().find(|task| task.id == id).map(|task| task.work.kind())
        {
            self.metrics.ended(id, kind, outcome);
        }
        match event {
            Event::Started => {
                self.progress.started(id);
                self.metrics.started(id);
            }
            Event::Ended(Outcome::Done { reused, time }) => {
                if !self.is_proof(&id, &worker, output, genuine).await? {
                    return Ok(());
                }
                let mut graph = lock(&self.graph);
                self.progress.ended(&graph, &id, (!reused).then_some(time));
                graph.found(&id);
                self.count(&graph);
                self.progress.update(&graph);
            }
            Event::Ended(Outcome::Failed { cause: Cause::Resources, reason }) => {
                return Err(exit::resources(format!("block {number}: {reason}")));
            }
            Event::Ended(Outcome::Failed { reason, .. }) => bail!("block {number}: {reason}"),
            Event::Ended(Outcome::Cancelled) | Event::Cancelled => return Err(Cancelled(number).into()),
        }
        Ok(())
    }

    /// Whether what a worker has returned is a proof. If not, the task is given to another.
    async fn is_proof(
        &mut self,
        id: &TaskId,
        worker: &str,
        signed: Option<Digest>,
        genuine: bool,
    ) -> anyhow::Result<bool> {
        let Trust::Verify(verifier) = self.trust else { return Ok(true) };
        let task = lock(&self.graph).tasks().find(|task| task.id == *id).cloned();
        let Some(task) = task else { return Ok(true) };
        // Somebody else may have written over what the worker has stored.
        let same = match signed {
            Some(signed) => self.artifacts.output_checksum(id).await? == Some(signed),
            None => true,
        };
        let found = self.artifacts.output(id).await?;
        let verify = |proof| tokio::task::block_in_place(|| check(verifier, self.plan, &task.work, proof));
        let reason = match found.as_ref().filter(|_| same).map(verify) {
            Some(Ok(())) => return Ok(true),
            Some(Err(reason)) if genuine => reason,
            other => {
                let what = match (other, found) {
                    (Some(_), _) => "that of a task which somebody else has given out under its name",
                    (None, Some(_)) => "not the one that it has signed for",
                    (None, None) => "not there",
                };
                let missing = self.missing.entry(*id).or_default();
                *missing += 1;
                if *missing == MAX_DELIVERIES {
                    bail!(
                        "block {}: {worker} says that {} is proved, and its output in the artifact store is {what}; do \
                         leader and workers have the same one?",
                        task.block.number,
                        task.work
                    );
                }
                tracing::warn!(worker, "the output of {} is {what}, giving it out again", task.work);
                self.artifacts.remove_output(id).await?;
                self.queue.publish(task);
                return Ok(false);
            }
        };
        self.artifacts.remove_output(id).await?;
        metrics::families().distrusted.inc();
        let reason =
            format!("what it returned for {} of block {} is not its proof: {reason}", task.work, task.block.number);
        self.queue.distrust(task, worker.to_owned(), reason);
        Ok(false)
    }

    /// What operators are told of the block.
    fn status(&self) -> crate::queue::Status {
        let (graph, plan_block, transactions) = (self.graph.clone(), self.plan.block, self.plan.transactions());
        let eta = self.progress.eta_source();
        let start = Instant::now();
        Arc::new(move || {
            let graph = lock(&graph);
            let state = |task: &ops::task::Task, standing: Standing, parent: Option<usize>| TaskState {
                id: task.id,
                kind: task.work.kind(),
                what: task.work.to_string(),
                parent,
                stage: if standing == Standing::Done { Stage::Done } else { Stage::Waiting },
                worker: None,
            };
            BlockState {
                block: plan_block,
                transactions,
                transactions_proved: graph.transactions_proved(),
                eta: *lock(&eta),
                elapsed: start.elapsed(),
                tasks: graph.states().map(|(task, standing, parent)| state(task, standing, parent)).collect(),
            }
        })
    }
}

/// Whether a proof is what the plan wants of a task; if not, why.
fn check(verifier: &Verifier, plan: &BlockPlan, work: &Work, proof: &ProofWithPublicValues) -> Result<(), String> {
    let wanted = plan.statement(work).ok_or_else(|| format!("the block has no {work}"))?;
    verifier.check_output(work.kind(), &wanted, proof)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under the lock leaves a change half made.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Waits until the block before is proved: its task, or `None` if it failed. Afterwards it waits for ever.
async fn wait_for(previous: &mut Option<(TaskId, Proved)>) -> Option<TaskId> {
    let Some((id, proved)) = previous else { return std::future::pending().await };
    let id = proved.wait_for(|proved| *proved).await.ok().map(|_| *id);
    *previous = None;
    id
}
