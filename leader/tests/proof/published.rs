//! Nothing that makes proving faster may change what is proved: the verifier key is that of the proving crates as they
//! were published, and a proof that they made is verified. The other direction, our proofs under their verifier, is a
//! part of `tools/bench.sh`, which compiles both.

use std::path::Path;

use ops::circuits::store::Store;

use crate::chain::{CHAIN, circuits_dir, profile};
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

#[test]
fn a_proof_of_the_published_crates_is_verified() {
    let proof = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROOF);
    let args = ["--allow-insecure", "--verifier-circuit", &CHAIN.verifier.display().to_string()];
    verify(&proof, &args).expect(0, &[]);
}
