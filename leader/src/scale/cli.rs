//! What is typed after `leader scale`. The defaults are those of the chart (`helm/values.yaml`); a test compares them.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use amqp::topology::Class;
use clap::{Args, Subcommand, ValueHint};

use super::law::{Mode, Settings};
use super::load::{Synthetic, span};
use super::simulate::{Pace, Workers};

/// Longer simulations tell nothing more: 30 days.
pub const LONGEST: u64 = 30 * 24 * 3600;

const EXPLAIN: &str = "\
Examples:
  leader scale explain                                   all classes, by the numbers of the broker at AMQP_URI
  leader scale explain --class segment --slots 2 --json";

const SIMULATE: &str = "\
Examples:
  leader scale simulate --burst 1000@0 --task-seconds 200..400
  leader scale simulate --every 12 --segments 8 --for 86400 --mode prometheus --price-per-worker-hour 1.5
  leader scale simulate load.csv --class merge --plot merge.svg

A recording is CSV with the first line `seconds,class,tasks,task_seconds`: when tasks came, of which class, how many,
and the seconds that each takes, or FROM..TO.";

/// `leader scale …`.
#[derive(Debug, Subcommand)]
pub enum ScaleCommand {
    /// How many workers each class should have now, and why: the formula with the numbers of the cluster.
    #[command(after_help = EXPLAIN)]
    Explain(ExplainArgs),
    /// What settings would make of a load, recorded or made up: workers over time, hours, cost.
    #[command(after_help = SIMULATE)]
    Simulate(Box<SimulateArgs>),
}

/// `leader scale explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// Only this class.
    #[arg(long, value_enum)]
    pub class: Option<Class>,
    /// Workers that there are. [default: those that answer]
    #[arg(long, value_name = "N", requires = "class")]
    pub current: Option<u32>,
    /// Work left, as Prometheus has it: sum(blockproof_backlog_seconds{class="…"}). [default: estimated from the time
    /// left that leaders give]
    #[arg(long, value_name = "SECONDS", requires = "class", value_parser = amount)]
    pub work_seconds: Option<f64>,
    /// What a task takes, to take the work left from that.
    #[arg(long, value_name = "SECONDS", requires = "class", conflicts_with = "work_seconds", value_parser = amount)]
    pub task_seconds: Option<f64>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// `leader scale simulate`.
#[derive(Args, Debug)]
pub struct SimulateArgs {
    /// A recording; `-` is stdin.
    #[arg(value_hint = ValueHint::FilePath, conflicts_with_all = ["burst", "every", "segments"])]
    pub recording: Option<PathBuf>,
    /// The class whose workers are simulated.
    #[arg(long, value_enum, default_value = "segment")]
    pub class: Class,
    /// A load without recording.
    #[command(flatten)]
    pub synthetic: Synthetic,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Their pace.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Seconds until a new worker takes tasks: its node, its image, its circuits.
    #[arg(long, value_name = "SECONDS", default_value = "180", value_parser = clap::value_parser!(u64).range(..=LONGEST), help_heading = "Workers")]
    pub start_seconds: u64,
    /// Seconds that a worker which is to go has to finish what it has (`worker.grace`).
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = clap::value_parser!(u64).range(..=LONGEST), help_heading = "Workers")]
    pub grace: u64,
    /// Without pod-deletion-cost: the youngest worker goes first, busy or not.
    #[arg(long, help_heading = "Workers")]
    pub youngest_first: bool,
    /// Seconds during which nobody has statistics, such as 600..900.
    #[arg(long, value_name = "FROM..TO", value_parser = span)]
    pub no_statistics: Option<RangeInclusive<u64>>,
    /// Seconds after which the simulation ends, whatever is left.
    #[arg(long, value_name = "SECONDS", default_value = "604800", value_parser = clap::value_parser!(u64).range(..=LONGEST))]
    pub until: u64,
    /// What a worker costs in an hour, in any currency.
    #[arg(long, value_name = "PRICE", value_parser = amount)]
    pub price_per_worker_hour: Option<f64>,
    /// Draw the timeline, as SVG.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub plot: Option<PathBuf>,
    /// As JSON, with the whole timeline.
    #[arg(long)]
    pub json: bool,
}

