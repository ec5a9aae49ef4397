//! Proving one segment: run the batch up to it, build its tables, prove them, shrink and join the proofs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use evm_arithmetization::generation::generate_traces;
use evm_arithmetization::prover::prove_with_traces;
use evm_arithmetization::{GenerationInputs, NUM_TABLES, ProofWithPublicValues, RecursionConfig};
use plonky2::util::timing::TimingTree;

use super::Failure;
use super::simulate::{self, SegmentInputs};
use crate::circuits::Circuits;
use crate::profile::Heights;
use crate::task::SegmentWork;

pub(super) fn prove(
    circuits: &Circuits,
    work: &SegmentWork,
    inputs: &GenerationInputs,
    abort: &Arc<AtomicBool>,
) -> Result<ProofWithPublicValues, Failure> {
    let invalid = |error: anyhow::Error| Failure::Invalid(format!("{error:#}"));
    let start = Instant::now();
    let wanted = || if abort.load(Ordering::Relaxed) { Err(Failure::Aborted) } else { Ok(()) };
    let mut segment = run_up_to(inputs, work)?;
    wanted()?;
    let simulated = start.elapsed();

    let config = circuits.profile.security.config().stark_config;
    let mut timing = TimingTree::default();
    let mut traces =
        generate_traces(&circuits.starks, &segment.0, &config, &mut segment.1, &mut timing).map_err(invalid)?;
    drop(segment);
    wanted()?;
    let heights: Heights = std::array::from_fn(|table: usize| {
        let rows = traces.tables[table].first().map_or(0, |column| column.values.len());
        traces.table_in_use[table].then(|| rows.trailing_zeros() as usize)
    });
    // Before the expensive part: are there circuits for these tables, and can they be read?
    circuits.profile.check(&heights)?;
    let table_circuits = circuits.for_segment(&heights)?;
    let traced = start.elapsed();

    let stark_proofs = prove_with_traces::<_, RecursionConfig, 2>(
        &circuits.starks,
        &config,
        traces.tables,
        traces.table_in_use,
        &mut traces.public_values,
        &mut timing,
        Some(abort.clone()),
    )
    .map_err(invalid)?;
    let starks = start.elapsed();

    let table_circuits: [_; NUM_TABLES] =
        std::array::from_fn(|table| table_circuits[table].as_ref().map(|(circuits, index)| (&**circuits, *index)));
    let proof = circuits
        .upper
        .prove_segment_after_initial_stark(stark_proofs, &table_circuits, Some(abort.clone()))
        .map_err(invalid)?;
    let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
    tracing::info!(
        simulation_s = %seconds(simulated),
        traces_s = %seconds(traced - simulated),
        starks_s = %seconds(starks - traced),
        recursion_s = %seconds(start.elapsed() - starks),
        "stages of the segment"
    );
    timing.print();
    Ok(proof)
}

/// The inputs of the segment, found by running the batch from its start.
fn run_up_to(inputs: &GenerationInputs, work: &SegmentWork) -> Result<SegmentInputs, Failure> {
    for (index, segment) in (0..).zip(simulate::segments(inputs, work.max_cpu_len_log)) {
        let segment = segment?;
        if index == work.index {
            return Ok(segment);
        }
    }
    Err(Failure::Invalid(format!("the batch ends before segment {}", work.index)))
}
