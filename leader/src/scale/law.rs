//! How many workers a class should have: the autoscaler's law as a pure function, with its reason in words.
//!
//! It does what KEDA and the horizontal pod autoscaler of Kubernetes do with the chart's settings, so that a number which
//! they come to can be explained, and other settings can be tried out, without either. The rule behind it: what is being
//! proved counts like what waits, and what is not known takes no worker away.

use std::num::NonZeroU32;

use clap::ValueEnum;
use serde::Serialize;

/// The autoscaler of Kubernetes does nothing while what there is differs from what is wanted by no more than this share
/// (`--horizontal-pod-autoscaler-tolerance`, 0.1 by default).
pub const TOLERANCE: f64 = 0.1;

/// What is known of the work of one class. Whatever could not be had is absent, which is not the same as zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Statistics {
    /// Tasks that wait in the queues of the class.
    pub ready: Option<u64>,
    /// Tasks in the hands of workers: what RabbitMQ calls unacknowledged.
    pub running: Option<u64>,
    /// Work of all tasks that are not done, in seconds of one slot, those included that leaders keep back.
    pub work_seconds: Option<f64>,
    /// What a task was measured to take, in seconds of one slot.
    pub task_seconds: Option<f64>,
}

impl Statistics {
    /// The work in seconds of one slot: as leaders say, or else by what a task takes.
    pub fn work(&self) -> Option<f64> {
        let estimate = || Some((self.ready? + self.running?) as f64 * self.task_seconds?);
        self.work_seconds.or_else(estimate)
    }

    /// The statistics of several leaders or queues together. A sum of which a part is missing is missing: it would be
    /// too small. Of no parts at all nothing is known.
    pub fn sum(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().reduce(Self::and).unwrap_or_default()
    }

    fn and(self, other: Self) -> Self {
        let counts = |a: Option<u64>, b: Option<u64>| Some(a?.saturating_add(b?));
        Self {
            ready: counts(self.ready, other.ready),
            running: counts(self.running, other.running),
            work_seconds: self.work().zip(other.work()).map(|(a, b)| a + b),
            // It is in the work by now, and the mean of two means would be of no use.
            task_seconds: None,
        }
    }
}

/// What the number of workers follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Tasks at the broker, waiting and running.
    Queue,
    /// Work of all blocks in seconds, as leaders measure it, and tasks that are running.
    Prometheus,
}

/// Settings of the chart for one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// What the number of workers follows.
    pub mode: Mode,
    /// Tasks that a worker is wanted for: its slots, unless somebody has set it otherwise.
    pub tasks_per_worker: NonZeroU32,
    /// Never fewer workers. With 0, all go when there is nothing to do.
    pub min: u32,
    /// Never more workers.
    pub max: u32,
    /// More than so many tasks (or seconds of work) bring up the first worker. Anything but 0 lets KEDA take the last
    /// workers away while they prove.
    pub activation: u64,
    /// In how many seconds all work is to be done, in mode `prometheus`.
    pub drain_target_seconds: NonZeroU32,
    /// Whether tasks that are running count in mode `queue`. Without them busy workers are stopped.
    pub count_running: bool,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The workers that there should be.
    pub replicas: u32,
    /// Whether there is something to do, by what is known; absent if that does not say.
    pub active: Option<bool>,
    /// What the autoscaler of Kubernetes wants, which knows of no zero: that is between KEDA and `active`.
    pub autoscaler: u32,
    /// How it was computed, with the numbers.
    pub formula: String,
}

/// One of the numbers that a class follows. The autoscaler takes the largest answer to any of them.
struct Trigger {
    /// In words, a question mark for what is missing.
    text: String,
    /// What is known of it: all, or the least that it can be.
    value: Result<f64, f64>,
    per_worker: f64,
}

