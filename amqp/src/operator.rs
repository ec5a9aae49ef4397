//! What people ask of the cluster: who is there, what waits, stop this, empty that, what has died and why.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicGetOptions, QueuePurgeOptions};
use lapin::types::FieldTable;
use ops::digest::Digest;
use ops::queue::Cause;
use serde::Serialize;
use tokio::time::{sleep_until, timeout, timeout_at};

use crate::connect::Broker;
use crate::message::{Control, DeadMessage, LeaderState, Presence, TaskMessage, WorkerState, decode, encode};
use crate::session::{Outgoing, Session, SessionError, publish};
use crate::topology::{self, Class, DEAD, DEAD_QUEUE, task_queue, task_queues};

/// How long to wait for answers.
const ANSWERS: Duration = Duration::from_millis(1500);

/// How long the broker may take for a message.
const PATIENCE: Duration = Duration::from_secs(10);

/// Dead letters that are looked at, at most.
const MAX_DEAD: u32 = 10_000;

/// The group under which tasks are tried again that no leader waits for any more.
pub const RETRY_GROUP: &str = "retry";

/// Who is there and what waits.
#[derive(Debug, Serialize)]
pub struct ClusterState {
    /// Tasks that wait for a worker, by queue.
    pub queues: BTreeMap<String, u32>,
    /// Dead letters.
    pub dead: u32,
    /// Leaders.
    pub leaders: Vec<LeaderState>,
    /// Workers.
    pub workers: Vec<WorkerState>,
}

/// An operator at the broker.
#[derive(Debug)]
pub struct Operator {
    session: Session,
}

/// What is done with a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Keep,
    /// It is gone for good.
    Drop,
    /// Its task goes back into its queue, with a new budget of deliveries.
    Retry(Digest),
}

impl Operator {
    /// Connects. To be called on the threads of the broker.
    pub async fn connect(broker: &Broker) -> Result<Self, SessionError> {
        let session = Session::begin(broker, "operator").await?;
        topology::declare(&session.take).await?;
        Ok(Self { session })
    }

    /// Says good-bye.
    pub async fn close(self) {
        self.session.end().await;
    }

    /// Asks everybody and counts what waits.
    pub async fn status(&self) -> Result<ClusterState, SessionError> {
        let take = &self.session.take;
        let own = topology::declare_own(take, "operator", &[]).await?;
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..Default::default() };
        let mut answers = take.basic_consume(own.clone(), "".into(), options, FieldTable::default()).await?;
        self.say(&Control::Ping { reply_to: own.to_string() }).await?;
        let end = tokio::time::Instant::now() + ANSWERS;
        let mut state = ClusterState { queues: BTreeMap::new(), dead: 0, leaders: Vec::new(), workers: Vec::new() };
        while let Ok(Some(answer)) = timeout_at(end, answers.next()).await {
            match decode(&answer?.data) {
                Ok(Presence::Worker(worker)) => state.workers.push(worker),
                Ok(Presence::Leader(leader)) => state.leaders.push(leader),
                Err(error) => tracing::warn!("not understood: {error}"),
            }
        }
        sleep_until(end).await;
        for queue in task_queues(&Class::ALL) {
            state.queues.insert(queue.clone(), topology::ready(take, &queue).await?);
        }
        state.dead = topology::ready(take, DEAD_QUEUE).await?;
        state.leaders.sort_by(|a, b| a.group.cmp(&b.group));
        state.workers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(state)
    }

    /// Tells everybody that these blocks are not wanted any more. That they are not is to be written down in the
    /// artifact store first, for those who do not hear it: [`ops::artifacts::Artifacts::end_runs`].
    pub async fn cancel(&self, blocks: &RangeInclusive<u64>) -> Result<(), SessionError> {
        self.say(&Control::Cancel { first: *blocks.start(), last: *blocks.end() }).await
    }

    /// Empties the queues of tasks. Leaders put back what they still want. Returns how many messages went.
    pub async fn purge(&self) -> Result<u32, SessionError> {
        let mut purged = 0;
        for queue in task_queues(&Class::ALL) {
            let options = QueuePurgeOptions::default();
            purged += self.session.take.queue_purge(queue.as_str().into(), options).await?;
        }
        self.say(&Control::Purged).await?;
        Ok(purged)
    }

    /// Goes through all dead letters once and does with each what `judge` says. Returns those that were there.
    ///
    /// Each letter is taken and written again: brokers drop a message that was given back too often, and looking must
    /// not count as that.
    pub async fn dead(&self, mut judge: impl FnMut(&DeadMessage) -> Fate) -> Result<Vec<DeadMessage>, SessionError> {
        let take = &self.session.take;
        let count = topology::ready(take, DEAD_QUEUE).await?.min(MAX_DEAD);
        let mut letters = Vec::new();
        for _ in 0..count {
            let Some(got) = take.basic_get(DEAD_QUEUE.into(), BasicGetOptions::default()).await? else { break };
            let letter = read(&got.delivery.data);
            let id = letter.message.as_ref().map(|message| message.task.id.to_string()).unwrap_or_default();
            let fate = judge(&letter);
            let again = match (fate, letter.message.clone()) {
                (Fate::Drop, _) => None,
                (Fate::Retry(run), Some(mut message)) => {
                    (message.run, message.failures, message.lost) = (run, 0, 0);
                    let key = task_queue(message.class, message.priority);
                    let body = encode(&message);
                    Some(Outgoing { exchange: topology::TASKS, key, body, id, mandatory: true })
                }
                (Fate::Keep, _) | (Fate::Retry(_), None) => {
                    let body = encode(&letter);
                    Some(Outgoing { exchange: DEAD, key: String::new(), body, id, mandatory: true })
                }
            };
            if let Some(message) = again {
                self.publish(message).await?;
            }
            got.delivery.ack(BasicAckOptions::default()).await?;
            letters.push(letter);
        }
        if count > 0 {
            self.say(&Control::Work).await?;
        }
        Ok(letters)
    }

    async fn say(&self, control: &Control) -> Result<(), SessionError> {
        let body = encode(control);
        let (exchange, key, id) = (topology::CONTROL, String::new(), String::new());
        self.publish(Outgoing { exchange, key, body, id, mandatory: false }).await
    }

    /// Publishes a message. A program can wait for a broker that takes none; who asks it something wants to know.
    async fn publish(&self, message: Outgoing) -> Result<(), SessionError> {
        let published = timeout(PATIENCE, publish(self.session.publish.clone(), message)).await;
        published.unwrap_or(Err(SessionError::Blocked))
    }
}

/// A dead letter, as we wrote it or as the broker made it of a task that it gave up.
fn read(body: &[u8]) -> DeadMessage {
    let lost = |message, cause, reason| DeadMessage { message, cause, reason, from: "the broker".to_owned(), at: 0 };
    match (decode(body), decode::<TaskMessage>(body)) {
        (Ok(letter), _) => letter,
        (_, Ok(message)) => lost(
            Some(message),
            Cause::Lost,
            "the broker has delivered it too often, and nobody acknowledged it".to_owned(),
        ),
        (Err(error), Err(_)) => lost(None, Cause::Invalid, error.to_string()),
    }
}
