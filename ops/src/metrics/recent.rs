//! Numbers of single blocks and segments, which are kept for a while only.
//!
//! A label such as a block's hash makes a new series for each block, and Prometheus keeps an index of all that it has
//! seen: a year of blocks would fill it. So a series that nobody has written for [`Limits::age`] goes, and the oldest
//! goes where there are more than [`Limits::series`].

use std::collections::{HashMap, VecDeque};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use prometheus::{Gauge, GaugeVec, IntCounter};

use super::{counter, gauge, gauges, lock};

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a series is kept after it was last written.
    pub age: Duration,
    /// How many there may be in all.
    pub series: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { age: Duration::from_secs(3600), series: 2000 }
    }
}

/// Names of the labels of a block.
pub const BLOCK: [&str; 2] = ["block_number", "block_hash"];
/// Names of the labels of a segment; `tx_id` is the first and last transaction of its batch, counted from 0.
pub const SEGMENT: [&str; 4] = ["block_number", "block_hash", "tx_id", "segment"];

type Key = (&'static str, Vec<String>);

#[derive(Default)]
struct Kept {
    limits: Limits,
    families: HashMap<&'static str, GaugeVec>,
    written: HashMap<Key, Instant>,
    /// In the order of writing. A series that was written again stands here more than once; its last time counts.
    order: VecDeque<(Instant, Key)>,
}

struct Counts {
    there: Gauge,
    dropped: IntCounter,
}

static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);
static COUNTS: LazyLock<Counts> = LazyLock::new(|| Counts {
    there: gauge("recent_series", "Series of single blocks and segments that are kept now"),
    dropped: counter("recent_series_dropped_total", "Series that went before their time, since there were too many"),
});

/// A family whose series are kept for a while.
#[derive(Clone, Copy, Debug)]
pub struct Recent(&'static str);

impl Recent {
    /// Registers it.
    pub fn new(of: &'static str, help: &str, labels: &[&str]) -> Self {
        LazyLock::force(&COUNTS);
        lock(&KEPT).families.insert(of, gauges(of, help, labels));
        Self(of)
    }

    /// Writes a series. `labels` are as many as the family has.
    pub fn set(&self, labels: &[&str], value: f64) {
        let mut kept = lock(&KEPT);
        let Some(series) = kept.families.get(self.0) else { return };
        match series.get_metric_with_label_values(labels) {
            Ok(series) => series.set(value),
            Err(error) => return tracing::error!("a series of {} is not written: {error}", self.0),
        }
        let (now, key) = (Instant::now(), (self.0, labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>()));
        kept.written.insert(key.clone(), now);
        kept.order.push_back((now, key));
        kept.trim(now);
    }

    /// Removes a series that means nothing any more.
    pub fn remove(&self, labels: &[&str]) {
        let mut kept = lock(&KEPT);
        let key = (self.0, labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>());
        if kept.written.remove(&key).is_some() {
            kept.forget(&key);
            COUNTS.there.set(kept.written.len() as f64);
        }
    }
}

impl Kept {
    fn trim(&mut self, now: Instant) {
        while let Some((at, key)) = self.order.front() {
            let last = self.written.get(key) == Some(at);
            let old = now.saturating_duration_since(*at) > self.limits.age;
            let many = self.written.len() > self.limits.series;
            if last && !old && !many {
                break;
            }
            let Some((_, key)) = self.order.pop_front() else { break };
            if last {
                self.written.remove(&key);
                self.forget(&key);
                COUNTS.dropped.inc_by(u64::from(!old));
            }
        }
        COUNTS.there.set(self.written.len() as f64);
    }

    fn forget(&self, (family, labels): &Key) {
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        if let Some(Err(error)) = self.families.get(family).map(|series| series.remove_label_values(&labels)) {
            tracing::debug!("a series of {family} had gone already: {error}");
        }
    }
}

/// From now on so much is kept.
pub fn limit(limits: Limits) {
    let mut kept = lock(&KEPT);
    kept.limits = limits;
    kept.trim(Instant::now());
}

/// Removes what is too old.
pub(super) fn expire() {
    lock(&KEPT).trim(Instant::now());
}
