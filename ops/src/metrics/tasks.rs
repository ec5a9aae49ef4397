//! What a process that proves has to say: tasks and their stages, tables, slots and memory, circuits, the store.

use std::sync::LazyLock;
use std::time::Duration;

use evm_arithmetization::stages::Stage;
use prometheus::{Gauge, GaugeVec, Histogram, HistogramVec, IntCounterVec};

use super::recent::{Recent, SEGMENT};
use super::{SECONDS, counters, gauge, gauges, histogram, histograms};
use crate::profile::TABLES;
use crate::queue::Cause;
use crate::task::{Kind, Task, Work};

/// Upper ends of the buckets of rows and cycles: powers of two, as tables have.
fn powers_of_two() -> Vec<f64> {
    (4..=25).map(|power| f64::from(1u32 << power)).collect()
}

/// The families.
#[derive(Debug)]
pub struct Families {
    tasks: IntCounterVec,
    failures: IntCounterVec,
    seconds: HistogramVec,
    stages: HistogramVec,
    tables: HistogramVec,
    rows: HistogramVec,
    halt_cycles: Histogram,
    padding_cycles: Histogram,
    circuits: HistogramVec,
    /// Tasks that this process can prove at the same time.
    pub slots: Gauge,
    /// Slots that have a task.
    pub busy: Gauge,
    /// Memory for segments, in bytes.
    pub memory_budget: Gauge,
    slot_memory: GaugeVec,
    /// Tasks that wait until others have freed memory.
    pub memory_waiting: Gauge,
    store_seconds: HistogramVec,
    store_bytes: IntCounterVec,
    store_errors: IntCounterVec,
    segment_seconds: Recent,
    segment_halt_cycles: Recent,
    segment_padding_cycles: Recent,
}

static FAMILIES: LazyLock<Families> = LazyLock::new(|| Families {
    tasks: counters("tasks_total", "Tasks that this process has worked on", &["kind", "outcome"]),
    failures: counters("task_failures_total", "Tasks that failed here, whether tried again or not", &["kind", "cause"]),
    seconds: histograms(
        "task_seconds",
        "Time of a task that was proved, from taking it to its output",
        &["kind"],
        &SECONDS,
    ),
    stages: histograms("stage_seconds", "Time of a stage of a task", &["stage"], &SECONDS),
    tables: histograms(
        "table_seconds",
        "Time of one table of a segment: its STARK, and the recursion that shrinks it",
        &["stage", "table"],
        &SECONDS,
    ),
    rows: histograms("table_rows", "Rows of the tables of segments, padding included", &["table"], &powers_of_two()),
    halt_cycles: histogram(
        "cpu_halt_cycles",
        "CPU cycles of a segment until it halts or is handed on",
        &powers_of_two(),
    ),
    padding_cycles: histogram("cpu_padding_cycles", "Rows of the CPU table that only fill it up", &powers_of_two()),
    circuits: histograms("circuits_seconds", "Time to build or load circuits", &["step"], &SECONDS),
    slots: gauge("slots", "Tasks that this process can prove at the same time"),
    busy: gauge("slots_busy", "Slots that have a task"),
    memory_budget: gauge("memory_budget_bytes", "Memory that segments may take in all"),
    slot_memory: gauges("slot_memory_bytes", "Memory that is set aside for the task in a slot", &["slot"]),
    memory_waiting: gauge("memory_waiting", "Tasks in slots that wait until others free memory"),
    store_seconds: histograms("store_seconds", "Time of an operation of the artifact store", &["operation"], &SECONDS),
    store_bytes: counters("store_bytes_total", "Bytes moved to and from the artifact store", &["operation"]),
    store_errors: counters(
        "store_errors_total",
        "Operations of the artifact store that failed",
        &["operation", "reason"],
    ),
    segment_seconds: Recent::new("recent_segment_seconds", "Time of a segment that was proved here lately", &SEGMENT),
    segment_halt_cycles: Recent::new(
        "recent_segment_cpu_halt_cycles",
        "CPU cycles of a segment that was proved here lately",
        &SEGMENT,
    ),
    segment_padding_cycles: Recent::new(
        "recent_segment_cpu_padding_cycles",
        "Rows that fill up the CPU table of a segment that was proved here lately",
        &SEGMENT,
    ),
});

