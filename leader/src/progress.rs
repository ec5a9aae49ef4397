//! What is said while work goes on: a line at every change and once a minute, and a bar on a terminal.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use ops::log::Screen;
use ops::plan::BlockPlan;
use ops::task::{Kind, TaskId};

use crate::graph::Graph;

/// Tells how a block is getting on.
#[derive(Debug)]
pub struct BlockProgress {
    number: u64,
    transactions: u32,
    workers: Option<usize>,
    start: Instant,
    measured: HashMap<Kind, (Duration, u32)>,
    running: HashSet<TaskId>,
    eta: Arc<Mutex<Option<Duration>>>,
    last: String,
    bar: Option<ProgressBar>,
}

impl BlockProgress {
    /// For a planned block, worked on by so many workers, if that is known.
    pub fn new(plan: &BlockPlan, workers: Option<usize>, tasks: usize, screen: &Screen) -> Self {
        let template =
            format!("block {} [{{bar:40}}] {{pos}}/{{len}} tasks {{elapsed_precise}} {{msg}}", plan.block.number);
        Self {
            number: plan.block.number,
            transactions: plan.transactions(),
            workers,
            start: Instant::now(),
            measured: HashMap::new(),
            running: HashSet::new(),
            eta: Arc::default(),
            last: String::new(),
            bar: screen.bar(tasks as u64, &template),
        }
    }

    /// Since the block was begun.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Where the time left can be read at any time.
    pub fn eta_source(&self) -> Arc<Mutex<Option<Duration>>> {
        self.eta.clone()
    }

    /// A worker has begun a task.
    pub fn started(&mut self, id: TaskId) {
        self.running.insert(id);
    }

    /// Takes note of a task that is done, and of how long it took unless it was done before.
    pub fn ended(&mut self, graph: &Graph, id: &TaskId, time: Option<Duration>) {
        self.running.remove(id);
        if let Some(time) = time
            && let Some(task) = graph.tasks().find(|task| task.id == *id)
        {
            let measured = self.measured.entry(task.work.kind()).or_default();
            *measured = (measured.0 + time, measured.1 + 1);
        }
    }

    /// Says what has changed, if anything has.
    pub fn update(&mut self, graph: &Graph) {
        let state = state(graph);
        if state != self.last {
            self.last = state;
            self.say(graph);
        }
    }

    /// Says where it stands, changed or not.
    pub fn remind(&mut self, graph: &Graph) {
        self.say(graph);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn say(&self, graph: &Graph) {
        let (segments, segments_done) = graph.count(Kind::Segment);
        let done: usize = Kind::ALL.into_iter().map(|kind| graph.count(kind).1).sum();
        let eta = self.eta(graph);
        *self.eta.lock().unwrap_or_else(PoisonError::into_inner) = eta;
        let eta = eta.map_or_else(|| "unknown".to_owned(), seconds);
        tracing::info!(
            txs_proved = graph.transactions_proved(),
            total_txs = self.transactions,
            segments = %format!("{segments_done}/{segments}"),
            tasks = %format!("{done}/{}", graph.len()),
            running = self.running.len(),
            time_spent = %seconds(self.start.elapsed()),
            eta = %eta,
            "Proving block {}",
            self.number
        );
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            bar.set_message(format!("segments {segments_done}/{segments}, {eta} left"));
        }
    }

    /// Time left, once at least one task was measured.
    fn eta(&self, graph: &Graph) -> Option<Duration> {
        // What a segment takes, judged by whatever was measured.
        let unit =
            self.measured.iter().map(|(kind, (time, count))| time.as_secs_f64() / f64::from(*count) / guess(*kind));
        let unit = unit.sum::<f64>() / self.measured.len() as f64;
        if !unit.is_finite() {
            return None;
        }
        let left: f64 = Kind::ALL
            .into_iter()
            .map(|kind| {
                let (all, done) = graph.count(kind);
                let each = self
                    .measured
                    .get(&kind)
                    .map_or(unit * guess(kind), |(time, count)| time.as_secs_f64() / f64::from(*count));
                let workers = self.workers.unwrap_or(self.running.len()).max(1);
                let lanes = if kind == Kind::Block { 1 } else { workers.min((all - done).max(1)) };
                each * (all - done) as f64 / lanes as f64
            })
            .sum();
        Some(Duration::from_secs_f64(left))
    }
}

/// A block that is cancelled takes its bar with it.
impl Drop for BlockProgress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Time of a task relative to a segment's, before any of its kind was measured: from proofs of small blocks.
pub fn guess(kind: Kind) -> f64 {
    match kind {
        Kind::Segment => 1.0,
        Kind::SegmentMerge | Kind::BatchMerge => 0.2,
        Kind::Block => 0.45,
    }
}

fn state(graph: &Graph) -> String {
    Kind::ALL.map(|kind| graph.count(kind).1.to_string()).join(" ")
}

fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}
