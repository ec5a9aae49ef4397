//! Merging proofs, and proving a block from the merge of its batches.

use evm_arithmetization::fixed_recursive_verifier::ProverOutputData;
use evm_arithmetization::{AllRecursiveCircuits, ProofWithPublicValues, PublicValues};

use super::Failure;
use crate::task::Child;

/// A proof with its place in the tree of merges.
type Part<'a> = (&'a Child, &'a ProofWithPublicValues);

fn invalid(error: anyhow::Error) -> Failure {
    Failure::Invalid(format!("{error:#}"))
}

/// Two neighbouring ranges of segments; a single segment with a dummy.
pub(super) fn segments(
    circuits: &AllRecursiveCircuits,
    (left, left_proof): Part<'_>,
    right: Option<Part<'_>>,
) -> Result<ProofWithPublicValues, Failure> {
    let output = |child: &Child, proof: &ProofWithPublicValues, is_dummy| ProverOutputData {
        is_agg: child.merged,
        is_dummy,
        proof_with_pvs: proof.clone(),
    };
    let right = match right {
        Some((right, right_proof)) => {
            let (before, after) = (&left_proof.public_values, &right_proof.public_values);
            neighbours("segments", before.registers_after == after.registers_before)?;
            neighbours("segments", before.mem_after == after.mem_before)?;
            output(right, right_proof, false)
        }
        // A dummy is the left proof once more; the flag tells the circuit to pass the left one on.
        None => output(&Child { merged: false, ..*left }, left_proof, true),
    };
    let merged = circuits.prove_segment_aggregation(&output(left, left_proof, false), &right).map_err(invalid)?;
    Ok(merged.proof_with_pvs)
}

/// Two neighbouring ranges of batches.
pub(super) fn batches(
    circuits: &AllRecursiveCircuits,
    (left, left_proof): Part<'_>,
    (right, right_proof): Part<'_>,
) -> Result<ProofWithPublicValues, Failure> {
    let (before, after) = (&left_proof.public_values, &right_proof.public_values);
    neighbours("batches", before.trie_roots_after == after.trie_roots_before)?;
    neighbours("batches", before.block_metadata == after.block_metadata)?;
    circuits.prove_batch_aggregation(left.merged, left_proof, right.merged, right_proof).map_err(invalid)
}

/// The block, on top of the proof of the block before it if there is one.
pub(super) fn block(
    circuits: &AllRecursiveCircuits,
    batches: &ProofWithPublicValues,
    previous: Option<&ProofWithPublicValues>,
) -> Result<ProofWithPublicValues, Failure> {
    if let Some(previous) = previous {
        let (before, after) = (&previous.public_values, &batches.public_values);
        let number = before.block_metadata.block_number;
        if number + 1 != after.block_metadata.block_number {
            return Err(Failure::Invalid(format!(
                "the previous proof is of block {number}, which is not the block before"
            )));
        }
        neighbours("blocks", before.trie_roots_after.state_root == after.trie_roots_before.state_root)?;
        neighbours("blocks", after.block_hashes.prev_hashes.last() == Some(&before.block_hashes.cur_hash))?;
        let checkpoint = |values: &PublicValues| values.extra_block_data.checkpoint_state_trie_root;
        neighbours("chains of blocks", checkpoint(before) == checkpoint(after))?;
    }
    circuits.prove_block(previous.map(|previous| &previous.intern), batches).map_err(invalid)
}

/// A merge of what does not connect would fail deep inside the circuit; here it is one comparison.
fn neighbours(what: &str, connected: bool) -> Result<(), Failure> {
    match connected {
        true => Ok(()),
        false => Err(Failure::Invalid(format!("these {what} do not follow each other"))),
    }
}
