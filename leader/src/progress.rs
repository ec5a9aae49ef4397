//! What is said while work goes on: a line at every change and once a minute, and a bar on a terminal.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use ops::circuits::build::Step;
use ops::log::Screen;
use ops::task::{Kind, TaskId};

use crate::graph::Graph;
use crate::plan::BlockPlan;

/// Time of a task relative to a segment's, before any was measured: from proofs of small blocks.
const GUESS: [(Kind, f64); 4] =
    [(Kind::Segment, 1.0), (Kind::SegmentMerge, 0.2), (Kind::BatchMerge, 0.2), (Kind::Block, 0.45)];

fn bar(screen: &Screen, len: u64, template: &str) -> Option<ProgressBar> {
    let style = ProgressStyle::with_template(template).expect("the template is a constant").progress_chars("=> ");
    let bar = screen.bars()?.add(ProgressBar::new(len).with_style(style));
    bar.enable_steady_tick(Duration::from_secs(1));
    Some(bar)
}

/// Tells the steps of preparing circuits.
#[derive(Debug)]
pub struct CircuitsProgress {
    profile: String,
    screen: Screen,
    bar: Mutex<Option<ProgressBar>>,
}

impl CircuitsProgress {
    /// For the circuits of a profile.
    pub fn new(profile: &str, screen: &Screen) -> Self {
        Self { profile: profile.to_owned(), screen: screen.clone(), bar: Mutex::new(None) }
    }

    /// Takes note of a step.
    pub fn step(&self, step: Step) {
        let Step { number, total, what, elapsed } = step;
        // Time left by the steps so far; the upper circuits take longer than those of tables, so it is a lower bound.
        tracing::info!(
            step = %format!("{number}/{total}"),
            time_spent = %seconds(elapsed),
            "Preparing circuits of profile {}: {what}",
            self.profile
        );
        let mut slot = self.bar.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if slot.is_none() {
            *slot = bar(&self.screen, total as u64, "circuits [{bar:40}] {pos}/{len} {elapsed_precise} {msg}");
        }
        if let Some(bar) = &*slot {
            bar.set_length(total as u64);
            bar.set_position(number as u64 - 1);
            bar.set_message(what);
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take() {
            bar.finish_and_clear();
        }
    }
}

/// Tells how a block is getting on.
#[derive(Debug)]
pub struct BlockProgress {
    number: u64,
    transactions: u32,
    workers: usize,
    start: Instant,
    measured: HashMap<Kind, (Duration, u32)>,
    last: String,
    bar: Option<ProgressBar>,
}

impl BlockProgress {
    /// For a planned block, worked on by so many workers.
    pub fn new(plan: &BlockPlan, workers: usize, tasks: usize, screen: &Screen) -> Self {
        let template =
            format!("block {} [{{bar:40}}] {{pos}}/{{len}} tasks {{elapsed_precise}} {{msg}}", plan.block.number);
        Self {
            number: plan.block.number,
            transactions: plan.transactions(),
            workers,
            start: Instant::now(),
            measured: HashMap::new(),
            last: String::new(),
            bar: bar(screen, tasks as u64, &template),
        }
    }

    /// Since the block was begun.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Takes note of how long a task took.
    pub fn proved(&mut self, graph: &Graph, id: &TaskId, time: Duration) {
        if let Some(task) = graph.tasks().find(|task| task.id == *id) {
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
        let eta = self.eta(graph).map_or_else(|| "unknown".to_owned(), seconds);
        tracing::info!(
            txs_proved = graph.transactions_proved(),
            total_txs = self.transactions,
            segments = %format!("{segments_done}/{segments}"),
            tasks = %format!("{done}/{}", graph.len()),
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
                let lanes = if kind == Kind::Block { 1 } else { self.workers.min((all - done).max(1)) };
                each * (all - done) as f64 / lanes as f64
            })
            .sum();
        Some(Duration::from_secs_f64(left))
    }
}

fn guess(kind: Kind) -> f64 {
    GUESS.into_iter().find_map(|(of, guess)| (of == kind).then_some(guess)).unwrap_or(1.0)
}

fn state(graph: &Graph) -> String {
    Kind::ALL.map(|kind| graph.count(kind).1.to_string()).join(" ")
}

fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}