/// What the number of workers follows.
#[derive(Args, Debug)]
pub struct SettingsArgs {
    /// What it follows (`autoscaling.mode`).
    #[arg(long, value_enum, default_value = "queue", help_heading = "Autoscaling")]
    pub mode: Mode,
    /// Never fewer workers (`minReplicas`). [default: 1; of class large 0]
    #[arg(long, value_name = "N", help_heading = "Autoscaling")]
    pub min_replicas: Option<u32>,
    /// Never more workers (`maxReplicas`). [default: 10; of class large 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Autoscaling")]
    pub max_replicas: Option<u32>,
    /// Tasks that a worker takes at the same time (`slots`).
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Autoscaling")]
    pub slots: NonZeroU32,
    /// Tasks that a worker is wanted for. [default: --slots]
    #[arg(long, value_name = "N", help_heading = "Autoscaling")]
    pub tasks_per_worker: Option<NonZeroU32>,
    /// More than so many tasks bring up the first worker. With anything but 0, the last workers may go while they prove.
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Autoscaling")]
    pub activation: u64,
    /// In how many seconds all work is to be done, in mode prometheus (`drainTargetSeconds`).
    #[arg(long, value_name = "SECONDS", default_value = "1800", help_heading = "Autoscaling")]
    pub drain_target_seconds: NonZeroU32,
    /// Count only what waits, as KEDA does over AMQP. To see what comes of it: workers are stopped while they prove.
    #[arg(long, help_heading = "Autoscaling")]
    pub ready_only: bool,
}

/// How fast the number of workers follows.
#[derive(Args, Debug)]
pub struct PaceArgs {
    /// Seconds between two looks of KEDA (`pollingIntervalSeconds`).
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = clap::value_parser!(u64).range(1..=LONGEST), help_heading = "Autoscaling")]
    pub polling_interval_seconds: u64,
    /// Seconds without anything to do before the last workers go, with --min-replicas 0 (`cooldownSeconds`).
    #[arg(long, value_name = "SECONDS", default_value = "900", value_parser = clap::value_parser!(u64).range(..=LONGEST), help_heading = "Autoscaling")]
    pub cooldown_seconds: u64,
    /// Seconds that fewer workers must have been enough for, before any goes (`stabilizationWindowSeconds`).
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = clap::value_parser!(u64).range(..=3600), help_heading = "Autoscaling")]
    pub stabilization_window_seconds: u64,
    /// Per cent of the workers that may go … (`scaleDownPercent`).
    #[arg(long, value_name = "PER CENT", default_value = "25", value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Autoscaling")]
    pub scale_down_percent: u32,
    /// … in so many seconds (`scaleDownPeriodSeconds`).
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = clap::value_parser!(u64).range(1..=1800), help_heading = "Autoscaling")]
    pub scale_down_period_seconds: u64,
}

fn amount(text: &str) -> Result<f64, String> {
    let amount = text.parse().ok().filter(|amount| (0.0..1e15).contains(amount));
    amount.ok_or_else(|| "expected a number that is not negative".to_owned())
}

impl SettingsArgs {
    /// For the law and a class. Fails with a sentence.
    pub fn of(&self, class: Class) -> Result<Settings, String> {
        let (min, max) = if class == Class::Large { (0, 2) } else { (1, 10) };
        let (min, max) = (self.min_replicas.unwrap_or(min), self.max_replicas.unwrap_or(max));
        if min > max {
            return Err(format!("class {class}: --min-replicas {min} is more than --max-replicas {max}"));
        }
        Ok(Settings {
            mode: self.mode,
            tasks_per_worker: self.tasks_per_worker.unwrap_or(self.slots),
            min,
            max,
            activation: self.activation,
            drain_target_seconds: self.drain_target_seconds,
            count_running: !self.ready_only,
        })
    }
}

impl SimulateArgs {
    /// For the simulation.
    pub fn pace(&self) -> Pace {
        Pace {
            polling: self.pace.polling_interval_seconds,
            cooldown: self.pace.cooldown_seconds,
            window: self.pace.stabilization_window_seconds,
            percent: self.pace.scale_down_percent,
            period: self.pace.scale_down_period_seconds,
        }
    }

    /// For the simulation, with so many tasks at the broker at most.
    pub fn workers(&self, in_flight: u64) -> Workers {
        Workers {
            slots: self.settings.slots.get(),
            start: self.start_seconds,
            grace: self.grace,
            idle_first: !self.youngest_first,
            in_flight,
        }
    }
}
