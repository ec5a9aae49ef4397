//! Giving a block's tasks to the workers and following them until the block is proved.

use std::time::Duration;

use anyhow::{Context, bail};
use ops::artifacts::{ArtifactError, Artifacts};
use ops::queue::Outcome;
use ops::queue::memory::Queue;
use ops::task::{Kind, TaskId};
use tokio::sync::watch;

use crate::graph::Graph;
use crate::plan::BlockPlan;
use crate::progress::BlockProgress;

/// How the next block learns that the block before it is proved; closed without a value if it fails.
pub type Proved = watch::Receiver<bool>;

/// Marks what a former run has left in the artifact store: the topmost outputs, and with them all below.
pub async fn resume(graph: &mut Graph, artifacts: &Artifacts) -> Result<usize, ArtifactError> {
    // From the root down: what is below an output that is there is not looked at.
    let ids: Vec<TaskId> = graph.tasks().map(|task| task.id).collect();
    for id in ids.iter().rev() {
        if graph.wanted(id) && artifacts.output(id).await?.is_some() {
            graph.found(id);
        }
    }
    Ok(Kind::ALL.into_iter().map(|kind| graph.count(kind).1).sum())
}

/// Proves a block: ends when the output of its last task is in the artifact store. `previous` is the block before.
pub async fn run(
    plan: &BlockPlan,
    mut graph: Graph,
    previous: Option<(TaskId, Proved)>,
    queue: &Queue,
    progress: &mut BlockProgress,
) -> anyhow::Result<()> {
    let block = plan.block;
    let mut reports = queue.listen(block);
    let mut previous = previous;
    let mut tick = tokio::time::interval(Duration::from_secs(60));
    tick.tick().await;
    progress.update(&graph);
    while !graph.finished() {
        for task in graph.ready() {
            queue.publish(task);
        }
        tokio::select! {
            report = reports.recv() => {
                let report = report.context("the queue is gone")?;
                match report.outcome {
                    Outcome::Done { reused, time } => {
                        if !reused {
                            progress.proved(&graph, &report.id, time);
                        }
                        graph.found(&report.id);
                        progress.update(&graph);
                        tick.reset();
                    }
                    Outcome::Failed { reason } => {
                        queue.cancel(block);
                        bail!("block {}: {reason}", block.number);
                    }
                    Outcome::Cancelled => bail!("block {} was cancelled", block.number),
                }
            }
            proved = wait_for(&mut previous) => {
                match proved {
                    Some(id) => graph.found_previous(&id),
                    None => {
                        queue.cancel(block);
                        bail!("block {} cannot be proved without the block before it, which failed", block.number);
                    }
                }
            }
            _ = tick.tick() => progress.remind(&graph),
        }
    }
    Ok(())
}

/// Waits until the block before is proved: its task, or `None` if it failed. Afterwards it waits for ever.
async fn wait_for(previous: &mut Option<(TaskId, Proved)>) -> Option<TaskId> {
    let Some((id, proved)) = previous else { return std::future::pending().await };
    let id = proved.wait_for(|proved| *proved).await.ok().map(|_| *id);
    *previous = None;
    id
}
