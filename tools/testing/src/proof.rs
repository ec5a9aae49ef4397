//! Things with the form of a proof. They prove nothing.

use evm_arithmetization::{ProofWithPublicInputs, ProofWithPublicValues};
use serde::Deserialize;
use serde_json::{Value, json};

/// The innermost part of a proof file.
pub fn hollow_intern() -> Value {
    json!({
        "proof": {
            "wires_cap": [],
            "plonk_zs_partial_products_cap": [],
            "quotient_polys_cap": [],
            "openings": {
                "constants": [], "plonk_sigmas": [], "wires": [], "plonk_zs": [], "plonk_zs_next": [],
                "partial_products": [], "quotient_polys": [], "lookup_zs": [], "lookup_zs_next": [],
            },
            "opening_proof": {
                "commit_phase_merkle_caps": [], "query_round_proofs": [], "final_poly": { "coeffs": [] },
                "pow_witness": 0,
            },
        },
        "public_inputs": [1, 2, 3],
    })
}

/// What a task puts out.
pub fn hollow_proof() -> ProofWithPublicValues {
    let intern = ProofWithPublicInputs::deserialize(hollow_intern()).expect("it has the form of a proof");
    ProofWithPublicValues { intern, public_values: Default::default() }
}
