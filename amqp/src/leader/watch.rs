//! Who is there, what was lost, what takes too long: words of control, and looking around.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use lapin::message::Delivery as Message;
use ops::digest::Digest;
use ops::queue::Event;
use ops::task::{Kind, TaskId};

use super::{AUDIT, Actor, Config, Flight, GONE, SAMPLES, STRAGGLER, Seen};
use crate::message::{Control, LeaderState, Presence, Stage, decode, encode};
use crate::metrics::families;
use crate::session::{Session, SessionError};
use crate::topology::{self, Class, task_queue, task_queues};

impl Actor {
    /// A word of control, or a worker that says that it is there.
    pub(super) fn obey(&mut self, session: &Session, delivered: &Message, own: &str) {
        if delivered.exchange.as_str() != topology::CONTROL {
            match decode(&delivered.data) {
                Ok(Presence::Worker(state)) => {
                    let greets = delivered.exchange.as_str() == topology::HELLO;
                    // One that was there before this leader has to learn whether it is of use to it.
                    if greets || !self.workers.contains_key(&state.name) {
                        let answer = encode(&Presence::Leader(self.state(false)));
                        session.send(topology::REPLIES, &state.reply_to, answer);
                    }
                    if greets {
                        // Started again under the same name: it has not heard it.
                        if let Some(reason) = self.fenced.get(&state.name).cloned() {
                            self.say(&Control::Fence { worker: state.name.clone(), reason });
                        }
                    }
                    self.workers.insert(state.name.clone(), Seen { state, at: Instant::now() });
                }
                Ok(Presence::Leader(_)) => {}
                Err(error) => tracing::warn!("not understood: {error}"),
            }
            return;
        }
        match decode(&delivered.data) {
            Ok(Control::Cancel { first, last }) => {
                let blocks: Vec<_> =
                    self.listeners.keys().filter(|block| (first..=last).contains(&block.number)).copied().collect();
                for block in blocks {
                    self.tell(block, Digest::of_bytes(&[]), "an operator", Event::Cancelled);
                }
            }
            Ok(Control::Ping { reply_to }) if reply_to != own => {
                session.send(topology::REPLIES, &reply_to, encode(&Presence::Leader(self.state(true))));
            }
            Ok(Control::Fence { worker, reason }) => {
                self.fenced.insert(worker, reason);
            }
            Ok(Control::Purged) => {
                let queued: Vec<_> = self
                    .flights
                    .iter()
                    .filter(|(_, flight)| flight.worker.is_none())
                    .map(|(id, flight)| (*id, flight.class))
                    .collect();
                tracing::warn!(tasks = queued.len(), "the queues were emptied, giving out again what is still wanted");
                for (id, class) in queued {
                    self.send_again(&id, class);
                }
            }
            Ok(Control::Work | Control::Stop { .. } | Control::Ping { .. }) => {}
            Err(error) => tracing::warn!("not understood: {error}"),
        }
    }

    pub(super) fn state(&self, with_blocks: bool) -> LeaderState {
        let Config { group, circuits, profile, .. } = self.config.clone();
        let mut blocks: Vec<_> = match with_blocks {
            true => self.listeners.values().map(|listener| (listener.status)()).collect(),
            false => Vec::new(),
        };
        blocks.sort_by_key(|block| block.block.number);
        for task in blocks.iter_mut().flat_map(|block| &mut block.tasks) {
            let Some(flight) = self.flights.get(&task.id) else { continue };
            task.stage = if flight.worker.is_some() { Stage::Running } else { Stage::Queued };
            let millis = flight.since.elapsed().as_millis() as u64;
            task.worker = flight.worker.clone().map(|worker| (worker, millis));
        }
        let (waiting, in_flight) = (self.waiting.len(), self.flights.len());
        LeaderState { group, circuits, profile, waiting, in_flight, blocks }
    }

    /// Looks for what was lost and for what takes too long, and asks who is there.
    pub(super) async fn audit(&mut self, session: &Session, own: &str) -> Result<(), SessionError> {
        let mut ready = HashMap::new();
        for queue in task_queues(&Class::ALL) {
            let count = topology::ready(&session.take, &queue).await?;
            ready.insert(queue, count);
        }
        let empty = |class: Class| ready.get(&task_queue(class, self.config.priority)).is_none_or(|count| *count == 0);
        // Queues are first in, first out: what was begun tells of what was sent before it. Leaders of other groups may
        // keep a queue from ever being empty.
        let begun = |class: Class| {
            let of_class = self.flights.values().filter(move |flight| flight.class == class && !flight.adopted);
            of_class.filter(|flight| flight.worker.is_some()).map(|flight| flight.sent).max()
        };
        let newest = Class::ALL.map(|class| (class, begun(class)));
        let overtaken = |flight: &Flight| {
            let newest = newest.iter().find(|(class, _)| *class == flight.class).and_then(|(_, newest)| *newest);
            newest.is_some_and(|newest| newest > flight.sent + AUDIT)
        };
        let gone = |worker: &String| self.workers.get(worker).is_none_or(|seen| seen.at.elapsed() > GONE);
        let idle = |worker: &String, id: &TaskId, since: Instant| {
            let seen = self.workers.get(worker);
            seen.is_some_and(|seen| seen.at > since && seen.state.running.iter().all(|running| running.id != *id))
        };
        let mut again = Vec::new();
        for (id, flight) in &self.flights {
            let elapsed = flight.since.elapsed();
            let lost = match &flight.worker {
                // Neither in a queue nor with a worker that has said so.
                None => elapsed > 2 * AUDIT && (empty(flight.class) || overtaken(flight)),
                Some(worker) if flight.adopted => gone(worker) || idle(worker, id, flight.since),
                Some(worker) => {
                    empty(flight.class) && elapsed > 2 * AUDIT && (gone(worker) || idle(worker, id, flight.since))
                }
            };
            let limit = self.straggles_after(flight.task.work.kind());
            let straggles = flight.worker.is_some() && flight.copies == 1 && limit.is_some_and(|limit| elapsed > limit);
            if lost || straggles {
                let why = if lost { "it is lost" } else { "it takes far longer than others of its kind" };
                tracing::warn!(block_number = flight.task.block.number, "giving out again {}: {why}", flight.task.work);
                again.push((*id, flight.class, straggles));
            }
        }
        for (id, class, straggles) in again {
            match self.flights.get_mut(&id) {
                Some(flight) if straggles => {
                    flight.copies += 1;
                    families().given_out_again.inc();
                    let task = flight.task.clone();
                    self.send_task(&task, class);
                }
                _ => self.send_again(&id, class),
            }
        }
        self.say(&Control::Ping { reply_to: own.to_owned() });
        self.workers.retain(|_, seen| seen.at.elapsed() < 10 * GONE);
        Ok(())
    }

    pub(super) fn straggles_after(&self, kind: Kind) -> Option<Duration> {
        let times = self.times.get(&kind).filter(|times| times.len() >= SAMPLES.0)?;
        let mut sorted: Vec<_> = times.iter().copied().collect();
        sorted.sort();
        let (factor, least) = STRAGGLER;
        sorted.get(sorted.len() * 95 / 100).map(|p95| p95.mul_f64(factor).max(least))
    }
}
