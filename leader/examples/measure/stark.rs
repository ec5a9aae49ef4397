//! The STARK proofs of one segment, driven directly: what decides how large a segment a machine can prove.
//!
//! Proves the tables of a full segment at 100 bits without circuits, and prints seconds, CPU seconds, the memory before and
//! at the peak, and a digest of the Merkle caps, which no improvement may change.

use anyhow::Context;
use evm_arithmetization::generation::generate_traces;
use evm_arithmetization::prover::prove_with_traces;
use evm_arithmetization::{AllStark, Field, RecursionConfig};
use ops::allocator::Frugal;
use ops::digest::Digest;
use ops::machine::full_segment_bytes;
use ops::profile::Profile;
use plonky2::util::timing::TimingTree;

use super::{Clock, heights, segment, status_gigabytes};

pub(super) fn run(path: &str, log: usize, index: usize) -> anyhow::Result<()> {
    let config = Profile::named("dev").context("no such profile")?.security.config().stark_config;
    let _frugal = Frugal::for_segment(full_segment_bytes(u8::try_from(log)?));
    let (inputs, mut data) = segment(path, log, index)?;
    let starks = AllStark::<Field, 2>::default();
    let timing = &mut TimingTree::default();
    let before = status_gigabytes("VmRSS");
    let mut clock = Clock::start();
    let mut traces = generate_traces(&starks, &inputs, &config, &mut data, timing)?;
    let traced = clock.lap();
    let heights = heights(&traces.tables);
    let with_traces = status_gigabytes("VmHWM");
    let proof = prove_with_traces::<Field, RecursionConfig, 2>(
        &starks,
        &config,
        traces.tables,
        traces.table_in_use,
        &mut traces.public_values,
        timing,
        None,
    )?;
    let proved = clock.lap();
    // The challenges of the first table follow from these; those of the next from its proof of work as well, which is whatever a
    // thread finds first.
    let mut quotient =
        proof.multi_proof.stark_proofs.iter().flatten().map(|proof| &proof.proof.quotient_polys_cap).take(1);
    let caps: Vec<_> = proof
        .multi_proof
        .stark_proofs
        .iter()
        .flatten()
        .flat_map(|proof| {
            let proof = &proof.proof;
            [Some(&proof.trace_cap), proof.auxiliary_polys_cap.as_ref(), quotient.next().and_then(Option::as_ref)]
        })
        .flatten()
        .map(|cap| cap.flatten())
        .collect();
    println!("rows {heights:?}");
    println!("traces {:.1} s {:.1} CPU s", traced.0, traced.1);
    println!("starks {:.1} s {:.1} CPU s", proved.0, proved.1);
    let peak = status_gigabytes("VmHWM");
    println!("memory {before:.2} GB before, {with_traces:.2} GB peak of the traces, {peak:.2} GB peak");
    println!("caps {}", Digest::of("caps", &caps));
    Ok(())
}
