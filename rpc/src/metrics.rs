//! What is said to Prometheus of the node: requests by method, and their time.

use std::sync::LazyLock;
use std::time::Duration;

use ops::metrics::{SECONDS, counters, histograms};
use prometheus::{HistogramVec, IntCounterVec};

use crate::node::NodeError;

/// The families.
#[derive(Debug)]
pub struct Families {
    requests: IntCounterVec,
    seconds: HistogramVec,
}

static FAMILIES: LazyLock<Families> = LazyLock::new(|| Families {
    requests: counters("node_requests_total", "Requests to the node; a batch counts once", &["method", "outcome"]),
    seconds: histograms(
        "node_seconds",
        "Time of a request to the node, waiting for room not included",
        &["method"],
        &SECONDS,
    ),
});

/// The families of this process.
pub fn families() -> &'static Families {
    &FAMILIES
}

impl Families {
    /// The node has answered, or has not.
    pub(crate) fn asked<T>(&self, method: &str, time: Duration, answer: &Result<T, NodeError>) {
        let outcome = if answer.is_ok() { "ok" } else { "failed" };
        self.requests.with_label_values(&[method, outcome]).inc();
        self.seconds.with_label_values(&[method]).observe(time.as_secs_f64());
    }
}
