//! The proving crates driven directly: what `leader` is measured against.
//!
//! Builds all circuits with one call, proves the first block of the witness segment after segment in one thread of
//! control, and prints the CPU seconds and the time of each part. No store, no queue, no progress.

use anyhow::Context;
use evm_arithmetization::fixed_recursive_verifier::ProverOutputData;
use evm_arithmetization::{AllRecursiveCircuits, AllStark, Field, SegmentDataIterator};
use ops::profile::Profile;
use plonky2::util::timing::TimingTree;

use super::{Clock, batches};

pub(super) fn run(path: &str, profile: &str, log: usize) -> anyhow::Result<()> {
    let profile = Profile::named(profile).context("no such profile")?;
    let batches = batches(path)?;

    let mut clock = Clock::start();
    let stark = AllStark::<Field, 2>::default();
    let sizes = profile.sizes.each_ref().map(|sizes| sizes.iter());
    let circuits = AllRecursiveCircuits::new(&stark, &sizes, profile.security.config());
    say("circuits", clock.lap());

    let config = profile.security.config().stark_config;
    let mut merged = Vec::new();
    for batch in &batches {
        let mut parts = Vec::new();
        for segment in SegmentDataIterator::<Field>::new(&batch.inputs, Some(log)) {
            let (inputs, mut data) = segment.map_err(|error| anyhow::anyhow!("{error}"))?;
            let timing = &mut TimingTree::default();
            parts.push(circuits.prove_segment(&stark, &config, inputs, &mut data, timing, None)?);
            say("segment", clock.lap());
        }
        let mut parts = parts.into_iter();
        let mut left = parts.next().context("a batch without segments")?;
        if parts.len() == 0 {
            let dummy = ProverOutputData { is_dummy: true, ..left.clone() };
            left = circuits.prove_segment_aggregation(&left, &dummy)?;
            say("segment merge", clock.lap());
        }
        for right in parts {
            left = circuits.prove_segment_aggregation(&left, &right)?;
            say("segment merge", clock.lap());
        }
        merged.push(left.proof_with_pvs);
    }
    let (mut all, mut is_merged) = (merged.remove(0), false);
    for right in merged {
        all = circuits.prove_batch_aggregation(is_merged, &all, false, &right)?;
        is_merged = true;
        say("batch merge", clock.lap());
    }
    let proof = circuits.prove_block(None, &all)?;
    say("block", clock.lap());
    circuits.verify_block(&proof.intern)?;
    say("verify", clock.lap());
    say("in all", clock.total());
    Ok(())
}

fn say(what: &str, (wall, cpu): (f64, f64)) {
    println!("{what:<14} {wall:8.1} s {cpu:8.1} CPU s");
}
