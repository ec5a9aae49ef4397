//! A worker's side: takes tasks, keeps hold of them while they are proved, reports, acknowledges.
//!
//! Tasks are asked for one by one when a slot is free, in the order of class and priority. A consumer on each queue
//! would hold one task of each while one is proved, and those held would wait for minutes beside idle workers. Looking
//! costs the broker something, so an idle worker looks seldom, and leaders ring a bell
//! ([`Control::Work`](crate::message::Control::Work)) when there is something.
//!
//! What is being proved goes on whatever happens to the connection: it is reported in the next session. If the broker
//! delivers the same task once more meanwhile, that delivery is acknowledged with the first.

mod control;
mod settle;

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use lapin::Acker;
use lapin::message::Delivery as Message;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicGetOptions};
use lapin::types::{AMQPValue, FieldTable};
use ops::artifacts::{Artifacts, RunKey};
use ops::digest::Digest;
use ops::execute;
use ops::health;
use ops::queue::{Cause, Delivery, MAX_DELIVERIES, Outcome, Tasks, Word};
use ops::task::TaskId;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{interval, sleep_until};

use crate::connect::Broker;
use crate::message::{Presence, RunningTask, TaskMessage, WorkerState, decode, encode};
use crate::metrics::{Operation, families};
use crate::session::{Outgoing, Rests, Session, SessionError, answered, publish};
use crate::sign::SecretKey;
use crate::topology::{self, Class};

/// Rests between looks of an idle worker: the first, and the longest, which is how long a task waits whose bell was
/// not heard.
const LOOK_SOON: Duration = Duration::from_millis(50);
const LOOK_SELDOM: Duration = Duration::from_secs(5);

/// How long a queue is taken for empty that was: a look costs the broker a write to its log. Short, since tasks that a
/// worker gives back ring no bell.
const EMPTY_FOR: Duration = Duration::from_millis(200);

/// How long a worker that was never of use waits for leaders to say what they want, before it takes a task that may be
/// none of theirs.
const GREETING: Duration = Duration::from_millis(250);

/// Rest between two looks whether what is being proved is still wanted: words of control are for those who hear them.
const STILL_WANTED: Duration = Duration::from_secs(10);

/// How long to go on trying to say good-bye to a broker that does not answer.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What a worker is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name, unique in the cluster.
    pub name: String,
    /// What it takes.
    pub classes: Vec<Class>,
    /// Tasks at the same time.
    pub slots: usize,
    /// The circuits that it proves with.
    pub circuits: Digest,
    /// Their profile.
    pub profile: String,
    /// What it signs with.
    pub key: Option<SecretKey>,
    /// Longest time of a task. Below the broker's consumer timeout, or the broker gives the task to somebody else.
    pub task_timeout: Duration,
}

/// Why a worker has stopped to take tasks.
#[derive(Clone, Debug)]
pub enum End {
    /// It was told to; so many tasks were finished since, and so many handed back.
    Drained {
        /// Finished.
        finished: usize,
        /// Handed back.
        handed_back: usize,
    },
    /// It cannot be of use here. One sentence.
    Refused(String),
    /// A leader has caught it returning what is no proof. One sentence.
    Fenced(String),
}

/// Where the slots of a worker get their tasks from.
#[derive(Clone, Debug)]
pub struct Slots {
    deliveries: Arc<Mutex<mpsc::UnboundedReceiver<(RunKey, Digest, Delivery)>>>,
    artifacts: Artifacts,
}

impl Tasks for Slots {
    async fn take(&self) -> Option<Delivery> {
        loop {
            let (key, run, delivery) = self.deliveries.lock().await.recv().await?;
            match self.artifacts.run(&key).await {
                // Cancelled, or wanted by an earlier run of its leader.
                Ok(wanted) if wanted != Some(run) => delivery.forget(),
                Ok(_) => return Some(delivery),
                Err(error) => {
                    tracing::warn!("cannot tell whether a task is still wanted, proving it: {error}");
                    return Some(delivery);
                }
            }
        }
    }
}

enum Command {
    Word(TaskId, Word),
    Unwanted(TaskId),
    Drain(Duration),
}

/// Since when a worker has had the task that it has had for longest.
#[derive(Clone, Debug, Default)]
pub struct Oldest(Arc<StdMutex<Option<Instant>>>);

