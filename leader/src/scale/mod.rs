//! `leader scale …`: how many workers there should be, and why; and what settings would make of a load.
//!
//! [`law`] is the formula, [`live`] its numbers from a running cluster, [`mod@simulate`] moves workers by it in simulated
//! time, [`load`] is what they have to do there, [`plot`] draws it.

pub mod cli;
pub mod law;
pub mod live;
pub mod load;
pub mod plot;
pub mod simulate;

use std::io::Read;
use std::path::Path;

use amqp::connect::Broker;
use amqp::operator::{ClusterState, Operator};
use amqp::topology::Class;
use anyhow::Context;
use ops::{exit, stdout};
use serde::Serialize;

use crate::cli::ProverArgs;
use cli::{ExplainArgs, ScaleCommand, SimulateArgs};
use law::{Decision, Mode, Settings, Statistics};
use simulate::{Load, Moment, Pace, Simulation, Summary, Workers};

/// Lines that a timeline has as text.
const ROWS: usize = 24;

/// Columns of a line of blocks.
const COLUMNS: usize = 72;

/// A recording may not be larger than this.
const MAX_BYTES: u64 = 256 << 20;

/// Runs a subcommand.
pub async fn run(command: ScaleCommand, prover: &ProverArgs) -> anyhow::Result<u8> {
    match command {
        ScaleCommand::Explain(args) => {
            let settings = settings(&args)?;
            let answers = explain(&args, &settings, &status(prover).await?);
            let text = if args.json { json(&answers)? } else { answers.iter().map(Answer::text).collect() };
            stdout::print(text.as_bytes())?;
        }
        ScaleCommand::Simulate(args) => {
            let report = simulate(&args, prover)?;
            if let Some(path) = &args.plot {
                let picture = plot::svg(&report.title(), &report.timeline);
                ops::fs::write_atomic(path, |file| file.write_all(picture.as_bytes()))?;
            }
            let text = if args.json { json(&report)? } else { report.text() };
            stdout::print(text.as_bytes())?;
        }
    }
    Ok(exit::OK)
}

fn json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Asks the cluster.
async fn status(prover: &ProverArgs) -> anyhow::Result<ClusterState> {
    let broker = Broker::new(&prover.broker).map_err(|error| exit::usage(error.to_string()))?;
    broker.check().await.map_err(|error| exit::usage(error.to_string()))?;
    let threads = broker.threads();
    let ask = async move {
        let operator = Operator::connect(&broker).await.with_context(|| format!("broker {broker}"))?;
        let state = operator.status().await;
        operator.close().await;
        anyhow::Ok(state?)
    };
    threads.spawn(ask).await.context("talking to the broker ended")?
}

/// How many workers a class should have now.
#[derive(Debug, Serialize)]
struct Answer {
    class: Class,
    settings: Settings,
    statistics: Statistics,
    /// Workers that there are, those that finish and go not included.
    workers: u32,
    draining: u32,
    decision: Decision,
    notes: Vec<String>,
}

/// The classes that were asked for, with their settings.
fn settings(args: &ExplainArgs) -> anyhow::Result<Vec<(Class, Settings)>> {
    let classes = Class::ALL.into_iter().filter(|class| args.class.is_none_or(|asked| asked == *class));
    classes.map(|class| Ok((class, args.settings.of(class).map_err(exit::usage)?))).collect()
}

/// An answer for each class.
fn explain(args: &ExplainArgs, classes: &[(Class, Settings)], state: &ClusterState) -> Vec<Answer> {
    let (work_seconds, task_seconds) = (args.work_seconds, args.task_seconds);
    let given = Statistics { work_seconds, task_seconds, ..Statistics::default() };
    let answer = |&(class, settings): &(Class, Settings)| {
        let seen = live::look(state, class, &settings, &given);
        let live::Seen { statistics, workers, draining, notes } = seen;
        let workers = args.current.unwrap_or(workers);
        let decision = law::decide(&settings, &statistics, workers);
        Answer { class, settings, statistics, workers, draining, decision, notes }
    };
    classes.iter().map(answer).collect()
}

impl Answer {
    fn text(&self) -> String {
        let Self { class, workers, draining, decision, notes, .. } = self;
        let leaving = if *draining > 0 { format!(", and {draining} that finish and go") } else { String::new() };
        let change = match decision.replicas.cmp(workers) {
            std::cmp::Ordering::Less => "fewer are enough",
            std::cmp::Ordering::Equal => "as many as there should be",
            std::cmp::Ordering::Greater => "more are wanted",
        };
        let mut text = format!("{class}: {}\n  workers: {workers}{leaving}; {change}\n", decision.formula);
        for note in notes {
            text += &format!("  note: {note}\n");
        }
        text
    }
}