/// How many workers there should be, now that there are `current`.
pub fn decide(settings: &Settings, statistics: &Statistics, current: u32) -> Decision {
    let triggers = match settings.mode {
        Mode::Queue => vec![queue(settings, statistics)],
        Mode::Prometheus => vec![work(settings, statistics), running(settings, statistics)],
    };
    let answers: Vec<_> = triggers.iter().map(|trigger| answer(trigger, current)).collect();
    let complete = triggers.iter().all(|trigger| trigger.value.is_ok());
    let raw = answers.iter().map(|(replicas, _)| *replicas).max().unwrap_or(current);
    let wanted = if complete { raw } else { raw.max(current) };

    let threshold = settings.activation as f64;
    let active = match triggers.iter().any(|trigger| trigger.value.unwrap_or_else(|least| least) > threshold) {
        true => Some(true),
        false => complete.then_some(false),
    };
    let autoscaler = wanted.min(settings.max).max(settings.min.max(1));
    let replicas = match (active, current) {
        (Some(false), _) if settings.min == 0 => 0,
        // Nobody but KEDA brings up the first worker, and KEDA does so for something that it knows of.
        (None, 0) => settings.min,
        _ => autoscaler,
    };

    let texts: Vec<_> = answers.into_iter().map(|(_, text)| text).collect();
    let mut formula = match &texts[..] {
        [text] => text.clone(),
        texts => format!("max({}) = {raw}", texts.join(", ")),
    };
    if !complete && current > 0 && raw < current {
        formula += &format!("; something is missing: not below the {current} there are");
    }
    if active == Some(false) && settings.min == 0 {
        formula += "; nothing to do: 0 after the cooldown";
    } else if autoscaler != wanted {
        formula += &format!("; allowed: {} to {}", settings.min, settings.max);
    }
    formula += &format!(" → {replicas}");
    Decision { replicas, active, autoscaler, formula }
}

/// Tasks at the broker.
fn queue(settings: &Settings, statistics: &Statistics) -> Trigger {
    let (ready, running) = (statistics.ready, statistics.running);
    let (text, all, least) = match settings.count_running {
        true => (
            format!("({} waiting + {} running)", count(ready), count(running)),
            ready.zip(running).map(|(ready, running)| ready.saturating_add(running)),
            ready.unwrap_or(0).max(running.unwrap_or(0)),
        ),
        false => (format!("{} waiting", count(ready)), ready, 0),
    };
    let text = format!("{text} / {} per worker", settings.tasks_per_worker);
    let value = all.map(|all| all as f64).ok_or(least as f64);
    Trigger { text, value, per_worker: f64::from(settings.tasks_per_worker.get()) }
}

/// Work in seconds. Where leaders know none yet, whatever there is counts for a second: that wants one worker, until
/// something was measured.
fn work(settings: &Settings, statistics: &Statistics) -> Trigger {
    let (slots, target) = (settings.tasks_per_worker, settings.drain_target_seconds);
    // What is no number would be cast to zero workers.
    let work = statistics.work().filter(|work| work.is_finite() && *work > 0.0);
    let tasks = statistics.ready.zip(statistics.running).map(|(ready, running)| ready.saturating_add(running));
    let (words, value) = match (work, tasks) {
        (Some(work), _) => (format!("{work:.0} s of work"), Ok(work)),
        (None, Some(0)) => ("0 s of work".to_owned(), Ok(0.0)),
        (None, Some(tasks)) => (format!("1 s for {tasks} tasks of unknown work"), Ok(1.0)),
        (None, None) => ("? s of work".to_owned(), Err(0.0)),
    };
    let text = format!("{words} / {target} s / {slots} per worker");
    Trigger { text, value, per_worker: f64::from(slots.get()) * f64::from(target.get()) }
}

/// Tasks in the hands of workers: the floor in mode `prometheus`.
fn running(settings: &Settings, statistics: &Statistics) -> Trigger {
    let slots = settings.tasks_per_worker;
    let text = format!("{} running / {slots} per worker", count(statistics.running));
    let value = statistics.running.map(|running| running as f64).ok_or(0.0);
    Trigger { text, value, per_worker: f64::from(slots.get()) }
}

/// Workers by one trigger, and the formula.
fn answer(trigger: &Trigger, current: u32) -> (u32, String) {
    let (Ok(value) | Err(value)) = trigger.value;
    // Casts of floats end at the largest number.
    let exact = (value / trigger.per_worker).ceil() as u32;
    let text = &trigger.text;
    if trigger.value.is_err() {
        return (exact, format!("ceil({text}) = {exact} at least"));
    }
    let ratio = value / (trigger.per_worker * f64::from(current));
    // No workers: the ratio is infinite or none.
    if exact != current && (1.0 - TOLERANCE..=1.0 + TOLERANCE).contains(&ratio) {
        return (
            current,
            format!("ceil({text}) = {exact}, within {:.0} % of the {current} there are", TOLERANCE * 1e2),
        );
    }
    (exact, format!("ceil({text}) = {exact}"))
}

fn count(count: Option<u64>) -> String {
    count.map_or_else(|| "?".to_owned(), |count| count.to_string())
}