/// The families of this process.
pub fn families() -> &'static Families {
    &FAMILIES
}

/// What became of a task here.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// Its output is new.
    Proved,
    /// Its output was there already.
    Reused,
    /// Nobody wants it any more.
    Cancelled,
    /// It failed and will be tried again.
    Retried,
    /// It failed for good.
    Failed,
}

/// The name of a kind of task as a label.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Segment => "segment",
        Kind::SegmentMerge => "segment_merge",
        Kind::BatchMerge => "batch_merge",
        Kind::Block => "block",
    }
}

/// The name of a table, by its index, as a label.
fn table(index: usize) -> String {
    TABLES[index].name.replace([' ', '-'], "_")
}

impl Families {
    /// A task has ended.
    pub fn ended(&self, task: &Task, outcome: Outcome, time: Duration) {
        let kind = kind(task.work.kind());
        let name = match outcome {
            Outcome::Proved => "proved",
            Outcome::Reused => "reused",
            Outcome::Cancelled => "cancelled",
            Outcome::Retried => "retried",
            Outcome::Failed => "failed",
        };
        self.tasks.with_label_values(&[kind, name]).inc();
        if matches!(outcome, Outcome::Proved) {
            self.seconds.with_label_values(&[kind]).observe(time.as_secs_f64());
            self.of_segment(self.segment_seconds, task, time.as_secs_f64());
        }
    }

    /// A task has failed, whether it is tried again or not.
    pub fn failed(&self, task: &Task, cause: Cause) {
        self.failures.with_label_values(&[kind(task.work.kind()), &cause.to_string()]).inc();
    }

    /// A stage of a task has ended.
    pub fn stage(&self, stage: &str, time: Duration) {
        self.stages.with_label_values(&[stage]).observe(time.as_secs_f64());
    }

    /// Times by table of a segment.
    pub fn tables(&self, stages: &[Stage]) {
        for stage in stages {
            let series = self.tables.with_label_values(&[stage.name, &table(stage.table)]);
            series.observe(stage.time.as_secs_f64());
        }
    }

    /// Rows of a table of a segment.
    pub fn rows(&self, index: usize, rows: usize) {
        self.rows.with_label_values(&[&table(index)]).observe(rows as f64);
    }

    /// Rows of the CPU table of a segment: so many that do something, of so many.
    pub fn cycles(&self, task: &Task, halt: usize, all: usize) {
        let (halt, padding) = (halt as f64, all.saturating_sub(halt) as f64);
        self.halt_cycles.observe(halt);
        self.padding_cycles.observe(padding);
        self.of_segment(self.segment_halt_cycles, task, halt);
        self.of_segment(self.segment_padding_cycles, task, padding);
    }

    /// Circuits were built or loaded.
    pub fn circuits(&self, step: &str, time: Duration) {
        self.circuits.with_label_values(&[step]).observe(time.as_secs_f64());
    }

    /// Memory is set aside for the task in a slot, or is free again.
    pub fn slot_memory(&self, slot: usize, bytes: u64) {
        self.slot_memory.with_label_values(&[&slot.to_string()]).set(bytes as f64);
    }

    /// An operation of the store took so long.
    pub fn store(&self, operation: &str, time: Duration, bytes: usize) {
        self.store_seconds.with_label_values(&[operation]).observe(time.as_secs_f64());
        self.store_bytes.with_label_values(&[operation]).inc_by(bytes as u64);
    }

    /// An operation of the store has failed.
    pub fn store_failed(&self, operation: &str, reason: &str) {
        self.store_errors.with_label_values(&[operation, reason]).inc();
    }

    fn of_segment(&self, family: Recent, task: &Task, value: f64) {
        let Work::Segment(segment) = &task.work else { return };
        let (first, end) = segment.txs;
        let txs = format!("{first}-{}", end.saturating_sub(1).max(first));
        let (number, hash) = (task.block.number.to_string(), format!("{:#x}", task.block.hash));
        family.set(&[&number, &hash, &txs, &segment.index.to_string()], value);
    }
}
