//! The heights that simulation predicts are those of the tables that the prover builds.

use evm_arithmetization::generation::generate_traces;
use evm_arithmetization::{Field, GenerationInputs};
use ops::circuits::Starks;
use ops::execute::simulate;
use ops::profile::{Heights, Security};
use plonky2::util::timing::TimingTree;
use testing::stack::on_a_large_stack;
use testing::witness::{batches, read, shipped};

use crate::support::recorded;

/// The heights of the tables of every segment, from the tables themselves.
fn built(starks: &Starks, inputs: &GenerationInputs, max_cpu_len_log: u8) -> Vec<Heights> {
    let config = Security::Test.config().stark_config;
    simulate::segments(inputs, max_cpu_len_log)
        .map(|segment| {
            let (inputs, mut data) = segment.expect("it runs");
            let mut timing = TimingTree::default();
            let traces = generate_traces::<Field, 2>(starks, &inputs, &config, &mut data, &mut timing).expect("tables");
            std::array::from_fn(|table: usize| {
                let column = traces.tables[table].first();
                traces.table_in_use[table].then(|| {
                    let rows = column.expect("a table in use has columns").values.len();
                    assert!(rows.is_power_of_two());
                    rows.trailing_zeros() as usize
                })
            })
        })
        .collect()
}

fn compare(witness: &str, batch_size: usize, max_cpu_len_log: u8) {
    on_a_large_stack(|| {
        let starks = Starks::default();
        for block in read(witness).expect("a witness") {
            let number = block.number();
            for (batch, inputs) in batches(block, batch_size).iter().enumerate() {
                let predicted = simulate::measure(inputs, max_cpu_len_log).expect("it runs");
                let predicted: Vec<_> = predicted.into_iter().map(|(heights, _)| heights).collect();
                assert!(!predicted.is_empty());
                assert_eq!(predicted, built(&starks, inputs, max_cpu_len_log), "block {number}, batch {batch}");
            }
        }
    });
}

#[test]
fn of_small_segments() {
    compare(&shipped("chain.json"), 10, 12);
}

#[test]
fn of_whole_batches() {
    compare(&shipped("chain.json"), 10, 17);
}

#[test]
fn of_blocks_that_a_node_recorded() {
    if let Some(witness) = recorded() {
        compare(&witness, 10, 14);
    }
}
