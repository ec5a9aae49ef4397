//! What processes say in their JSON logs, and what workers have done by them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// A line of a log.
#[derive(Clone, Debug)]
pub struct Line {
    /// `INFO`, `ERROR` …
    pub level: String,
    /// What it says.
    pub message: String,
    /// When, in a form that sorts.
    pub at: String,
    fields: Value,
}

impl Line {
    /// A field, as text.
    pub fn field(&self, name: &str) -> Option<String> {
        match self.fields.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// Which part of which block it is about, in the words that tasks are called by.
    fn part(&self) -> Option<Part> {
        let span = self.fields.get("span")?;
        let number = |name: &str| span.get(name).and_then(Value::as_u64);
        let block = number("block_number")?;
        let what = match (number("batch"), number("segment"), number("segment_first"), number("batch_first")) {
            (Some(batch), Some(segment), ..) => format!("batch {batch} segment {segment}"),
            (Some(batch), _, Some(first), _) => format!("batch {batch} segments {first}..{}", number("segment_last")?),
            (_, _, _, Some(first)) => format!("batches {first}..{}", number("batch_last")?),
            _ => "block".to_owned(),
        };
        Some(Part { block, what })
    }
}

/// Which part of which block a task is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Block number.
    pub block: u64,
    /// `batch 0 segment 3`, `batches 0..1`, `block` …
    pub what: String,
}

/// Something that a worker has done with a task.
#[derive(Clone, Debug)]
pub struct Deed {
    /// The task.
    pub part: Part,
    /// The worker.
    pub worker: String,
    /// When, in a form that sorts.
    pub at: String,
}

/// The lines of a log. Those that are not JSON count as errors: a panic of the runtime, wrong usage.
pub fn read(path: &Path) -> Vec<Line> {
    let text = fs::read_to_string(path).unwrap_or_default();
    // The last one may be half written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().filter(|line| !line.trim().is_empty()).map(line).collect()
}

/// A line of a log.
pub fn line(text: &str) -> Line {
    let fields: Value = serde_json::from_str(text).unwrap_or_default();
    let word = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let level = word("level").unwrap_or_else(|| "ERROR".to_owned());
    let message = word("message").unwrap_or_else(|| text.to_owned());
    let at = word("timestamp").unwrap_or_default();
    Line { level, message, at, fields }
}

/// The tasks that a worker has executed to the end, by its log: those whose output was there already do not count.
pub fn executed(worker: &str, lines: &[Line]) -> Vec<Deed> {
    let executed = |line: &&Line| {
        let done = line.message.starts_with("MOCK, nothing proved") || line.message.starts_with("proved ");
        done && line.field("reused").as_deref() == Some("false")
    };
    deeds(worker, lines.iter().filter(executed))
}

/// The tasks that a worker was told to stop, and has stopped.
pub fn stopped(worker: &str, lines: &[Line]) -> Vec<Deed> {
    deeds(worker, lines.iter().filter(|line| line.message.ends_with(" stopped")))
}

/// The tasks that have failed with a worker, each time.
pub fn failed(worker: &str, lines: &[Line]) -> Vec<Deed> {
    deeds(worker, lines.iter().filter(|line| line.message.contains(" failed")))
}

/// The tasks that a worker has taken off the queue to begin them.
pub fn taken(worker: &str, lines: &[Line]) -> Vec<Deed> {
    let taken = |line: &Line| {
        let what = line.message.strip_prefix("taken: ")?.to_owned();
        let block = line.fields.get("block_number")?.as_u64()?;
        Some(Deed { part: Part { block, what }, worker: worker.to_owned(), at: line.at.clone() })
    };
    lines.iter().filter_map(taken).collect()
}

fn deeds<'a>(worker: &str, lines: impl Iterator<Item = &'a Line>) -> Vec<Deed> {
    let deed = |line: &Line| Some(Deed { part: line.part()?, worker: worker.to_owned(), at: line.at.clone() });
    lines.filter_map(deed).collect()
}

/// Of what was executed, that which was begun when it had been executed before: two workers may be at the same task, since
/// it is delivered again when a connection is lost, but a finished one is not begun.
pub fn again(taken: &[Deed], executed: &[Deed]) -> Vec<Part> {
    let begun = |deed: &Deed| {
        let same = taken.iter().filter(|taken| taken.part == deed.part && taken.worker == deed.worker);
        same.map(|taken| &taken.at).filter(|at| **at <= deed.at).max()
    };
    let late = |deed: &&Deed| executed.iter().any(|first| first.part == deed.part && Some(&first.at) < begun(deed));
    executed.iter().filter(late).map(|deed| deed.part.clone()).collect()
}

/// How often each task was done.
pub fn times(deeds: &[Deed]) -> BTreeMap<Part, usize> {
    let mut times = BTreeMap::new();
    for deed in deeds {
        *times.entry(deed.part.clone()).or_default() += 1;
    }
    times
}
