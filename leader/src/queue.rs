//! The queue that a leader gives its tasks to: in this process, or RabbitMQ.

use std::sync::Arc;

use amqp::message::BlockState;
use ops::artifacts::{ArtifactError, Artifacts};
use ops::queue::{Report, memory};
use ops::task::{BlockId, Task};
use tokio::sync::mpsc;

/// Tells where a block stands.
pub type Status = Arc<dyn Fn() -> BlockState + Send + Sync>;

/// Where tasks go.
#[derive(Clone, Debug)]
pub enum Queue {
    /// To workers in this process.
    Memory(memory::Queue),
    /// To workers anywhere.
    Amqp(amqp::leader::Handle),
}

impl Queue {
    /// Begins a block; where the reports on its tasks arrive.
    pub async fn begin(
        &self,
        block: BlockId,
        artifacts: &Artifacts,
        status: Status,
    ) -> Result<mpsc::UnboundedReceiver<Report>, ArtifactError> {
        match self {
            Self::Memory(queue) => Ok(queue.listen(block)),
            Self::Amqp(handle) => {
                artifacts.begin_run(&handle.run_key(block), handle.run).await?;
                Ok(handle.listen(block, status))
            }
        }
    }

    /// Gives a task out.
    pub fn publish(&self, task: Task) {
        match self {
            Self::Memory(queue) => queue.publish(task),
            Self::Amqp(handle) => handle.publish(task),
        }
    }

    /// Ends a block, proved or not: what of it is still queued vanishes, what is running is stopped.
    pub async fn finish(&self, block: BlockId, artifacts: &Artifacts) -> Result<(), ArtifactError> {
        match self {
            Self::Memory(queue) => {
                queue.finish(block);
                Ok(())
            }
            Self::Amqp(handle) => {
                handle.finish(block);
                artifacts.end_run(&handle.run_key(block)).await
            }
        }
    }

    /// A worker has returned what is no proof: the task is given out again, to others.
    pub fn distrust(&self, task: Task, worker: String, reason: String) {
        match self {
            // Nobody else is there to ask.
            Self::Memory(queue) => queue.publish(task),
            Self::Amqp(handle) => handle.distrust(task, worker, reason),
        }
    }

    /// Ends it.
    pub async fn close(&self) {
        match self {
            Self::Memory(queue) => queue.close(),
            Self::Amqp(handle) => handle.close().await,
        }
    }
}
