//! A leader's side: gives tasks out, no more at a time than it is allowed, and follows them until they are done.
//!
//! What it waits for is in memory here and in the artifact store, never only in the broker: tasks that the broker or a
//! worker has lost are given out again, whatever the reason.

mod reports;
mod watch;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use ops::artifacts::RunKey;
use ops::digest::Digest;
use ops::health;
use ops::queue::{Cause, Event, Outcome, Report};
use ops::task::{BlockId, Kind, Place, Task, TaskId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, sleep_until};

use crate::connect::Broker;
use crate::message::{self, BlockState, Control, TaskMessage, WorkerState, encode};
use crate::metrics::{Operation, families};
use crate::session::{Outgoing, Rests, Session, SessionError, answered, publish};
use crate::sign::AllowList;
use crate::topology::{self, Class, Priority, task_queue};

/// Messages that may wait for the broker's confirmation at the same time.
const UNCONFIRMED: usize = 64;

/// How long a leader that has just started listens for workers that still prove what an earlier run wanted.
const ADOPTION: Duration = Duration::from_millis(1500);

/// Rest between two looks at what may have been lost.
const AUDIT: Duration = Duration::from_secs(15);

/// A worker that was not heard of for so long is taken for gone.
const GONE: Duration = Duration::from_secs(60);

/// A task is a straggler after so many times the 95th percentile of its kind, but not before so long.
const STRAGGLER: (f64, Duration) = (3.0, Duration::from_secs(60));

/// Measured times of a kind that a percentile is taken of: at least, at most.
const SAMPLES: (usize, usize) = (8, 512);

/// A task that is said to have taken longer did not: times are summed up, and nothing that a worker says may overflow.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a leader is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Leaders of different groups share a cluster; there is one of each group at a time.
    pub group: String,
    /// Whose tasks go first.
    pub priority: Priority,
    /// The circuits that it wants proofs of.
    pub circuits: Digest,
    /// Their profile.
    pub profile: String,
    /// Tasks that it gives out before others are done.
    pub max_in_flight: usize,
    /// The workers that it believes; all if absent.
    pub allow: Option<AllowList>,
}

/// Tells where a block stands.
pub type Status = Arc<dyn Fn() -> BlockState + Send + Sync>;

enum Command {
    Listen(BlockId, mpsc::UnboundedSender<Report>, Status),
    Publish(Task),
    Finish(BlockId),
    Distrust { task: Task, worker: String, reason: String },
    Close(oneshot::Sender<()>),
}

/// A leader at the broker.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    group: String,
    /// This run of the leader.
    pub run: Digest,
}

impl Handle {
    /// Begins to talk to the broker.
    pub fn start(broker: &Broker, config: Config) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let run = Digest::of("run", &(message::now(), std::process::id(), fastrand::u64(..)));
        let handle = Self { commands, group: config.group.clone(), run };
        let actor = Actor {
            broker: broker.clone(),
            config,
            run,
            adopt_until: None,
            waiting: BTreeMap::new(),
            arrivals: 0,
            flights: HashMap::new(),
            listeners: HashMap::new(),
            workers: HashMap::new(),
            fenced: HashMap::new(),
            keys: HashMap::new(),
            fenced_keys: HashSet::new(),
            times: HashMap::new(),
            outbox: VecDeque::new(),
            unconfirmed: HashMap::new(),
            closing: None,
        };
        broker.threads().spawn(actor.run(received));
        handle
    }

    /// Names the run of a block in the artifact store.
    pub fn run_key(&self, block: BlockId) -> RunKey {
        RunKey { group: self.group.clone(), block }
    }

    /// Where the reports on a block's tasks arrive from now on.
    pub fn listen(&self, block: BlockId, status: Status) -> mpsc::UnboundedReceiver<Report> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.command(Command::Listen(block, sender, status));
        receiver
    }

    /// Gives a task out, when there is room.
    pub fn publish(&self, task: Task) {
        self.command(Command::Publish(task));
    }

    /// Forgets a block: what of it is queued vanishes, what is running is stopped.
    pub fn finish(&self, block: BlockId) {
        self.command(Command::Finish(block));
    }

    /// A worker has returned what is no proof: it must not work any more, and the task is given out again.
    pub fn distrust(&self, task: Task, worker: String, reason: String) {
        self.command(Command::Distrust { task, worker, reason });
    }

    /// Ends it, once what is to be said is said.
    pub async fn close(&self) {
        let (sender, closed) = oneshot::channel();
        self.command(Command::Close(sender));
        if tokio::time::timeout(Duration::from_secs(5), closed).await.is_err() {
            tracing::debug!("the broker did not hear that this leader ends");
        }
    }

    fn command(&self, command: Command) {
        if self.commands.send(command).is_err() {
            tracing::error!("the threads that talk to the broker have ended");
        }
    }
}

