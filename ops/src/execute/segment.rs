//! Proving one segment: run the batch up to it, build its tables, prove them, shrink and join the proofs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use evm_arithmetization::all_stark::Table;
use evm_arithmetization::generation::generate_traces;
use evm_arithmetization::generation::heights::cpu_cycles;
use evm_arithmetization::prover::prove_with_traces;
use evm_arithmetization::{GenerationInputs, NUM_TABLES, ProofWithPublicValues, RecursionConfig, stages};
use plonky2::util::timing::TimingTree;

use super::Failure;
use super::simulate::{self, SegmentInputs};
use crate::allocator::Frugal;
use crate::circuits::Circuits;
use crate::machine::MB;
use crate::metrics::tasks;
use crate::profile::Heights;
use crate::task::{SegmentWork, Task};

pub(super) fn prove(
    circuits: &Circuits,
    task: &Task,
    work: &SegmentWork,
    inputs: &GenerationInputs,
    abort: &Arc<AtomicBool>,
) -> Result<ProofWithPublicValues, Failure> {
    let invalid = |error: anyhow::Error| Failure::Invalid(format!("{error:#}"));
    let start = Instant::now();
    let wanted = || if abort.load(Ordering::Relaxed) { Err(Failure::Aborted) } else { Ok(()) };
    let frugal = Frugal::for_segment(u64::from(work.memory_mb) * MB);
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
    let families = tasks::families();
    for (table, height) in heights.iter().enumerate() {
        if let Some(height) = height {
            families.rows(table, 1 << height);
        }
    }
    let cpu = &traces.tables[*Table::Cpu];
    families.cycles(task, cpu_cycles(cpu), cpu[0].values.len());
    // Before the expensive part: are there circuits for these tables, and can they be read?
    circuits.profile.check(&heights)?;
    let table_circuits = circuits.for_segment(&heights)?;
    let traced = start.elapsed();

    let (stark_proofs, stark_times) = stages::measure(|| {
        prove_with_traces::<_, RecursionConfig, 2>(
            &circuits.starks,
            &config,
            traces.tables,
            traces.table_in_use,
            &mut traces.public_values,
            &mut timing,
            Some(abort.clone()),
        )
    });
    drop(frugal);
    let stark_proofs = stark_proofs.map_err(invalid)?;
    let starks = start.elapsed();

    let table_circuits: [_; NUM_TABLES] =
        std::array::from_fn(|table| table_circuits[table].as_ref().map(|(circuits, index)| (&**circuits, *index)));
    let (proof, recursion_times) = stages::measure(|| {
        circuits.upper.prove_segment_after_initial_stark(stark_proofs, &table_circuits, Some(abort.clone()))
    });
    let proof = proof.map_err(invalid)?;
    let recursion = start.elapsed() - starks;
    families.tables(&stark_times);
    families.tables(&recursion_times);
    let by_stage = [
        ("simulate", simulated),
        ("traces", traced - simulated),
        ("starks", starks - traced),
        ("recursion", recursion),
    ];
    by_stage.iter().for_each(|(stage, time)| families.stage(stage, *time));
    let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
    tracing::info!(
        simulation_s = %seconds(simulated),
        traces_s = %seconds(traced - simulated),
        starks_s = %seconds(starks - traced),
        recursion_s = %seconds(recursion),
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
