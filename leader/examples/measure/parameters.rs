//! What a segment costs with other parameters of its proofs, at the same conjectured security.
//!
//! Proves a segment and merges its proof with a dummy, as a block of one segment does. The parameters are
//! RATE:QUERIES:GRINDING of the tables' proofs, of the circuits that shrink them, and of those that join them, and the
//! logarithm of the rows to shrink to. Each table has circuits of two sizes. Prints one line of JSON.

use anyhow::Context;
use evm_arithmetization::fixed_recursive_verifier::{ProverOutputData, RecursionConfig, RecursiveCircuitsForTable};
use evm_arithmetization::generation::generate_traces;
use evm_arithmetization::prover::prove_with_traces;
use evm_arithmetization::{
    AllRecursiveCircuits, AllStark, Field, NUM_TABLES, RecursionConfig as Config, RecursiveCircuitsForTableSize,
};
use ops::profile::TABLES;
use plonky2::fri::FriConfig;
use plonky2::util::timing::TimingTree;
use serde_json::json;

use super::{Clock, heights, segment, status_gigabytes};

pub(super) fn run(path: &str, log: usize, parameters: &[&str]) -> anyhow::Result<()> {
    let [stark, shrinking, upper, threshold, index @ ..] = parameters else {
        anyhow::bail!("measure parameters WITNESS LOG STARK SHRINKING UPPER THRESHOLD [INDEX]")
    };
    let mut config = RecursionConfig::default();
    set(&mut config.stark_config.fri_config, stark)?;
    set(&mut config.shrinking_circuit_config.fri_config, shrinking)?;
    set(&mut config.recursion_circuit_config.fri_config, upper)?;
    config.threshold_degree_bits = threshold.parse()?;
    let index = index.first().map_or(Ok(0), |index| index.parse())?;

    let (inputs, mut data) = segment(path, log, index)?;
    let starks = AllStark::<Field, 2>::default();
    let timing = &mut TimingTree::default();
    let mut clock = Clock::start();
    let mut traces = generate_traces(&starks, &inputs, &config.stark_config, &mut data, timing)?;
    let traced = clock.lap();
    let heights = heights(&traces.tables);
    let in_use = traces.table_in_use;
    let proofs = prove_with_traces::<Field, Config, 2>(
        &starks,
        &config.stark_config,
        traces.tables,
        traces.table_in_use,
        &mut traces.public_values,
        timing,
        None,
    )?;
    let proved = clock.lap();
    let starks_gb = status_gigabytes("VmHWM");

    let sizes: [_; NUM_TABLES] =
        std::array::from_fn(|table| heights[table].filter(|_| in_use[table]).unwrap_or(TABLES[table].min_size));
    let by_table = std::array::from_fn(|table| RecursiveCircuitsForTable {
        by_stark_size: [sizes[table], sizes[table] + 1]
            .map(|size| (size, RecursiveCircuitsForTableSize::for_table(&starks, table, size, &config)))
            .into(),
    });
    let circuits = AllRecursiveCircuits::from_tables(by_table, &config, |_| ());
    let built = clock.lap();

    let chains: [_; NUM_TABLES] = std::array::from_fn(|table| &circuits.by_table[table].by_stark_size[&sizes[table]]);
    let used = std::array::from_fn(|table| in_use[table].then_some((chains[table], 0)));
    let proof = circuits.prove_segment_after_initial_stark(proofs, &used, None)?;
    let joined = clock.lap();
    let part = |is_dummy| ProverOutputData { is_agg: false, is_dummy, proof_with_pvs: proof.clone() };
    let merged = circuits.prove_segment_aggregation(&part(false), &part(true))?.proof_with_pvs.intern;
    let merging = clock.lap();
    let proof_bytes = merged.to_bytes().len();
    circuits.segment_aggregation.circuit.verify(merged).context("the proof is not valid")?;

    let upper = [
        &circuits.root.circuit,
        &circuits.segment_aggregation.circuit,
        &circuits.batch_aggregation.circuit,
        &circuits.block.circuit,
    ];
    println!(
        "{}",
        json!({
            "seconds": { "traces": traced, "starks": proved, "circuits": built, "recursion": joined, "merge": merging },
            "gigabytes": { "starks": starks_gb, "all": status_gigabytes("VmHWM") },
            "proof_bytes": proof_bytes,
            "sizes": sizes,
            "degrees": { "tables": chains.map(|chain| chain.degrees()), "upper": upper.map(|circuit| circuit.common.degree_bits()) },
        })
    );
    Ok(())
}

/// Rate bits, queries and grinding bits; refuses what has fewer than 100 conjectured bits.
fn set(fri: &mut FriConfig, text: &str) -> anyhow::Result<()> {
    let numbers = text.split(':').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let [rate, queries, grinding] = numbers[..] else { anyhow::bail!("{text} is not RATE:QUERIES:GRINDING") };
    anyhow::ensure!(rate * queries + grinding >= 100, "{text} has only {} bits", rate * queries + grinding);
    (fri.rate_bits, fri.num_query_rounds, fri.proof_of_work_bits) = (rate, queries, u32::try_from(grinding)?);
    Ok(())
}
