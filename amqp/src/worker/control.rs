//! What others say and what time says: who is wanted here, and what is to stop.

use std::sync::atomic::Ordering;
use std::time::Instant;

use lapin::Consumer;
use lapin::message::Delivery as Message;
use ops::artifacts::RunKey;
use ops::digest::Digest;

use super::{Actor, Because, Command, Config, End, LOOK_SOON, Running};
use crate::message::{Control, Presence, decode, encode};
use crate::session::{Session, SessionError};
use crate::topology;

impl Actor {
    /// A word of control, or a leader's answer.
    pub(super) async fn obey(
        &mut self,
        session: &Session,
        word: Option<lapin::Result<Message>>,
        consumer: &Consumer,
    ) -> Result<(), SessionError> {
        let Some(delivered) = word else { return Err(SessionError::Cancelled(consumer.queue().to_string())) };
        let delivered = delivered?;
        if delivered.exchange.as_str() == topology::REPLIES {
            match decode(&delivered.data) {
                Ok(Presence::Leader(leader)) => self.meet(&leader.group, leader.circuits, &leader.profile),
                Ok(Presence::Worker(_)) => {}
                Err(error) => tracing::warn!("not understood: {error}"),
            }
            return Ok(());
        }
        match decode(&delivered.data) {
            Ok(Control::Work) => {
                self.empty.clear();
                self.rest = LOOK_SOON;
                self.next_look = Instant::now();
            }
            Ok(Control::Cancel { first, last }) => {
                self.abort(None, |running| (first..=last).contains(&running.message.task.block.number));
            }
            Ok(Control::Stop { run, ids }) => {
                self.abort(None, |running| running.message.run == run && ids.contains(&running.message.task.id));
            }
            Ok(Control::Fence { worker, reason }) if worker == self.config.name => {
                self.end = Some(End::Fenced(reason));
                self.abort(Some(Because::HandBack), |_| true);
            }
            Ok(Control::Ping { reply_to }) => {
                let state = encode(&Presence::Worker(self.state()));
                session.send(topology::REPLIES, &reply_to, state);
            }
            Ok(Control::Fence { .. } | Control::Purged) => {}
            Err(error) => tracing::warn!("not understood: {error}"),
        }
        Ok(())
    }

    /// Some leader is there.
    pub(super) fn meet(&mut self, group: &str, circuits: Digest, profile: &str) {
        if circuits == self.config.circuits {
            self.matched = true;
            self.waits_for_leader = false;
            self.next_look = Instant::now();
        } else if !self.matched {
            let Config { circuits: ours, profile: our_profile, .. } = &self.config;
            self.end = Some(End::Refused(format!(
                "leader {group} wants proofs of circuits {} (profile {profile}), and this worker has {} (profile \
                 {our_profile}); start it with the leader's --profile and of the leader's version",
                circuits.short(),
                ours.short()
            )));
            self.abort(Some(Because::HandBack), |_| true);
        }
    }

    pub(super) fn abort(&mut self, because: Option<Because>, which: impl Fn(&Running) -> bool) {
        for running in self.running.values_mut().filter(|running| which(running)) {
            running.because = because;
            running.abort.store(true, Ordering::Relaxed);
        }
    }

    /// Stops what nobody wants any more: its block is proved, has failed or was cancelled. What an earlier run of a
    /// leader has given out is wanted, since the next one waits for it.
    pub(super) fn check_wanted(&self) {
        for (&id, running) in &self.running {
            let (artifacts, commands) = (self.artifacts.clone(), self.commands.clone());
            let key = RunKey { group: running.message.group.clone(), block: running.message.task.block };
            // Not here: a store that does not answer must not hold up the rest.
            tokio::spawn(async move {
                if let Ok(None) = artifacts.run(&key).await
                    && commands.send(Command::Unwanted(id)).is_err()
                {
                    tracing::debug!("the connection to the broker has ended, nobody to stop it");
                }
            });
        }
    }

    /// Stops what has taken too long, or must not go on while the worker is to end.
    pub(super) fn check_time(&mut self) {
        if self.drain.is_some_and(|deadline| Instant::now() > deadline) {
            self.abort(Some(Because::HandBack), |_| true);
        }
        let limit = self.config.task_timeout;
        self.abort(Some(Because::Timeout), |running| running.because.is_none() && running.since.elapsed() > limit);
    }
}
