//! Programs that measure the proving crates, and what they share; tools/bench.sh, tools/measure.sh and tools/parameters.sh run them.
//!
//! ```text
//! measure direct WITNESS PROFILE LOG           a block proved without store, queue and progress
//! measure stark WITNESS LOG [INDEX]            the STARK proofs of a segment, and what memory they take
//! measure parameters WITNESS LOG STARK SHRINKING UPPER THRESHOLD [INDEX]
//!                                              a segment with other parameters of its proofs
//! ```

#![expect(clippy::print_stdout, reason = "what these programs are for")]

mod direct;
mod parameters;
mod stark;

use std::fs::File;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Context;
use evm_arithmetization::{Field, GenerationSegmentData, NUM_TABLES, SegmentDataIterator, TrimmedGenerationInputs};
use ops::decode::Batch;
use ops::profile::Heights;
use ops::witness::{self, WitnessError};
use plonky2::field::polynomial::PolynomialValues;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> anyhow::Result<()> {
    ops::stack::run(|| {
        ops::stack::prepare_rayon()?;
        let args: Vec<String> = std::env::args().skip(1).collect();
        match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["direct", path, profile, log] => direct::run(path, profile, log.parse()?),
            ["stark", path, log] => stark::run(path, log.parse()?, 0),
            ["stark", path, log, index] => stark::run(path, log.parse()?, index.parse()?),
            ["parameters", path, log, parameters @ ..] => parameters::run(path, log.parse()?, parameters),
            _ => anyhow::bail!(
                "measure direct WITNESS PROFILE LOG, stark WITNESS LOG [INDEX], or parameters WITNESS LOG …"
            ),
        }
    })?
}

/// The batches of the first block in a witness file, of ten transactions at most.
fn batches(path: &str) -> anyhow::Result<Vec<Batch>> {
    let first = Mutex::new(None);
    let read = witness::read(File::open(path)?, |block| {
        first.lock().map_err(|_| WitnessError::Stopped)?.replace(block);
        Err(WitnessError::Stopped)
    });
    let Some(block) = first.into_inner()? else { anyhow::bail!("{read:?}") };
    ops::decode::decode(block, 10)
}

/// A segment of the last batch of the first block in a witness file.
fn segment(path: &str, log: usize, index: usize) -> anyhow::Result<(TrimmedGenerationInputs, GenerationSegmentData)> {
    let batches = batches(path)?;
    let batch = batches.last().context("a block without batches")?;
    let segment = SegmentDataIterator::<Field>::new(&batch.inputs, Some(log)).nth(index);
    segment.with_context(|| format!("the batch has no segment {index}"))?.map_err(|error| anyhow::anyhow!("{error}"))
}

/// Logarithms of the rows of each table.
fn heights(tables: &[Vec<PolynomialValues<Field>>; NUM_TABLES]) -> Heights {
    tables.each_ref().map(|columns| Some(columns.first()?.values.len().trailing_zeros() as usize))
}

/// Wall and CPU time, from lap to lap.
struct Clock {
    start: (Instant, f64),
    lap: (Instant, f64),
}

impl Clock {
    fn start() -> Self {
        let now = (Instant::now(), cpu_seconds());
        Self { start: now, lap: now }
    }

    /// Wall and CPU seconds since the last lap.
    fn lap(&mut self) -> (f64, f64) {
        let since = std::mem::replace(&mut self.lap, (Instant::now(), cpu_seconds()));
        (since.0.elapsed().as_secs_f64(), self.lap.1 - since.1)
    }

    /// Wall and CPU seconds since the start.
    fn total(&self) -> (f64, f64) {
        (self.start.0.elapsed().as_secs_f64(), cpu_seconds() - self.start.1)
    }
}

/// CPU seconds of this process so far: fields 14 and 15 of `/proc/self/stat`, in hundredths (proc_pid_stat(5)).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// A line of `/proc/self/status` that is in kilobytes, such as `VmHWM`, the peak of resident memory.
fn status_gigabytes(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or_default() / 1e6
}
