//! The load of a simulation: recorded, as CSV, or made up from flags.

use std::ops::RangeInclusive;
use std::str::FromStr;

use amqp::topology::Class;
use clap::{Args, ValueEnum};

use super::simulate::Arrival;

/// First line of a recording.
const HEADER: &str = "seconds,class,tasks,task_seconds";

/// More tasks than this are not simulated: a gigabyte of memory.
const MAX_TASKS: u64 = 10_000_000;

/// A load that is made up.
#[derive(Args, Clone, Debug)]
pub struct Synthetic {
    /// So many tasks at once, so many seconds after the start, such as 1000@0. Any number of times.
    #[arg(long, value_name = "TASKS@SECONDS")]
    pub burst: Vec<Burst>,
    /// A block every so many seconds, as of a chain that is followed.
    #[arg(long, value_name = "SECONDS", requires = "segments", value_parser = clap::value_parser!(u64).range(1..))]
    pub every: Option<u64>,
    /// Tasks of this class that such a block has.
    #[arg(long, value_name = "N", requires = "every")]
    pub segments: Option<u32>,
    /// For how many seconds blocks come.
    #[arg(long = "for", value_name = "SECONDS", default_value = "3600", value_parser = clap::value_parser!(u64).range(..=super::cli::LONGEST))]
    pub length: u64,
    /// Seconds that a task takes, or FROM..TO, evenly spread.
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    pub task_seconds: (f64, f64),
}

/// Tasks that come at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    tasks: u32,
    at: u64,
}

impl FromStr for Burst {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('@').and_then(|(tasks, at)| Some((tasks.parse().ok()?, at.parse().ok()?)));
        let (tasks, at) = parts.ok_or_else(|| "expected TASKS@SECONDS, such as 1000@0".to_owned())?;
        Ok(Self { tasks, at })
    }
}

impl Synthetic {
    /// What comes when.
    pub fn arrivals(&self) -> Vec<Arrival> {
        let seconds = self.task_seconds;
        let bursts = self.burst.iter().map(|burst| Arrival { at: burst.at, tasks: burst.tasks, seconds });
        let blocks = self.every.zip(self.segments).into_iter().flat_map(|(every, tasks)| {
            (0..self.length).step_by(usize::try_from(every).unwrap_or(usize::MAX)).map(move |at| (at, tasks))
        });
        bursts.chain(blocks.map(|(at, tasks)| Arrival { at, tasks, seconds })).collect()
    }
}

/// What comes of one class in a recording: lines of when (seconds since the start), class, how many tasks came, and the
/// seconds that each takes, or FROM..TO. Empty lines and those that begin with `#` say nothing. Fails with what is wrong.
pub fn read(text: &str, class: Class) -> Result<Vec<Arrival>, String> {
    let lines = text.lines().map(str::trim).enumerate();
    let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    if lines.next().is_none_or(|(_, line)| line != HEADER) {
        return Err(format!("the first line is not `{HEADER}`"));
    }
    let mut arrivals = Vec::new();
    for (index, text) in lines {
        let (of, arrival) = line(text).map_err(|reason| format!("line {}: {reason}", index + 1))?;
        if of == class {
            arrivals.push(arrival);
        }
    }
    Ok(arrivals)
}

fn line(line: &str) -> Result<(Class, Arrival), String> {
    let fields: Vec<_> = line.split(',').map(str::trim).collect();
    let [at, class, tasks, task_seconds] = fields[..] else {
        return Err(format!("{} fields, and {HEADER} are expected", fields.len()));
    };
    let number = |name: &str, text: &str| format!("`{text}` is no number of {name}");
    let at = at.parse().map_err(|_| number("seconds", at))?;
    let class = Class::from_str(class, false).map_err(|_| format!("`{class}` is no class"))?;
    let tasks = tasks.parse().map_err(|_| number("tasks", tasks))?;
    Ok((class, Arrival { at, tasks, seconds: seconds(task_seconds)? }))
}

/// Fails with a sentence if there is nothing to simulate, or too much.
pub fn check(arrivals: &[Arrival], class: Class) -> Result<(), String> {
    match arrivals.iter().map(|arrival| u64::from(arrival.tasks)).sum::<u64>() {
        0 => Err(format!("there are no tasks of class {class}; --burst, or --every with --segments, makes some up")),
        tasks if tasks > MAX_TASKS => Err(format!("{tasks} tasks, and {MAX_TASKS} are allowed")),
        _ => Ok(()),
    }
}

/// Seconds or a range of them.
fn seconds(text: &str) -> Result<(f64, f64), String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let number = |text: &str| text.trim().parse().ok().filter(|seconds| (0.0..=1e7).contains(seconds));
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => Ok((from, to)),
        _ => Err(format!("`{text}` is not a number of seconds, nor a range FROM..TO of them")),
    }
}

/// Seconds from one to another, both included.
pub fn span(text: &str) -> Result<RangeInclusive<u64>, String> {
    let parts = text.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    parts.filter(|(from, to)| from <= to).map(|(from, to)| from..=to).ok_or_else(|| "expected FROM..TO".to_owned())
}
