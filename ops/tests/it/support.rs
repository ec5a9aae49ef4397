//! What several subjects need: the shipped witnesses, and batches made from them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use evm_arithmetization::{GenerationInputs, ProofWithPublicInputs, ProofWithPublicValues};
use ops::witness::{self, Witness, WitnessError};
use serde::Deserialize;
use serde_json::{Value, json};
use trace_decoder::observer::DummyObserver;
use trace_decoder::{WireDisposition, entrypoint};

/// A path from the root of the workspace.
pub(crate) fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The text of a witness file of the project.
pub(crate) fn shipped(name: &str) -> String {
    std::fs::read_to_string(root("witnesses").join(name)).expect(name)
}

/// The blocks of a witness file of the project, as JSON.
pub(crate) fn blocks(name: &str) -> Vec<Value> {
    serde_json::from_str(&shipped(name)).expect(name)
}

/// The text of a witness that is not part of the project, or `None`, said aloud, where it is absent.
pub(crate) fn elsewhere(name: &str) -> Option<String> {
    let path = root("../shared/witnesses").join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        say(&format!("not tested with {}: it is absent", path.display()));
    }
    text
}

/// Says something that a passing test would not show otherwise.
pub(crate) fn say(text: &str) {
    // Not `eprintln!`, which the test harness keeps to itself.
    writeln!(io::stderr(), "{text}").expect("stderr is open");
}

/// All blocks of a text.
pub(crate) fn read(text: &str) -> Result<Vec<Witness>, WitnessError> {
    let mut blocks = Vec::new();
    let count = witness::read(text.as_bytes(), |block| {
        blocks.push(block);
        Ok(())
    })?;
    assert_eq!(count, blocks.len());
    Ok(blocks)
}

/// The one block of a JSON value, without the checks of a reader.
pub(crate) fn parse(block: &Value) -> Witness {
    Witness::deserialize(block).expect("it has the form of a witness")
}

/// The inputs of all batches of a block.
pub(crate) fn batches(witness: Witness, batch_size: usize) -> Vec<GenerationInputs> {
    let Witness { block_trace, other_data } = witness;
    entrypoint(block_trace, other_data, batch_size, &mut DummyObserver::new(), WireDisposition::Type1)
        .expect("it decodes")
}

/// Runs on a stack as large as that of the threads that prove: assembling the kernel recurses deeply.
pub(crate) fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(ops::serve::STACK_BYTES);
        let thread = thread.spawn_scoped(scope, work).expect("there is room for a thread");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Something with the form of a proof; it proves nothing.
pub(crate) fn hollow_proof() -> ProofWithPublicValues {
    let intern = ProofWithPublicInputs::deserialize(json!({
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
    }));
    ProofWithPublicValues { intern: intern.expect("it has the form of a proof"), public_values: Default::default() }
}
