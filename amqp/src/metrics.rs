//! What is said to Prometheus of the broker: sessions, operations, how long tasks wait in queues.

use std::sync::LazyLock;
use std::time::Duration;

use ops::health;
use ops::metrics::{SECONDS, counter, counters, gauge, histograms};
use prometheus::{Gauge, HistogramVec, IntCounter, IntCounterVec};

use crate::message;
use crate::topology::Class;

/// The families.
#[derive(Debug)]
pub struct Families {
    connected: Gauge,
    sessions: IntCounter,
    operations: IntCounterVec,
    queue_wait: HistogramVec,
    /// Tasks that a leader has given out once more: lost, too slow, or refused.
    pub given_out_again: IntCounter,
}

static FAMILIES: LazyLock<Families> = LazyLock::new(|| Families {
    connected: gauge("broker_connected", "1 while there is a session with the broker"),
    sessions: counter("broker_sessions_total", "Sessions with the broker that were begun"),
    operations: counters("broker_operations_total", "What was asked of the broker", &["operation", "outcome"]),
    queue_wait: histograms(
        "queue_wait_seconds",
        "Time that tasks were in a queue before this worker took them",
        &["class"],
        &SECONDS,
    ),
    given_out_again: counter(
        "tasks_given_out_again_total",
        "Tasks that this leader has given out once more: lost, too slow, or of another worker's making",
    ),
});

/// The families of this process.
pub fn families() -> &'static Families {
    &FAMILIES
}

/// Something that is asked of the broker.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Publish,
    Acknowledge,
    Get,
    Consume,
}

impl Families {
    /// There is a session.
    pub(crate) fn connected(&self) {
        self.connected.set(1.0);
        self.sessions.inc();
        health::there("broker");
    }

    /// There is none (any more).
    pub(crate) fn lost(&self, reason: impl Into<String>) {
        self.connected.set(0.0);
        health::missing("broker", reason);
    }

    /// The broker has done something, or has failed to.
    pub(crate) fn asked<T, E>(&self, operation: Operation, result: &Result<T, E>) {
        let operation = match operation {
            Operation::Publish => "publish",
            Operation::Acknowledge => "ack",
            Operation::Get => "get",
            Operation::Consume => "consume",
        };
        let outcome = if result.is_ok() { "ok" } else { "failed" };
        self.operations.with_label_values(&[operation, outcome]).inc();
    }

    /// A task was taken that was given out at this time, in milliseconds since 1970.
    pub(crate) fn taken(&self, class: Class, sent: u64) {
        let waited = Duration::from_millis(message::now().saturating_sub(sent));
        self.queue_wait.with_label_values(&[&class.to_string()]).observe(waited.as_secs_f64());
    }
}
