//! The queue within one process.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, mpsc};

use super::{DeadLetter, MAX_DELIVERIES, Outcome, Report};
use crate::task::{BlockId, Kind, Task};

/// Place in the queue: priority, then order of arrival.
type Place = ((u64, std::cmp::Reverse<Kind>), u64);

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<Place, (Task, u32)>,
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
        let place = (task.priority(), state.arrivals);
        state.waiting.insert(place, (task, deliveries));
        drop(state);
        self.arrived.notify_one();
    }

    /// Waits for the next task; `None` once the queue is closed.
    pub async fn take(&self) -> Option<Delivery> {
        loop {
            let arrived = self.arrived.notified();
            {
                let mut state = self.state();
                if state.closed {
                    return None;
                }
                if let Some((_, (task, deliveries))) = state.waiting.pop_first() {
                    state.arrivals += 1;
                    let tag = state.arrivals;
                    let abort = Arc::new(AtomicBool::new(false));
                    state.running.insert(tag, (task.block, abort.clone()));
                    if !state.waiting.is_empty() {
                        self.arrived.notify_one();
                    }
                    return Some(Delivery {
                        task,
                        deliveries: deliveries + 1,
                        abort,
                        tag,
                        queue: self.clone(),
                        settled: false,
                    });
                }
            }
            arrived.await;
        }
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
}

/// A task in the hands of a worker. Dropped without a word, it is delivered again.
#[derive(Debug)]
pub struct Delivery {
    /// The task.
    pub task: Task,
    /// How often it was delivered, this time included.
    pub deliveries: u32,
    /// Set when the task is not wanted any more.
    pub abort: Arc<AtomicBool>,
    tag: u64,
    queue: Queue,
    settled: bool,
}

impl Delivery {
    /// Done: reports the outcome, then takes the task off the queue.
    pub fn ack(self, outcome: Outcome) {
        self.settle(outcome);
    }

    /// Failed for good: a dead letter.
    pub fn reject(self, reason: String) {
        self.bury(&reason);
        self.settle(Outcome::Failed { reason });
    }

    /// Failed, but may go better next time, while deliveries are left.
    pub fn retry(mut self, reason: &str) {
        self.settled = true;
        self.again(reason);
    }

    fn settle(mut self, outcome: Outcome) {
        self.settled = true;
        self.tell(outcome);
        self.queue.state().running.remove(&self.tag);
    }

    fn tell(&self, outcome: Outcome) {
        let listener = self.queue.state().listeners.get(&self.task.block).cloned();
        if let Some(listener) = listener
            && listener.send(Report { id: self.task.id, outcome }).is_err()
        {
            tracing::debug!(block_number = self.task.block.number, "nobody listens to this block any more");
        }
    }

    fn bury(&self, reason: &str) {
        let letter = DeadLetter { task: self.task.clone(), deliveries: self.deliveries, reason: reason.to_owned() };
        self.queue.state().dead.push(letter);
    }

    fn again(&self, reason: &str) {
        if self.abort.load(Ordering::Relaxed) {
            self.tell(Outcome::Cancelled);
        } else if self.deliveries < MAX_DELIVERIES {
            self.queue.put(self.task.clone(), self.deliveries);
        } else {
            let reason = format!("{reason} ({} deliveries)", self.deliveries);
            self.bury(&reason);
            self.tell(Outcome::Failed { reason });
        }
        self.queue.state().running.remove(&self.tag);
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.settled {
            self.again("its worker stopped without a word");
        }
    }
}
