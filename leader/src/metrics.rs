//! What a leader has to say to Prometheus: blocks, what of them waits, is queued, runs; how far behind the chain it is.

use std::collections::{HashMap, HashSet};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use amqp::topology::Class;
use ops::metrics::recent::{BLOCK, Recent};
use ops::metrics::{SECONDS, counter, counters, gauge, gauges, histogram, tasks};
use ops::queue::Outcome;
use ops::task::{BlockId, Kind, TaskId};
use prometheus::{Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec};

use crate::graph::{Graph, Standing};
use crate::progress::guess;

/// Weight of the newest time in the mean of a kind.
const NEWEST: f64 = 0.1;

/// The families.
#[derive(Debug)]
pub struct Families {
    witnesses: IntCounterVec,
    block_seconds: Histogram,
    /// Blocks that are being proved.
    pub blocks: Gauge,
    gas: IntCounter,
    transactions: IntCounter,
    backlog: GaugeVec,
    backlog_seconds: GaugeVec,
    tasks: IntCounterVec,
    /// Outputs that were no proof of their task.
    pub distrusted: IntCounter,
    block_tasks: Recent,
    elapsed: Recent,
    eta: Recent,
    critical_path: Recent,
    /// Number of the newest block that may be proved.
    pub head: Gauge,
    /// Number of the newest block whose proof is written.
    pub proved: Gauge,
    /// Blocks between these.
    pub lag_blocks: Gauge,
    /// Age of the oldest block that is to be proved and is not.
    pub lag_seconds: Gauge,
    /// How often the chain has reorganised under blocks that were worked on.
    pub reorgs: IntCounter,
}

static FAMILIES: LazyLock<Families> = LazyLock::new(|| Families {
    witnesses: counters("witnesses_total", "Witnesses that this leader is done with", &["outcome"]),
    block_seconds: histogram("block_seconds", "Time from a witness to the proof of its block", &SECONDS),
    blocks: gauge("blocks_in_progress", "Blocks that are being proved"),
    gas: counter("gas_proved_total", "Gas used by the blocks that were proved"),
    transactions: counter("transactions_proved_total", "Transactions of the blocks that were proved"),
    backlog: gauges("backlog_tasks", "Tasks of this leader's blocks that are not done", &["class", "stage"]),
    backlog_seconds: gauges(
        "backlog_seconds",
        "What these would take one slot, by what tasks have taken so far; 0 before any was measured",
        &["class"],
    ),
    tasks: counters("leader_tasks_total", "Tasks of this leader's blocks, by what was reported", &["kind", "outcome"]),
    distrusted: counter(
        "tasks_distrusted_total",
        "Outputs that were not the proof of their task; their workers are fenced",
    ),
    block_tasks: Recent::new(
        "block_tasks",
        "Tasks of a block: all, and those that are done",
        &["block_number", "block_hash", "state"],
    ),
    elapsed: Recent::new("block_elapsed_seconds", "Time since a block was begun", &BLOCK),
    eta: Recent::new("block_eta_seconds", "Time that a block still takes, by what was measured", &BLOCK),
    critical_path: Recent::new(
        "block_critical_path_seconds",
        "Longest chain of tasks of a block, each of which waits for the one before it",
        &BLOCK,
    ),
    head: gauge("chain_head_block", "Number of the node's newest block, or of that which --head names"),
    proved: gauge("proved_block", "Number of the newest block whose proof is written"),
    lag_blocks: gauge("proof_lag_blocks", "Blocks that are to be proved and are not"),
    lag_seconds: gauge(
        "proof_lag_seconds",
        "Age of the oldest block that is to be proved and is not; 0 if there is none",
    ),
    reorgs: counter("reorgs_total", "Reorganisations that took away blocks which were proved or worked on"),
});

/// The families of this process.
pub fn families() -> &'static Families {
    &FAMILIES
}

/// Shows what there is before anything has happened: a counter that begins with its first event hides it from whoever asks
/// for increases, and an autoscaler needs a 0 rather than nothing.
pub fn begin() {
    for outcome in ["proved", "reused", "failed", "cancelled"] {
        FAMILIES.witnesses.with_label_values(&[outcome]);
    }
    board().show();
}

/// What became of a witness.
#[derive(Clone, Copy, Debug)]
pub enum Ended {
    /// Its block is proved.
    Proved {
        /// Gas that the block used.
        gas: u64,
        /// Its transactions.
        transactions: u32,
    },
    /// Its block was proved before.
    Reused,
    /// Its block could not be proved.
    Failed,
    /// Its block is not wanted any more.
    Cancelled,
}

impl Families {
    /// A witness is done with.
    pub fn ended(&self, ended: Ended, time: Duration) {
        let outcome = match ended {
            Ended::Proved { gas, transactions } => {
                self.block_seconds.observe(time.as_secs_f64());
                self.gas.inc_by(gas);
                self.transactions.inc_by(transactions.into());
                "proved"
            }
            Ended::Reused => "reused",
            Ended::Failed => "failed",
            Ended::Cancelled => "cancelled",
        };
        self.witnesses.with_label_values(&[outcome]).inc();
    }
}

/// Where a task of a block stands, as it is counted.
const STAGES: [&str; 3] = ["waiting", "queued", "running"];