struct Listener {
    reports: mpsc::UnboundedSender<Report>,
    status: Status,
}

/// A task that was given out.
struct Flight {
    task: Task,
    class: Class,
    /// Who has it; nobody yet.
    worker: Option<String>,
    since: Instant,
    /// When it was last given out.
    sent: Instant,
    /// Given out by an earlier run, and not in the queue: if its worker vanishes, the broker delivers it to nobody who
    /// would still prove it.
    adopted: bool,
    copies: u32,
}

struct Seen {
    state: WorkerState,
    at: Instant,
}

struct Actor {
    broker: Broker,
    config: Config,
    run: Digest,
    adopt_until: Option<Instant>,
    waiting: BTreeMap<(Place, u64), Task>,
    arrivals: u64,
    flights: HashMap<TaskId, Flight>,
    listeners: HashMap<BlockId, Listener>,
    workers: HashMap<String, Seen>,
    /// With the reason.
    fenced: HashMap<String, String>,
    /// The keys that workers have signed with.
    keys: HashMap<String, String>,
    /// A fenced worker may come back under another name.
    fenced_keys: HashSet<String>,
    times: HashMap<Kind, VecDeque<Duration>>,
    outbox: VecDeque<Outgoing>,
    unconfirmed: HashMap<u64, Outgoing>,
    closing: Option<oneshot::Sender<()>>,
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor").field("waiting", &self.waiting.len()).field("flights", &self.flights.len()).finish()
    }
}

type Published = FuturesUnordered<BoxFuture<'static, (u64, Result<(), SessionError>)>>;