impl Oldest {
    /// For how long; absent if it has none.
    pub fn age(&self) -> Option<Duration> {
        self.lock().map(|since| since.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker at the broker.
#[derive(Debug)]
pub struct Node {
    commands: mpsc::UnboundedSender<Command>,
    end: oneshot::Receiver<End>,
    oldest: Oldest,
}

impl Node {
    /// What it has had for longest, now and later.
    pub fn oldest(&self) -> Oldest {
        self.oldest.clone()
    }

    /// Waits until it takes no more tasks.
    pub async fn ended(&mut self) -> End {
        (&mut self.end).await.unwrap_or(End::Refused("the threads that talk to the broker have ended".to_owned()))
    }

    /// Takes no more tasks from now on, finishes those it has within `grace`, and hands back what is left.
    pub fn drain(&self, grace: Duration) {
        if self.commands.send(Command::Drain(grace)).is_err() {
            tracing::debug!("it has ended already");
        }
    }
}

/// Begins to take tasks.
pub fn start(broker: &Broker, config: Config, artifacts: Artifacts) -> (Slots, Node) {
    let (commands, received) = mpsc::unbounded_channel();
    let (deliveries, slots) = mpsc::unbounded_channel();
    let (ended, end) = oneshot::channel();
    let oldest = Oldest::default();
    let actor = Actor {
        oldest: oldest.clone(),
        broker: broker.clone(),
        config,
        artifacts: artifacts.clone(),
        commands: commands.clone(),
        deliveries,
        running: HashMap::new(),
        outbox: VecDeque::new(),
        matched: false,
        waits_for_leader: false,
        drain: None,
        end: None,
        finished: 0,
        handed_back: 0,
        rest: LOOK_SOON,
        next_look: Instant::now(),
        empty: HashMap::new(),
        reply_to: String::new(),
    };
    broker.threads().spawn(async move {
        if ended.send(actor.run(received).await).is_err() {
            tracing::debug!("nobody waits for the end of this worker");
        }
    });
    (Slots { deliveries: Arc::new(Mutex::new(slots)), artifacts }, Node { commands, end, oldest })
}

/// A task in the hands of a slot.
struct Running {
    message: TaskMessage,
    /// One for each time that it was delivered, in this session.
    ackers: Vec<Acker>,
    abort: Arc<AtomicBool>,
    since: Instant,
    /// Why it was told to abort, if not because nobody wants it any more.
    because: Option<Because>,
}

#[derive(Clone, Copy)]
enum Because {
    HandBack,
    Timeout,
    Unwanted,
}

/// What is to be published, and then acknowledged.
struct Parcel {
    outgoing: Outgoing,
    ackers: Vec<Acker>,
}

struct Actor {
    broker: Broker,
    config: Config,
    artifacts: Artifacts,
    commands: mpsc::UnboundedSender<Command>,
    deliveries: mpsc::UnboundedSender<(RunKey, Digest, Delivery)>,
    running: HashMap<TaskId, Running>,
    oldest: Oldest,
    outbox: VecDeque<Parcel>,
    /// Whether some leader has wanted proofs of these circuits.
    matched: bool,
    /// Whether it takes nothing until one does.
    waits_for_leader: bool,
    drain: Option<Instant>,
    end: Option<End>,
    finished: usize,
    handed_back: usize,
    rest: Duration,
    next_look: Instant,
    /// Queues that were found empty, and when.
    empty: HashMap<String, Instant>,
    reply_to: String,
}

impl Actor {
    /// Session after session, until there is an end.
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) -> End {
        let mut rests = Rests::default();
        families().lost("not connected yet");
        loop {
            let begun = Instant::now();
            match self.session(&mut commands).await {
                Ok(end) => return end,
                Err(error) => {
                    families().lost(explain(&error));
                    let running = self.running.len();
                    tracing::warn!(broker = %self.broker, running, "lost the broker: {}", explain(&error));
                    if let Some(reason) = rests.hopeless(&error) {
                        return End::Refused(reason);
                    }
                }
            }
            if begun.elapsed() > Duration::from_secs(60) {
                rests.reset();
            }
            // Only the channel that delivered a message can acknowledge it. The broker delivers it again.
            self.running.values_mut().for_each(|running| running.ackers.clear());
            self.outbox.iter_mut().for_each(|parcel| parcel.ackers.clear());
            let rest = Instant::now() + rests.longer();
            health::beat();
            // A worker that has nothing left to say needs no broker to end.
            while !self.is_over() {
                tokio::select! {
                    Some(command) = commands.recv() => self.hear(command).await,
                    () = sleep_until(rest.into()) => break,
                }
            }
            if self.is_over() {
                return self.end();
            }
            if self.drain.is_some_and(|deadline| Instant::now() > deadline + LAST_WORDS) {
                tracing::warn!("giving up on the broker; what is not acknowledged will be delivered to others");
                return self.end();
            }
        }
    }

    /// Whether it takes no more tasks.
    fn is_stopping(&self) -> bool {
        self.drain.is_some() || self.end.is_some()
    }

    /// Whether it takes no more tasks, and all that it had are done and reported.
    fn is_over(&self) -> bool {
        self.is_stopping() && self.running.is_empty() && self.outbox.is_empty()
    }

    fn end(&self) -> End {
        let drained = End::Drained { finished: self.finished, handed_back: self.handed_back };
        self.end.clone().unwrap_or(drained)
    }

    /// Takes, reports and acknowledges, until an error.
    async fn session(&mut self, commands: &mut mpsc::UnboundedReceiver<Command>) -> Result<End, SessionError> {
        let session = answered(Session::begin(&self.broker, &self.config.name)).await?;
        let own = answered(topology::declare_own(&session.take, "worker", &[topology::CONTROL])).await?;
        self.reply_to = own.to_string();
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..Default::default() };
        let control = session.take.basic_consume(own, "".into(), options, FieldTable::default());
        let mut control = answered(control).await?;
        let hello = encode(&Presence::Worker(self.state()));
        session.send(topology::HELLO, "", hello);
        tracing::info!(broker = %self.broker, worker = self.config.name, circuits = self.config.circuits.short(), "connected");
        families().connected();
        self.next_look = Instant::now() + if self.matched { Duration::ZERO } else { GREETING };

        let mut publishing: Option<BoxFuture<'_, Result<(), SessionError>>> = None;
        let mut tick = interval(Duration::from_secs(1));
        let mut still_wanted = interval(STILL_WANTED);
        loop {
            if self.is_over() {
                session.end().await;
                return Ok(self.end());
            }
            if publishing.is_none()
                && let Some(parcel) = self.outbox.front()
            {
                publishing = Some(Box::pin(publish(session.publish.clone(), parcel.outgoing.clone())));
            }
            let look = !self.is_stopping() && !self.waits_for_leader && self.running.len() < self.config.slots;
            tokio::select! {
                biased;
                result = published(&mut publishing) => {
                    publishing = None;
                    match result {
                        Ok(()) => {}
                        // Its leader's group is gone for good: nobody will ever ask for this.
                        Err(SessionError::Unroutable { exchange, key }) => {
                            tracing::warn!("nobody takes a message to {exchange} for {key}: dropped");
                        }
                        Err(error) => return Err(error),
                    }
                    if let Some(parcel) = self.outbox.pop_front() {
                        answered(acknowledge(parcel.ackers)).await?;
                    }
                }
                Some(command) = commands.recv() => self.hear(command).await,
                word = control.next() => self.obey(&session, word, &control).await?,
                _ = tick.tick() => {
                    health::beat();
                    session.check()?;
                    self.check_time();
                }
                _ = still_wanted.tick() => self.check_wanted(),
                () = sleep_until(self.next_look.into()), if look => answered(self.look(&session)).await?,
            }
        }
    }

    fn state(&self) -> WorkerState {
        let Config { name, circuits, profile, classes, slots, .. } = self.config.clone();
        let running = self.running.iter().map(|(id, running)| {
            let task = &running.message.task;
            let millis = running.since.elapsed().as_millis() as u64;
            RunningTask { id: *id, block: task.block.number, what: task.work.to_string(), millis }
        });
        let running = running.collect();
        let draining = self.is_stopping();
        WorkerState { name, circuits, profile, classes, slots, draining, running, reply_to: self.reply_to.clone() }
    }

    /// Looks for a task in each queue.
    async fn look(&mut self, session: &Session) -> Result<(), SessionError> {
        for queue in topology::task_queues(&self.config.classes) {
            if self.empty.get(&queue).is_some_and(|since| since.elapsed() < EMPTY_FOR) {
                continue;
            }
            let got = session.take.basic_get(queue.as_str().into(), BasicGetOptions::default()).await;
            families().asked(Operation::Get, &got);
            let got = got?;
            if let Some(got) = got {
                self.rest = LOOK_SOON;
                self.next_look = Instant::now();
                self.take(session, got.delivery).await;
                return Ok(());
            }
            self.empty.insert(queue, Instant::now());
        }
        self.next_look = Instant::now() + self.rest.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.rest = (self.rest * 2).min(LOOK_SELDOM);
        Ok(())
    }

    /// A message from a queue of tasks.
    async fn take(&mut self, session: &Session, delivered: Message) {
        let mut message = match decode::<TaskMessage>(&delivered.data) {
            Ok(message) => message,
            Err(error) => {
                return self.bury(None, Cause::Invalid, error.to_string(), vec![delivered.acker]);
            }
        };
        message.lost = message.lost.saturating_add(deliveries_before(&delivered));
        families().taken(message.class, message.sent);
        let id = message.task.id;
        if let Some(running) = self.running.get_mut(&id) {
            return running.ackers.push(delivered.acker);
        }
        let ackers = vec![delivered.acker];
        if let Err(failure) = execute::check(self.config.circuits, &self.config.profile, &message.task) {
            // Either this worker is of the wrong kind or the message is: which, only a leader can tell, and does when it
            // is there.
            if self.matched || !failure.retryable() {
                self.bury(Some(message), Cause::Invalid, failure.to_string(), ackers);
            } else {
                tracing::warn!("taking no tasks until a leader wants what this worker has: {failure}");
                self.give_back(message, ackers);
                self.waits_for_leader = true;
            }
            return;
        }
        self.matched = true;
        if message.lost >= MAX_DELIVERIES {
            let reason = format!("its worker vanished {} times", message.lost);
            return self.report(message, Outcome::Failed { cause: Cause::Lost, reason }, ackers).await;
        }
        let started = self.result(&message, None, None);
        session.send(topology::RESULTS, &message.group, encode(&started));
        let (commands, abort) = (self.commands.clone(), Arc::new(AtomicBool::new(false)));
        let say = move |word| {
            if commands.send(Command::Word(id, word)).is_err() {
                tracing::debug!("the connection to the broker has ended, nobody to report to");
            }
        };
        let deliveries = message.failures.saturating_add(message.lost).saturating_add(1);
        tracing::debug!(block_number = message.task.block.number, deliveries, "taken: {}", message.task.work);
        let delivery = Delivery::new(message.task.clone(), deliveries, abort.clone(), say);
        let key = RunKey { group: message.group.clone(), block: message.task.block };
        if self.deliveries.send((key, message.run, delivery)).is_err() {
            tracing::debug!("no slot takes tasks any more");
        }
        self.running.insert(id, Running { message, ackers, abort, since: Instant::now(), because: None });
        self.note_oldest();
    }

    fn note_oldest(&self) {
        *self.oldest.lock() = self.running.values().map(|running| running.since).min();
    }

    async fn hear(&mut self, command: Command) {
        match command {
            Command::Word(id, word) => self.settle(id, word).await,
            Command::Unwanted(id) => self.abort(Some(Because::Unwanted), |running| running.message.task.id == id),
            Command::Drain(grace) => {
                self.drain = Some(Instant::now() + grace);
                tracing::info!(running = self.running.len(), "taking no more tasks");
            }
        }
    }
}

async fn published(publishing: &mut Option<BoxFuture<'_, Result<(), SessionError>>>) -> Result<(), SessionError> {
    match publishing {
        Some(publishing) => publishing.await,
        None => pending().await,
    }
}

async fn acknowledge(ackers: Vec<Acker>) -> Result<(), SessionError> {
    for acker in ackers {
        let acknowledged = acker.ack(BasicAckOptions::default()).await;
        families().asked(Operation::Acknowledge, &acknowledged);
        if !acknowledged? {
            tracing::debug!("too late to acknowledge: it will be delivered again, and its output found");
        }
    }
    Ok(())
}

/// What the broker's refusal means to an operator.
fn explain(error: &SessionError) -> String {
    let text = error.to_string();
    match text.contains("NOT_FOUND") {
        true => format!("no leader has been there yet to make the queues, trying on ({text})"),
        false => text,
    }
}

/// How often the broker has delivered a message before.
fn deliveries_before(message: &Message) -> u32 {
    let headers = message.properties.headers().as_ref();
    let count = headers.and_then(|headers| headers.inner().get("x-delivery-count"));
    match count {
        Some(AMQPValue::LongLongInt(count)) => u32::try_from(*count).unwrap_or(0),
        Some(AMQPValue::LongInt(count)) => u32::try_from(*count).unwrap_or(0),
        Some(AMQPValue::LongUInt(count)) => *count,
        Some(AMQPValue::ShortShortInt(count)) => u32::try_from(*count).unwrap_or(0),
        Some(AMQPValue::ShortShortUInt(count)) => u32::from(*count),
        _ => 0,
    }
}
