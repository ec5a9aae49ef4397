//! The queue within one process.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, mpsc};

use super::{Cause, DeadLetter, Delivery, Event, MAX_DELIVERIES, Outcome, Report, Tasks, Word};
use crate::task::{BlockId, Place, Task, TaskId};

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<(Place, u64), (Task, u32)>,
    running: HashMap<u64, (BlockId, Arc<AtomicBool>)>,
    dead: Vec<DeadLetter>,
    listeners: HashMap<BlockId, mpsc::UnboundedSender<Report>>,
    arrivals: u64,
    closed: bool,
}

/// A queue in memory, shared by its clones.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    state: Arc<Mutex<State>>,
    arrived: Arc<Notify>,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything in it can panic.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Where the reports on a block's tasks arrive from now on.
    pub fn listen(&self, block: BlockId) -> mpsc::UnboundedReceiver<Report> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.state().listeners.insert(block, sender);
        receiver
    }

    /// Puts a task into the queue.
    pub fn publish(&self, task: Task) {
        self.put(task, 0);
    }

    fn put(&self, task: Task, deliveries: u32) {
        let mut state = self.state();
        state.arrivals += 1;
        let place = (task.place(), state.arrivals);
        state.waiting.insert(place, (task, deliveries));
        drop(state);
        self.arrived.notify_one();
    }

    /// Ends a block: forgets its queued tasks, tells its running ones to abort, and reports no more on it.
    pub fn finish(&self, block: BlockId) {
        self.cancel(block);
        self.state().listeners.remove(&block);
    }

    /// Forgets the queued tasks of a block and tells its running ones to abort. Returns how many there were of each.
    pub fn cancel(&self, block: BlockId) -> (usize, usize) {
        let mut state = self.state();
        let before = state.waiting.len();
        state.waiting.retain(|_, (task, _)| task.block != block);
        let queued = before - state.waiting.len();
        let running = state.running.values().filter(|(of, _)| *of == block);
        let running = running.map(|(_, abort)| abort.store(true, Ordering::Relaxed)).count();
        (queued, running)
    }

    /// The dead letters so far.
    pub fn dead(&self) -> Vec<DeadLetter> {
        self.state().dead.clone()
    }

    /// Tasks that wait, and tasks that are being worked on.
    pub fn len(&self) -> (usize, usize) {
        let state = self.state();
        (state.waiting.len(), state.running.len())
    }

    /// Ends it: whoever waits for a task gets none.
    pub fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_waiters();
        // One who is between looking and waiting finds this permit.
        self.arrived.notify_one();
    }

    fn deliver(&self, state: &mut State, task: Task, deliveries: u32) -> Delivery {
        state.arrivals += 1;
        let (tag, queue) = (state.arrivals, self.clone());
        let abort = Arc::new(AtomicBool::new(false));
        state.running.insert(tag, (task.block, abort.clone()));
        let taken = Taken { queue, tag, task: task.clone(), deliveries, abort: abort.clone() };
        Delivery::new(task, deliveries, abort, move |word| taken.hear(word))
    }

    fn tell(&self, block: BlockId, id: TaskId, event: Event) {
        let mut state = self.state();
        if let Some(listener) = state.listeners.get(&block)
            && listener
                .send(Report { id, worker: "this process".to_owned(), event, output: None, genuine: true })
                .is_err()
        {
            // Nobody follows this block any more.
            state.listeners.remove(&block);
        }
    }
}

impl Tasks for Queue {
    async fn take(&self) -> Option<Delivery> {
        loop {
            let arrived = self.arrived.notified();
            {
                let mut state = self.state();
                if state.closed {
                    return None;
                }
                if let Some((_, (task, deliveries))) = state.waiting.pop_first() {
                    let delivery = self.deliver(&mut state, task, deliveries + 1);
                    if !state.waiting.is_empty() {
                        self.arrived.notify_one();
                    }
                    drop(state);
                    self.tell(delivery.task.block, delivery.task.id, Event::Started);
                    return Some(delivery);
                }
            }
            arrived.await;
        }
    }
}

/// The queue's side of a delivery.
struct Taken {
    queue: Queue,
    tag: u64,
    task: Task,
    deliveries: u32,
    abort: Arc<AtomicBool>,
}

impl Taken {
    fn hear(self, word: Word) {
        match word {
            Word::Settled(outcome) => {
                if let Outcome::Failed { cause, reason } = &outcome {
                    self.bury(*cause, reason);
                }
                self.tell(outcome);
            }
            Word::Forget => {}
            _ if self.abort.load(Ordering::Relaxed) => self.tell(Outcome::Cancelled),
            Word::HandBack => self.queue.put(self.task.clone(), self.deliveries - 1),
            Word::Retry(..) if self.deliveries < MAX_DELIVERIES => {
                self.queue.put(self.task.clone(), self.deliveries);
            }
            Word::Retry(cause, reason) => {
                let reason = format!("{reason} ({} deliveries)", self.deliveries);
                self.bury(cause, &reason);
                self.tell(Outcome::Failed { cause, reason });
            }
        }
        self.queue.state().running.remove(&self.tag);
    }

    fn tell(&self, outcome: Outcome) {
        self.queue.tell(self.task.block, self.task.id, Event::Ended(outcome));
    }

    fn bury(&self, cause: Cause, reason: &str) {
        let (task, deliveries) = (self.task.clone(), self.deliveries);
        self.queue.state().dead.push(DeadLetter { task, deliveries, cause, reason: reason.to_owned() });
    }
}
