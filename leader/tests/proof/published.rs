//! Nothing that makes proving faster may change what is proved: the verifier key is that of the proving crates as they
//! were published, tables are committed to as they do, and a proof that they made is verified. The other direction, our
//! proofs under their verifier, is a part of `tools/bench.sh`, which compiles both.

use std::fs;
use std::path::Path;

use evm_arithmetization::generation::generate_traces;
use evm_arithmetization::prover::prove_with_traces;
use evm_arithmetization::{Field, RecursionConfig, SegmentDataIterator};
use ops::circuits::Starks;
use ops::circuits::store::Store;
use ops::digest::Digest;
use ops::profile::Profile;
use plonky2::util::timing::TimingTree;
use testing::stack::{large_stacks, on_a_large_stack};
use testing::witness::{read, root};

use crate::chain::{CHAIN, circuits_dir, heavy, profile};
use crate::process::verify;

/// Digest of the verifier key of profile `test`, from circuits made by plonky2 1.0.2, starky 1.0.2 and
/// evm_arithmetization 0.5.1 with no more than they need to compile.
const VERIFIER_KEY: &str = "6d36f7224e4570b54cd18ee954e3ca4363d6c2e446aba15fde1debdd5b3922ab";

/// A proof of `witnesses/transfer.json` that they made with those circuits.
const PROOF: &str = "tests/proof/data/transfer.published.zkproof";

#[test]
fn the_verifier_key_is_that_of_the_published_crates() {
    assert!(CHAIN.verifier.exists());
    let digest = Store::new(&circuits_dir(), profile()).digest().expect("the circuits are complete");
    assert_eq!(digest.to_string(), VERIFIER_KEY);
}

/// Digest of the Merkle caps of the tables of the last batch of `witnesses/transfer.json` at 100 bits, as they committed to them: what
/// `measure stark witnesses/transfer.json 17` of leader/examples prints when it is compiled without our patches for speed.
const CAPS: &str = "ac46a8a5085da3ee9946eb00927c8c5aec62acd6fd05b23c32bce276ab572040";

/// A cap of each trace, one of each table's lookups, and that of the first quotient.
#[test]
fn tables_are_committed_to_as_the_published_crates_do() {
    let witness = read(&fs::read_to_string(root("witnesses/transfer.json")).unwrap()).unwrap().remove(0);
    let batch = ops::decode::decode(witness, 10).unwrap().pop().unwrap();
    let config = Profile::named("dev").unwrap().security.config().stark_config;
    large_stacks();
    let _heavy = heavy();
    let proof = on_a_large_stack(|| {
        let mut segments = SegmentDataIterator::<Field>::new(&batch.inputs, Some(17));
        let (inputs, mut data) = segments.next().unwrap().unwrap();
        let (starks, timing) = (Starks::default(), &mut TimingTree::default());
        let mut traces = generate_traces(&starks, &inputs, &config, &mut data, timing).unwrap();
        let (tables, in_use, values) = (traces.tables, traces.table_in_use, &mut traces.public_values);
        prove_with_traces::<_, RecursionConfig, 2>(&starks, &config, tables, in_use, values, timing, None).unwrap()
    });
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
    assert_eq!(Digest::of("caps", &caps).to_string(), CAPS);
}

#[test]
fn a_proof_of_the_published_crates_is_verified() {
    let proof = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROOF);
    let args = ["--allow-insecure", "--verifier-circuit", &CHAIN.verifier.display().to_string()];
    verify(&proof, &args).expect(0, &[]);
}
