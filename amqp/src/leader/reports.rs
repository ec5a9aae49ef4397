//! What workers report: whom to believe, and what becomes of the task.

use std::time::Instant;

use ops::queue::{Cause, Event, Outcome, Report};
use ops::task::TaskId;

use super::{Actor, Config, Flight, GONE, LONGEST, SAMPLES};
use crate::message::{self, Control, DeadMessage, ResultMessage, TaskMessage, decode, encode};
use crate::session::Outgoing;
use crate::topology::{self, Class};

impl Actor {
    /// A worker's report.
    pub(super) fn result(&mut self, body: &[u8]) {
        let mut result: ResultMessage = match decode(body) {
            Ok(result) => result,
            Err(error) => return tracing::warn!("a report that is none: {error}"),
        };
        let signed = result.signed();
        let outcome = result.outcome.take();
        let ResultMessage { id, run, worker, .. } = &result;
        if self.fenced.contains_key(worker) {
            return tracing::warn!(worker, "not heard: this worker is fenced");
        }
        if let Some(allow) = &self.config.allow {
            let Some(key) = allow.signer(&signed, result.signature.as_deref()) else {
                return tracing::error!(worker, "not heard: the report is not signed with a key of the list");
            };
            if self.fenced_keys.contains(&key) {
                return tracing::warn!(worker, key, "not heard: a worker with this key is fenced");
            }
            self.keys.insert(worker.clone(), key);
        }
        if outcome.is_some()
            && let Some(seen) = self.workers.get_mut(worker)
        {
            // What it has said before is out of date: nobody is to wait for it.
            seen.state.running.retain(|running| running.id != *id);
        }
        let Some(flight) = self.flights.get_mut(id) else {
            return tracing::debug!(worker, "a report on a task that nobody waits for: {id}");
        };
        // Not what the report says of the task beside its name.
        let (class, kind, block) = (flight.class, flight.task.work.kind(), flight.task.block);
        let genuine = result.task == flight.task.digest();
        match outcome {
            None => {
                (flight.worker, flight.since) = (Some(worker.clone()), Instant::now());
                self.tell(block, *id, worker, Event::Started);
            }
            Some(Outcome::Done { reused, time }) => {
                let time = time.min(LONGEST);
                let copies = flight.copies;
                self.flights.remove(id);
                if !reused {
                    let times = self.times.entry(kind).or_default();
                    times.push_back(time);
                    if times.len() > SAMPLES.1 {
                        times.pop_front();
                    }
                }
                if copies > 1 || self.holder(id).is_some_and(|holder| holder != *worker) {
                    self.say(&Control::Stop { run: *run, ids: vec![*id] });
                }
                let event = Event::Ended(Outcome::Done { reused, time });
                self.forward(block, Report { id: *id, worker: worker.clone(), event, output: result.output, genuine });
            }
            // An earlier run's quarrels.
            Some(_) if *run != self.run => {}
            Some(_) if !genuine => {
                tracing::error!(
                    worker,
                    "giving out again {}: somebody asks for something else under its name",
                    flight.task.work
                );
                self.send_again(id, class);
            }
            Some(Outcome::Cancelled) => self.tell(block, *id, worker, Event::Cancelled),
            Some(Outcome::Failed { cause, reason }) => {
                // The broker counts connections that end, not workers: one of these has it in hand.
                if cause == Cause::Lost
                    && let Some(holder) = self.holder(id)
                {
                    tracing::info!(
                        block_number = block.number,
                        worker = holder,
                        "still proving it, not given up: {reason}"
                    );
                    return self.adopt(id, holder);
                }
                let mut there = self.workers.values().filter(|seen| seen.at.elapsed() < GONE);
                let larger = there.any(|seen| seen.state.classes.contains(&Class::Large));
                if matches!(cause, Cause::Lost | Cause::Resources) && class == Class::Segment && larger {
                    tracing::warn!(block_number = block.number, worker, "to a larger worker: {reason}");
                    return self.send_again(id, Class::Large);
                }
                self.bury(*id, cause, &reason, worker);
                self.tell(block, *id, worker, Event::Ended(Outcome::Failed { cause, reason }));
            }
        }
    }

    pub(super) fn bury(&mut self, id: TaskId, cause: Cause, reason: &str, worker: &str) {
        let Some(Flight { task, class, .. }) = self.flights.remove(&id) else { return };
        let Config { group, priority, .. } = &self.config;
        let (run, group, priority, sent) = (self.run, group.clone(), *priority, message::now());
        let message = Some(TaskMessage { task, run, group, class, priority, failures: 0, lost: 0, sent });
        let dead = DeadMessage { message, cause, reason: reason.to_owned(), from: worker.to_owned(), at: sent };
        let (exchange, key, body, id) = (topology::DEAD, String::new(), encode(&dead), id.to_string());
        self.outbox.push_back(Outgoing { exchange, key, body, id, mandatory: true });
    }
}
