//! The STARK proofs of one segment, driven directly: what decides how large a segment a machine can prove.
//!
//! `stark WITNESS LOG [INDEX]` runs the last batch of the first block up to segment INDEX (0) with 2^LOG cycles at most,
//! proves its tables at 100 bits without circuits, and prints seconds, CPU seconds, the memory before and at the peak,
//! and a digest of the Merkle caps, which no improvement may change.

use std::fs::File;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Context;
use evm_arithmetization::generation::generate_traces;
use evm_arithmetization::prover::prove_with_traces;
use evm_arithmetization::{AllStark, Field, RecursionConfig, SegmentDataIterator};
use ops::allocator::Frugal;
use ops::digest::Digest;
use ops::machine::segment_bytes;
use ops::profile::Profile;
use ops::witness::{self, WitnessError};
use plonky2::util::timing::TimingTree;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> anyhow::Result<()> {
    ops::stack::run(run)?
}

#[expect(clippy::print_stdout, reason = "what this program is for")]
fn run() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [path, log, rest @ ..] = args.as_slice() else { anyhow::bail!("usage: stark WITNESS LOG [INDEX]") };
    let index = rest.first().map_or(Ok(0), |index| index.parse::<usize>())?;
    let config = Profile::named("dev").context("no such profile")?.security.config().stark_config;
    ops::stack::prepare_rayon()?;

    let first = Mutex::new(None);
    let read = witness::read(File::open(path)?, |block| {
        first.lock().map_err(|_| WitnessError::Stopped)?.replace(block);
        Err(WitnessError::Stopped)
    });
    let Some(block) = first.into_inner()? else { anyhow::bail!("{read:?}") };
    let batches = ops::decode::decode(block, 10)?;
    let batch = batches.last().context("a block without batches")?;
    let mut segments = SegmentDataIterator::<Field>::new(&batch.inputs, Some(log.parse()?));
    let (inputs, mut data) =
        segments.nth(index).context("no such segment")?.map_err(|error| anyhow::anyhow!("{error}"))?;
    drop(segments);

    let starks = AllStark::<Field, 2>::default();
    let timing = &mut TimingTree::default();
    let before = status_gigabytes("VmRSS");
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut traces = generate_traces(&starks, &inputs, &config, &mut data, timing)?;
    let (traced, traced_cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let rows: Vec<usize> =
        traces.tables.iter().map(|table| table.first().map_or(0, |column| column.values.len())).collect();
    let heights = std::array::from_fn(|table| (rows[table] > 0).then(|| rows[table].trailing_zeros() as usize));
    let _frugal = Frugal::for_segment(segment_bytes(&heights));
    let proof = prove_with_traces::<Field, RecursionConfig, 2>(
        &starks,
        &config,
        traces.tables,
        traces.table_in_use,
        &mut traces.public_values,
        timing,
        None,
    )?;
    let (proved, proved_cpu) = (start.elapsed().as_secs_f64() - traced, cpu_seconds() - cpu - traced_cpu);
    let caps: Vec<_> =
        proof.multi_proof.stark_proofs.iter().flatten().map(|proof| proof.proof.trace_cap.flatten()).collect();
    println!("rows {rows:?}");
    println!("traces {traced:.1} s {traced_cpu:.1} CPU s");
    println!("starks {proved:.1} s {proved_cpu:.1} CPU s");
    println!("memory {before:.2} GB before {:.2} GB peak", status_gigabytes("VmHWM"));
    println!("caps {}", Digest::of("caps", &caps));
    Ok(())
}

/// CPU seconds of this process so far: fields 14 and 15 of `/proc/self/stat`, in hundredths (proc_pid_stat(5)).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// A line of `/proc/self/status` that is in kilobytes.
fn status_gigabytes(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or_default() / 1e6
}