type Counts = [[usize; STAGES.len()]; Kind::ALL.len()];

/// The blocks that are being proved, and what tasks have taken.
#[derive(Default)]
struct Board {
    blocks: HashMap<BlockId, Counts>,
    means: [Option<f64>; Kind::ALL.len()],
}

static BOARD: LazyLock<Mutex<Board>> = LazyLock::new(Mutex::default);

impl Board {
    /// Mean time of a task of a kind in seconds: as measured, or by what others have taken; 0 before any was.
    fn mean(&self, kind: Kind) -> f64 {
        let measured = || Kind::ALL.into_iter().zip(self.means).filter_map(|(kind, mean)| Some(mean? / guess(kind)));
        let count = measured().count().max(1) as f64;
        self.means[kind as usize].unwrap_or_else(|| measured().sum::<f64>() / count * guess(kind))
    }

    fn show(&self) {
        for class in [Class::Merge, Class::Segment] {
            let mut seconds = 0.0;
            let mut counts = [0; STAGES.len()];
            for kind in Kind::ALL.into_iter().filter(|kind| class_of(*kind) == class) {
                for of_block in self.blocks.values().map(|counts| &counts[kind as usize]) {
                    counts.iter_mut().zip(of_block).for_each(|(all, of_block)| *all += of_block);
                    seconds += of_block.iter().sum::<usize>() as f64 * self.mean(kind);
                }
            }
            let class = class.to_string();
            for (stage, count) in STAGES.iter().zip(counts) {
                FAMILIES.backlog.with_label_values(&[class.as_str(), *stage]).set(count as f64);
            }
            FAMILIES.backlog_seconds.with_label_values(&[class.as_str()]).set(seconds);
        }
    }
}

/// The class in which a task of a kind begins.
fn class_of(kind: Kind) -> Class {
    if kind == Kind::Segment { Class::Segment } else { Class::Merge }
}

fn board() -> std::sync::MutexGuard<'static, Board> {
    // Nothing that is done under the lock leaves a change half made.
    BOARD.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Follows one block from its plan to its end.
#[derive(Debug)]
pub struct BlockMetrics {
    block: BlockId,
    labels: [String; 2],
    begun: Instant,
    started: HashSet<TaskId>,
    times: HashMap<TaskId, Duration>,
}

impl BlockMetrics {
    /// A block is begun.
    pub fn new(block: BlockId) -> Self {
        let labels = [block.number.to_string(), format!("{:#x}", block.hash)];
        Self { block, labels, begun: Instant::now(), started: HashSet::new(), times: HashMap::new() }
    }

    /// A worker has a task.
    pub fn started(&mut self, id: TaskId) {
        self.started.insert(id);
    }

    /// A task has ended.
    pub fn ended(&mut self, id: TaskId, kind: Kind, outcome: &Outcome) {
        let name = match outcome {
            Outcome::Done { reused: true, .. } => "reused",
            Outcome::Done { time, .. } => {
                self.times.insert(id, *time);
                let mean = &mut board().means[kind as usize];
                let time = time.as_secs_f64();
                *mean = Some(mean.map_or(time, |mean| mean + NEWEST * (time - mean)));
                "proved"
            }
            Outcome::Failed { .. } => "failed",
            Outcome::Cancelled => "cancelled",
        };
        FAMILIES.tasks.with_label_values(&[tasks::kind(kind), name]).inc();
    }

    /// The block stands so now.
    pub fn update(&self, graph: &Graph, eta: Option<Duration>) {
        let mut counts = Counts::default();
        let mut done = 0;
        let mut paths = vec![0.0; graph.len()];
        let mut longest: f64 = 0.0;
        for (place, (task, standing, parent)) in graph.states().enumerate() {
            let stage = match standing {
                Standing::Waiting => Some(0),
                Standing::GivenOut => Some(if self.started.contains(&task.id) { 2 } else { 1 }),
                Standing::Done => None,
            };
            match stage {
                Some(stage) => counts[task.work.kind() as usize][stage] += 1,
                None => done += 1,
            }
            // Each task stands after those it builds on.
            let path = paths[place] + self.times.get(&task.id).map_or(0.0, Duration::as_secs_f64);
            longest = longest.max(path);
            if let Some(parent) = parent {
                paths[parent] = f64::max(paths[parent], path);
            }
        }
        let mut board = board();
        board.blocks.insert(self.block, counts);
        board.show();
        drop(board);
        let [number, hash] = [self.labels[0].as_str(), self.labels[1].as_str()];
        FAMILIES.block_tasks.set(&[number, hash, "all"], graph.len() as f64);
        FAMILIES.block_tasks.set(&[number, hash, "done"], done as f64);
        FAMILIES.elapsed.set(&[number, hash], self.begun.elapsed().as_secs_f64());
        FAMILIES.critical_path.set(&[number, hash], longest);
        if let Some(eta) = eta {
            FAMILIES.eta.set(&[number, hash], eta.as_secs_f64());
        }
    }
}

impl Drop for BlockMetrics {
    fn drop(&mut self) {
        FAMILIES.eta.remove(&[&self.labels[0], &self.labels[1]]);
        let mut board = board();
        board.blocks.remove(&self.block);
        board.show();
    }
}