/// What a simulation was of, and what came of it.
#[derive(Debug, Serialize)]
struct Report {
    class: Class,
    settings: Settings,
    pace: Pace,
    workers: Workers,
    summary: Summary,
    cost: Option<f64>,
    timeline: Vec<Moment>,
}

fn simulate(args: &SimulateArgs, prover: &ProverArgs) -> anyhow::Result<Report> {
    let settings = args.settings.of(args.class).map_err(exit::usage)?;
    let arrivals = match &args.recording {
        Some(path) => {
            let text = recording(path)?;
            let read = load::read(&text, args.class);
            read.map_err(|reason| exit::usage(format!("recording {}: {reason}", path.display())))?
        }
        None => args.synthetic.arrivals(),
    };
    load::check(&arrivals, args.class).map_err(exit::usage)?;
    let (pace, workers) = (args.pace(), args.workers(prover.max_in_flight.get() as u64));
    let load = Load { arrivals, blind: args.no_statistics.clone(), until: args.until };
    let Simulation { timeline, summary } = simulate::simulate(&settings, &pace, &workers, &load);
    let cost = args.price_per_worker_hour.map(|price| price * hours(summary.busy_seconds + summary.idle_seconds));
    Ok(Report { class: args.class, settings, pace, workers, summary, cost, timeline })
}

/// The text of a recording.
fn recording(path: &Path) -> anyhow::Result<String> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(MAX_BYTES).read_to_end(&mut bytes).context("cannot read stdin")?;
        bytes
    } else {
        ops::fs::read_limited(path, MAX_BYTES)?
    };
    String::from_utf8(bytes).map_err(|_| exit::usage(format!("recording {}: not a text", path.display())))
}

impl Report {
    /// The settings in a line.
    fn title(&self) -> String {
        let Self { class, settings, pace, workers, .. } = self;
        let what = match (settings.mode, settings.count_running) {
            (Mode::Queue, true) => format!("waiting + running / {}", settings.tasks_per_worker),
            (Mode::Queue, false) => format!("waiting / {}", settings.tasks_per_worker),
            (Mode::Prometheus, _) => format!("work / {} s", settings.drain_target_seconds),
        };
        format!(
            "{class}: {} to {} workers, slots {}, {what}, down by {} % in {} s after {} s, grace {} s",
            settings.min, settings.max, workers.slots, pace.percent, pace.period, pace.window, workers.grace
        )
    }

    fn text(&self) -> String {
        let Self { summary, cost, timeline, .. } = self;
        let mut text = format!("{}\n\n", self.title());
        text += &format!(
            "{:>10} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
            "time", "waiting", "running", "wanted", "workers", "leaving"
        );
        let last = timeline.len().saturating_sub(1);
        let rows = last.clamp(1, ROWS - 1);
        for row in 0..=rows.min(last) {
            let Some(at) = timeline.get(row * last / rows) else { continue };
            let Moment { seconds, ready, running, desired, replicas, draining } = at;
            text +=
                &format!("{:>10} {ready:>9} {running:>9} {desired:>9} {replicas:>9} {draining:>9}\n", time(*seconds));
        }
        text += &format!("\n{}\n", plot::sparklines(timeline, COLUMNS));

        let done = match summary.drain_seconds {
            Some(seconds) => format!("{} tasks proved in {}", summary.tasks, time(seconds)),
            None => format!("{} of {} tasks proved when the simulation ended", summary.proved, summary.tasks),
        };
        let (most, killed, lost) = (summary.most_workers, summary.killed, hours(summary.lost_seconds));
        let (busy, idle) = (hours(summary.busy_seconds), hours(summary.idle_seconds));
        text += &format!("{done}; the longest wait was {}\n", time(summary.longest_wait_seconds));
        text += &format!("workers: {most} at most; {busy:.1} hours busy, {idle:.1} hours starting or idle\n");
        text += &format!("running proofs killed: {killed}, and {lost:.1} hours of work with them\n");
        if let Some(cost) = cost {
            text += &format!("cost: {cost:.2}\n");
        }
        text
    }
}

fn hours(seconds: u64) -> f64 {
    seconds as f64 / 3600.0
}

/// Seconds as people read them.
fn time(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes:02}m{seconds:02}s"),
    }
}
