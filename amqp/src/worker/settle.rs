//! The end of a task: to its leader, back into its queue, or to the dead letters.

use std::time::Instant;

use lapin::Acker;
use ops::digest::Digest;
use ops::queue::{Cause, MAX_DELIVERIES, Outcome, Word};
use ops::task::TaskId;

use super::{Actor, Because, Parcel, Running, acknowledge};
use crate::message::{self, DeadMessage, ResultMessage, TaskMessage, encode};
use crate::session::{Outgoing, answered};
use crate::topology::{self, task_queue};

impl Actor {
    /// A slot is done with a task.
    pub(super) async fn settle(&mut self, id: TaskId, word: Word) {
        let Some(Running { mut message, ackers, because, .. }) = self.running.remove(&id) else { return };
        self.note_oldest();
        self.next_look = Instant::now();
        let word = match (word, because) {
            (Word::Settled(Outcome::Cancelled), Some(Because::HandBack)) => Word::HandBack,
            (Word::Settled(Outcome::Cancelled), Some(Because::Unwanted)) => Word::Forget,
            (Word::Settled(Outcome::Cancelled), Some(Because::Timeout)) => {
                Word::Retry(Cause::Transient, format!("it took longer than {} s", self.config.task_timeout.as_secs()))
            }
            (word, _) => word,
        };
        match word {
            Word::Settled(outcome) => {
                self.finished += usize::from(self.drain.is_some());
                self.report(message, outcome, ackers).await;
            }
            Word::Retry(cause, reason) => {
                message.failures = message.failures.saturating_add(1);
                match message.failures < MAX_DELIVERIES {
                    true => self.give_back(message, ackers),
                    false => {
                        let reason = format!("{reason} ({} times)", message.failures);
                        self.report(message, Outcome::Failed { cause, reason }, ackers).await;
                    }
                }
            }
            Word::HandBack => {
                self.handed_back += 1;
                tracing::info!(block_number = message.task.block.number, "handing back {}", message.task.work);
                self.give_back(message, ackers);
            }
            Word::Forget => {
                if let Err(error) = answered(acknowledge(ackers)).await {
                    tracing::debug!("a message that nobody wants will be delivered again: {error}");
                }
            }
        }
    }

    pub(super) fn result(
        &self,
        message: &TaskMessage,
        outcome: Option<Outcome>,
        output: Option<Digest>,
    ) -> ResultMessage {
        let (id, task) = (message.task.id, message.task.digest());
        let (block, run) = (message.task.block, message.run);
        let worker = self.config.name.clone();
        let mut result = ResultMessage { id, task, block, run, worker, outcome, output, signature: None };
        result.signature = self.config.key.as_ref().map(|key| key.sign(&result.signed()));
        result
    }

    /// Tells the leader, then takes the task off the queue.
    pub(super) async fn report(&mut self, message: TaskMessage, outcome: Outcome, ackers: Vec<Acker>) {
        let done = matches!(outcome, Outcome::Done { .. });
        let output = match &self.config.key {
            Some(_) if done => self.artifacts.output_checksum(&message.task.id).await.unwrap_or_else(|error| {
                tracing::warn!("cannot sign for an output: {error}");
                None
            }),
            _ => None,
        };
        let body = encode(&self.result(&message, Some(outcome), output));
        let id = message.task.id.to_string();
        let outgoing = Outgoing { exchange: topology::RESULTS, key: message.group, body, id, mandatory: true };
        self.outbox.push_back(Parcel { outgoing, ackers });
    }

    /// Puts a task back into its queue as it was, at the end: the broker's own way would count it as a failure.
    pub(super) fn give_back(&mut self, message: TaskMessage, ackers: Vec<Acker>) {
        let (key, id) = (task_queue(message.class, message.priority), message.task.id.to_string());
        let outgoing = Outgoing { exchange: topology::TASKS, key, body: encode(&message), id, mandatory: true };
        self.outbox.push_back(Parcel { outgoing, ackers });
    }

    pub(super) fn bury(&mut self, message: Option<TaskMessage>, cause: Cause, reason: String, ackers: Vec<Acker>) {
        tracing::error!("to the dead letters: {reason}");
        let id = message.as_ref().map(|message| message.task.id.to_string()).unwrap_or_default();
        let dead = DeadMessage { message, cause, reason, from: self.config.name.clone(), at: message::now() };
        let (exchange, key) = (topology::DEAD, String::new());
        let outgoing = Outgoing { exchange, key, body: encode(&dead), id, mandatory: true };
        self.outbox.push_back(Parcel { outgoing, ackers });
    }
}