impl Actor {
    /// Session after session, until it is closed.
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut rests = Rests::default();
        families().lost("not connected yet");
        loop {
            let begun = Instant::now();
            match self.session(&mut commands).await {
                Ok(()) => return,
                Err(error) => {
                    families().lost(explain(&error, &self.config.group));
                    let group = &self.config.group;
                    tracing::warn!(broker = %self.broker, group, in_flight = self.flights.len(), "lost the broker: {}", explain(&error, group));
                    if let Some(reason) = rests.hopeless(&error) {
                        return self.give_up(reason, commands).await;
                    }
                }
            }
            if begun.elapsed() > Duration::from_secs(60) {
                rests.reset();
            }
            // What was not confirmed may be lost. Should it arrive twice, the second is found done.
            self.outbox.extend(self.unconfirmed.drain().map(|(_, message)| message));
            let rest = Instant::now() + rests.longer();
            health::beat();
            loop {
                tokio::select! {
                    command = commands.recv() => match command {
                        Some(command) => self.hear(command),
                        None => return,
                    },
                    () = sleep_until(rest.into()) => break,
                }
                if self.closing.is_some() {
                    return;
                }
            }
        }
    }

    /// Publishes and listens, until an error or the end.
    async fn session(&mut self, commands: &mut mpsc::UnboundedReceiver<Command>) -> Result<(), SessionError> {
        let name = format!("leader {}", self.config.group);
        let session = answered(Session::begin(&self.broker, &name)).await?;
        let begin = async {
            topology::declare(&session.take).await?;
            topology::occupy(&session.take, &self.config.group).await?;
            let results_queue = topology::declare_results(&session.take, &self.config.group).await?;
            let own = topology::declare_own(&session.take, "leader", &[topology::CONTROL, topology::HELLO]).await?;
            session.take.basic_qos(UNCONFIRMED as u16, BasicQosOptions::default()).await?;
            let (options, none) = (BasicConsumeOptions::default(), FieldTable::default);
            let results = session.take.basic_consume(results_queue.as_str().into(), "".into(), options, none()).await?;
            let heard = BasicConsumeOptions { no_ack: true, exclusive: true, ..Default::default() };
            let control = session.take.basic_consume(own.clone(), "".into(), heard, none()).await?;
            Ok::<_, SessionError>((results_queue, own, results, control))
        };
        let (results_queue, own, mut results, mut control) = answered(begin).await?;
        tracing::info!(broker = %self.broker, group = self.config.group, circuits = self.config.circuits.short(), "connected");
        families().connected();
        self.say(&Control::Ping { reply_to: own.to_string() });
        let adopt_until = *self.adopt_until.get_or_insert_with(|| Instant::now() + ADOPTION);

        let mut published = Published::new();
        let mut number = 0;
        let mut audit = interval(AUDIT);
        let mut rung = Instant::now();
        loop {
            if Instant::now() >= adopt_until {
                self.give_out();
            }
            while published.len() < UNCONFIRMED
                && let Some(message) = self.outbox.pop_front()
            {
                number += 1;
                self.unconfirmed.insert(number, message.clone());
                let (channel, number) = (session.publish.clone(), number);
                published.push(Box::pin(async move { (number, publish(channel, message).await) }));
            }
            if self.closing.is_some() && published.is_empty() {
                session.end().await;
                if let Some(closing) = self.closing.take()
                    && closing.send(()).is_err()
                {
                    tracing::debug!("nobody waits for the end");
                }
                return Ok(());
            }
            tokio::select! {
                Some((number, result)) = published.next(), if !published.is_empty() => {
                    result?;
                    let message = self.unconfirmed.remove(&number);
                    // Idle workers look seldom: ring, but not for each of a thousand tasks.
                    if message.is_some_and(|message| message.exchange == topology::TASKS)
                        && (published.is_empty() || rung.elapsed() > Duration::from_millis(100))
                    {
                        rung = Instant::now();
                        session.send(topology::CONTROL, "", encode(&Control::Work));
                    }
                }
                command = commands.recv() => match command {
                    Some(command) => self.hear(command),
                    None => return Ok(()),
                },
                result = results.next() => {
                    let result = result.transpose();
                    families().asked(Operation::Consume, &result);
                    let result = result?;
                    let delivered = result.ok_or_else(|| SessionError::Cancelled(results_queue.clone()))?;
                    self.result(&delivered.data);
                    let acknowledged = answered(delivered.ack(BasicAckOptions::default())).await;
                    families().asked(Operation::Acknowledge, &acknowledged);
                    acknowledged?;
                }
                word = control.next() => {
                    let delivered = word.ok_or_else(|| SessionError::Cancelled(own.to_string()))??;
                    self.obey(&session, &delivered, own.as_str());
                }
                _ = audit.tick() => {
                    health::beat();
                    session.check()?;
                    answered(self.audit(&session, own.as_str())).await?;
                }
                () = sleep_until(adopt_until.into()), if Instant::now() < adopt_until => {}
            }
        }
    }

    fn hear(&mut self, command: Command) {
        match command {
            Command::Listen(block, reports, status) => {
                self.listeners.insert(block, Listener { reports, status });
            }
            Command::Publish(task) => {
                self.arrivals += 1;
                self.waiting.insert((task.place(), self.arrivals), task);
            }
            Command::Finish(block) => {
                self.listeners.remove(&block);
                self.waiting.retain(|_, task| task.block != block);
                let ids: Vec<_> =
                    self.flights.iter().filter(|(_, flight)| flight.task.block == block).map(|(id, _)| *id).collect();
                self.flights.retain(|_, flight| flight.task.block != block);
                if !ids.is_empty() {
                    self.say(&Control::Stop { run: self.run, ids });
                }
            }
            Command::Distrust { task, worker, reason } => {
                tracing::error!(worker, "fencing a worker: {reason}");
                self.fenced.insert(worker.clone(), reason.clone());
                self.fenced_keys.extend(self.keys.get(&worker).cloned());
                self.say(&Control::Fence { worker, reason });
                self.hear(Command::Publish(task));
            }
            Command::Close(closing) => self.closing = Some(closing),
        }
    }

    /// Gives out tasks while there is room, or finds that a worker has them already.
    fn give_out(&mut self) {
        while self.flights.len() < self.config.max_in_flight
            && let Some((_, task)) = self.waiting.pop_first()
        {
            let class = Class::of(&task);
            let holder = self.holder(&task.id);
            let adopted = holder.is_some();
            if let Some(worker) = &holder {
                tracing::info!(
                    block_number = task.block.number,
                    worker,
                    "still proving {}, not given out again",
                    task.work
                );
                self.tell(task.block, task.id, worker, Event::Started);
            } else {
                self.send_task(&task, class);
            }
            let now = Instant::now();
            let flight = Flight { task, class, worker: holder, since: now, sent: now, adopted, copies: 1 };
            self.flights.insert(flight.task.id, flight);
        }
    }

    /// The worker that proves a task, by what it has said lately.
    fn holder(&self, id: &TaskId) -> Option<String> {
        let holds =
            |seen: &&Seen| seen.at.elapsed() < GONE && seen.state.running.iter().any(|running| running.id == *id);
        self.workers.values().find(holds).map(|seen| seen.state.name.clone())
    }

    fn send_task(&mut self, task: &Task, class: Class) {
        let Config { group, priority, .. } = &self.config;
        let (task, group, priority) = (task.clone(), group.clone(), *priority);
        let id = task.id.to_string();
        let sent = message::now();
        let message = TaskMessage { task, run: self.run, group, class, priority, failures: 0, lost: 0, sent };
        let key = task_queue(class, priority);
        let body = encode(&message);
        self.outbox.push_back(Outgoing { exchange: topology::TASKS, key, body, id, mandatory: true });
    }

    /// Waits for a worker that has a task which is in no queue any more.
    fn adopt(&mut self, id: &TaskId, worker: String) {
        let Some(flight) = self.flights.get_mut(id) else { return };
        (flight.worker, flight.since, flight.adopted) = (Some(worker), Instant::now(), true);
    }

    /// Gives a task out once more.
    fn send_again(&mut self, id: &TaskId, class: Class) {
        let Some(flight) = self.flights.get_mut(id) else { return };
        families().given_out_again.inc();
        (flight.class, flight.worker, flight.since, flight.adopted) = (class, None, Instant::now(), false);
        flight.sent = flight.since;
        let task = flight.task.clone();
        self.send_task(&task, class);
    }

    /// Tells whoever waits that nothing will come of it, and whoever begins to.
    async fn give_up(mut self, reason: String, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            for block in self.listeners.keys() {
                let failed = Outcome::Failed { cause: Cause::Invalid, reason: reason.clone() };
                self.tell(*block, Digest::of_bytes(&[]), "the broker", Event::Ended(failed));
            }
            match commands.recv().await {
                Some(command) => self.hear(command),
                None => return,
            }
            if self.closing.is_some() {
                return;
            }
        }
    }

    fn say(&mut self, control: &Control) {
        let body = encode(control);
        let (exchange, key, id) = (topology::CONTROL, String::new(), String::new());
        self.outbox.push_back(Outgoing { exchange, key, body, id, mandatory: false });
    }

    fn tell(&self, block: BlockId, id: TaskId, worker: &str, event: Event) {
        self.forward(block, Report { id, worker: worker.to_owned(), event, output: None, genuine: true });
    }

    fn forward(&self, block: BlockId, report: Report) {
        if let Some(listener) = self.listeners.get(&block)
            && listener.reports.send(report).is_err()
        {
            tracing::debug!(block_number = block.number, "nobody follows this block any more");
        }
    }
}

/// What the broker's refusal means to an operator.
fn explain(error: &SessionError, group: &str) -> String {
    let text = error.to_string();
    match text.contains("RESOURCE_LOCKED") {
        true => format!("another leader is connected as group {group}; give this one a --group of its own ({text})"),
        false => text,
    }
}
