//! Circuits that are built part by part, as the circuit store does, are those that the proving crate makes in one call.

use std::collections::BTreeMap;

use evm_arithmetization::fixed_recursive_verifier::RecursiveCircuitsForTable;
use evm_arithmetization::{AllRecursiveCircuits, EXTENSION_DEGREE, RecursionConfig};
use ops::circuits::Starks;
use ops::circuits::build::{self, Steps};
use ops::circuits::verifier::Verifier;
use ops::digest::Digest;
use ops::profile::{Profile, Security, TABLES};
use plonky2::util::serialization::{DefaultGateSerializer, DefaultGeneratorSerializer};
use testing::stack::{large_stacks, on_a_large_stack};

use crate::chain::heavy;

/// As little as every table can have; two sizes of a table that every segment has, and of one that not every has.
const SIZES: [&str; 9] = ["16..17", "8..10", "10..12", "4..5", "8..9", "4..5", "17..18", "16..17", "7..8"];

fn profile() -> Profile {
    let sizes = SIZES.map(|sizes| sizes.parse().expect("a range"));
    Profile { name: "test-custom".to_owned(), security: Security::Test, sizes }
}

/// All that the circuits are, by name: of each circuit of tables every byte that the store writes, of the upper ones
/// their verifier data.
fn digests(circuits: &AllRecursiveCircuits) -> BTreeMap<String, Digest> {
    let mut digests = BTreeMap::new();
    for (table, by_size) in TABLES.iter().zip(&circuits.by_table) {
        for (size, circuits) in &by_size.by_stark_size {
            let mut bytes = Vec::new();
            let generators = DefaultGeneratorSerializer::<RecursionConfig, EXTENSION_DEGREE>::default();
            circuits.to_buffer(&mut bytes, &DefaultGateSerializer, &generators).expect("it can be written");
            digests.insert(format!("{} {size}", table.name), Digest::of_bytes(&bytes));
        }
    }
    let upper = [
        ("root", circuits.root.circuit.verifier_data()),
        ("segment merge", circuits.segment_aggregation.circuit.verifier_data()),
        ("batch merge", circuits.batch_aggregation.circuit.verifier_data()),
        ("block", circuits.block.circuit.verifier_data()),
        ("block wrapper", circuits.block_wrapper().circuit.verifier_data()),
        ("two to one", circuits.two_to_one_block().circuit.verifier_data()),
    ];
    for (name, data) in upper {
        let bytes = data.to_bytes(&DefaultGateSerializer).expect("it can be written");
        digests.insert(name.to_owned(), Digest::of_bytes(&bytes));
    }
    let verifier = Verifier::new(profile(), circuits).expect("it can be written");
    digests.insert("digest of the circuits".to_owned(), verifier.digest);
    for (table, dummy) in TABLES.iter().zip(&circuits.table_dummy_proofs) {
        let Some(dummy) = dummy else { continue };
        // The proof itself differs from run to run: its proof of work is whatever a thread finds first.
        let shape = dummy.common_circuit_data.to_bytes(&DefaultGateSerializer).expect("it can be written");
        digests.insert(
            format!("dummy proof of {}", table.name),
            Digest::of("dummy", &(shape, &dummy.proof.public_inputs)),
        );
    }
    digests
}

/// In another order than the crate's: largest sizes first, last table first.
fn part_by_part() -> AllRecursiveCircuits {
    let (starks, profile) = (Starks::default(), profile());
    let mut by_table = SIZES.map(|_| RecursiveCircuitsForTable { by_stark_size: BTreeMap::new() });
    for (table, sizes) in profile.sizes.iter().enumerate().rev() {
        for size in sizes.iter().rev() {
            by_table[table].by_stark_size.insert(size, build::table(&starks, &profile, table, size));
        }
    }
    build::upper(by_table, &profile, &mut Steps::new(AllRecursiveCircuits::UPPER_STEPS, &|_| {}))
}

fn in_one_call() -> AllRecursiveCircuits {
    let profile = profile();
    let ranges = profile.sizes.each_ref().map(|sizes| sizes.iter());
    AllRecursiveCircuits::new(&Starks::default(), &ranges, profile.security.config())
}

#[test]
fn circuits_built_part_by_part_are_those_of_the_crate() {
    let _heavy = heavy();
    large_stacks();
    // One after the other, and never both in memory.
    let [parts, whole] = [part_by_part as fn() -> _, in_one_call].map(|build| on_a_large_stack(|| digests(&build())));
    let names = |digests: &BTreeMap<String, Digest>| digests.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&parts), names(&whole));
    assert_eq!(parts.len(), profile().table_circuits() + 7 + 5, "{:?}", names(&parts));
    let other: Vec<_> = names(&parts).into_iter().filter(|name| parts[name] != whole[name]).collect();
    assert!(other.is_empty(), "not the same: {other:?}");
}
