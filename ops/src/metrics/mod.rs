//! What a process has to say to Prometheus: families of numbers, registered where they are used.
//!
//! One registry for the process, since a process is scraped as a whole. Every family is listed with its labels and
//! meaning ([`families`]); docs/metrics.md is made of that list.

pub mod recent;
pub mod tasks;

use std::sync::{LazyLock, Mutex};

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
};

/// All names begin with this.
pub const PREFIX: &str = "blockproof_";

/// Upper ends of the buckets of times, in seconds: from a look into the store to a block of many segments.
pub const SECONDS: [f64; 16] =
    [0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 2400.0, 4800.0];

/// A family of series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name, with [`PREFIX`].
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// What it says, in one line.
    pub help: String,
}

#[derive(Default)]
struct Registered {
    registry: Registry,
    families: Mutex<Vec<Family>>,
}

static REGISTERED: LazyLock<Registered> = LazyLock::new(|| {
    let registered = Registered::default();
    let process = prometheus::process_collector::ProcessCollector::for_self();
    registered.registry.register(Box::new(process)).expect("the first of its names");
    registered
});

fn register<C: Collector + Clone + 'static>(kind: &'static str, collector: C) -> C {
    for desc in collector.desc() {
        let (name, labels, help) = (desc.fq_name.clone(), desc.variable_labels.clone(), desc.help.clone());
        lock(&REGISTERED.families).push(Family { name, kind, labels, help });
    }
    // Names are constants of the program, used once each.
    REGISTERED.registry.register(Box::new(collector.clone())).expect("names are registered once");
    collector
}

fn name(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// Something that is counted.
pub fn counter(of: &str, help: &str) -> IntCounter {
    register("counter", IntCounter::new(name(of), help).expect("a valid name"))
}

/// Something that is counted, by labels.
pub fn counters(of: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register("counter", IntCounterVec::new(Opts::new(name(of), help), labels).expect("valid names"))
}

/// A number that goes up and down.
pub fn gauge(of: &str, help: &str) -> Gauge {
    register("gauge", Gauge::new(name(of), help).expect("a valid name"))
}

/// A number that goes up and down, by labels.
pub fn gauges(of: &str, help: &str, labels: &[&str]) -> GaugeVec {
    register("gauge", GaugeVec::new(Opts::new(name(of), help), labels).expect("valid names"))
}

/// How often which sizes occur; `buckets` are their upper ends.
pub fn histogram(of: &str, help: &str, buckets: &[f64]) -> Histogram {
    let opts = HistogramOpts::new(name(of), help).buckets(buckets.to_vec());
    register("histogram", Histogram::with_opts(opts).expect("a valid name and ascending buckets"))
}

/// How often which sizes occur, by labels; `buckets` are their upper ends.
pub fn histograms(of: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    let opts = HistogramOpts::new(name(of), help).buckets(buckets.to_vec());
    register("histogram", HistogramVec::new(opts, labels).expect("valid names and ascending buckets"))
}

/// Says which program this is.
pub fn build_info(binary: &str, version: &str, commit: &str) {
    static INFO: LazyLock<GaugeVec> =
        LazyLock::new(|| gauges("build_info", "1; the labels say what runs here", &["binary", "version", "commit"]));
    INFO.with_label_values(&[binary, version, commit]).set(1.0);
}

/// All families that are registered so far, by name.
pub fn families() -> Vec<Family> {
    let mut families = lock(&REGISTERED.families).clone();
    families.sort_by(|a, b| a.name.cmp(&b.name));
    families
}

/// What Prometheus reads, in its text format.
pub fn render() -> String {
    recent::expire();
    let text = TextEncoder::new().encode_to_string(&REGISTERED.registry.gather());
    text.unwrap_or_else(|error| {
        tracing::error!("metrics cannot be written: {error}");
        String::new()
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing that is done under the lock leaves a change half made.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
