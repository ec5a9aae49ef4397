//! The proving crates driven directly: what `leader` is measured against.
//!
//! `direct WITNESS PROFILE LOG` builds all circuits with one call, proves the first block of the witness segment after
//! segment in one thread of control, and prints the CPU seconds and the time of each part. No store, no queue, no
//! progress.

use std::fs::File;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Context;
use evm_arithmetization::fixed_recursive_verifier::ProverOutputData;
use evm_arithmetization::{AllRecursiveCircuits, AllStark, Field, SegmentDataIterator};
use ops::profile::Profile;
use ops::witness::{self, WitnessError};
use plonky2::util::timing::TimingTree;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> anyhow::Result<()> {
    ops::stack::run(run)?
}

fn run() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let mut arg = |name| args.next().with_context(|| format!("usage: direct WITNESS PROFILE LOG, no {name}"));
    let (path, profile, log) = (arg("WITNESS")?, arg("PROFILE")?, arg("LOG")?.parse::<usize>()?);
    let profile = Profile::named(&profile).context("no such profile")?;
    ops::stack::prepare_rayon()?;

    let first = Mutex::new(None);
    let read = witness::read(File::open(path)?, |block| {
        first.lock().map_err(|_| WitnessError::Stopped)?.replace(block);
        Err(WitnessError::Stopped)
    });
    let Some(block) = first.into_inner()? else { anyhow::bail!("{read:?}") };
    let batches = ops::decode::decode(block, 10)?;

    let mut clock = Clock::start();
    let stark = AllStark::<Field, 2>::default();
    let sizes = profile.sizes.each_ref().map(|sizes| sizes.iter());
    let circuits = AllRecursiveCircuits::new(&stark, &sizes, profile.security.config());
    clock.lap("circuits");

    let config = profile.security.config().stark_config;
    let mut merged = Vec::new();
    for batch in &batches {
        let mut parts = Vec::new();
        for segment in SegmentDataIterator::<Field>::new(&batch.inputs, Some(log)) {
            let (inputs, mut data) = segment.map_err(|error| anyhow::anyhow!("{error}"))?;
            let timing = &mut TimingTree::default();
            parts.push(circuits.prove_segment(&stark, &config, inputs, &mut data, timing, None)?);
            clock.lap("segment");
        }
        let mut parts = parts.into_iter();
        let mut left = parts.next().context("a batch without segments")?;
        if parts.len() == 0 {
            let dummy = ProverOutputData { is_dummy: true, ..left.clone() };
            left = circuits.prove_segment_aggregation(&left, &dummy)?;
            clock.lap("segment merge");
        }
        for right in parts {
            left = circuits.prove_segment_aggregation(&left, &right)?;
            clock.lap("segment merge");
        }
        merged.push(left.proof_with_pvs);
    }
    let (mut all, mut is_merged) = (merged.remove(0), false);
    for right in merged {
        all = circuits.prove_batch_aggregation(is_merged, &all, false, &right)?;
        is_merged = true;
        clock.lap("batch merge");
    }
    let proof = circuits.prove_block(None, &all)?;
    clock.lap("block");
    circuits.verify_block(&proof.intern)?;
    clock.lap("verify");
    clock.total();
    Ok(())
}

/// Time and CPU time, from lap to lap.
struct Clock {
    start: (Instant, f64),
    lap: (Instant, f64),
}

impl Clock {
    fn start() -> Self {
        let now = (Instant::now(), cpu_seconds());
        Self { start: now, lap: now }
    }

    fn lap(&mut self, what: &str) {
        say(what, self.lap);
        self.lap = (Instant::now(), cpu_seconds());
    }

    fn total(&self) {
        say("in all", self.start);
    }
}

#[expect(clippy::print_stdout, reason = "what this program is for")]
fn say(what: &str, since: (Instant, f64)) {
    println!("{what:<14} {:8.1} s {:8.1} CPU s", since.0.elapsed().as_secs_f64(), cpu_seconds() - since.1);
}

/// CPU seconds of this process so far: fields 14 and 15 of `/proc/self/stat`, in hundredths (proc_pid_stat(5)).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
