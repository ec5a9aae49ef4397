//! What a chain of proofs begins with: a checkpoint, or a proof to build upon.

use std::path::Path;

use anyhow::Context;
use evm_arithmetization::ProofWithPublicValues;
use mpt_trie::partial_trie::PartialTrie;
use ops::decode::decode;
use ops::digest::Digest;
use ops::exit;
use ops::proof::{self, AnyProof};
use ops::witness::{Link, Witness};
use tokio::sync::watch;

use crate::block::Upon;
use crate::config::Config;
use crate::prepare::Shared;

/// Whether a chain of proofs can start with this block: from the state of its checkpoint.
pub async fn check_start(config: &Config, mut first: Witness) -> anyhow::Result<Witness> {
    if first.mend_rounded_hash() {
        tracing::warn!(
            "other_data.checkpoint_consolidated_hash was rounded, as jq before 1.7 does to large numbers; using the exact value"
        );
    }
    let checked = first.clone();
    let (number, checkpoint) = (first.number(), first.other_data.checkpoint_state_trie_root);
    let batch_size = config.batch_size;
    let batches = tokio::task::spawn_blocking(move || decode(checked, batch_size)).await.context("decoding ended")?;
    let batches = batches.with_context(|| format!("block {number} does not decode"))?;
    let before = batches.first().map(|batch| batch.inputs.tries.state_trie.hash());
    match before.filter(|before| *before != checkpoint) {
        None => Ok(first),
        Some(before) => Err(exit::usage(format!(
            "block {number} starts from state root {before:?}, and its checkpoint is {checkpoint:?}: it can only be proved \
             on top of the block before it, see --previous-proof"
        ))),
    }
}

/// The proof to build upon: the last one of a file.
pub fn read_previous(what: &str, path: &Path) -> anyhow::Result<(String, AnyProof)> {
    let name = format!("{what} {}", path.display());
    let mut proofs = proof::read(path).with_context(|| name.clone())?;
    let last = proofs.pop().with_context(|| format!("{name} is empty"))?;
    Ok((name, last))
}

/// Checks the previous proof, and that the first block follows it; makes it an artifact that a task can name.
pub async fn start_after(
    shared: &Shared,
    (name, previous): &(String, AnyProof),
    first: &Witness,
) -> anyhow::Result<(Upon, u64)> {
    let wrong = |reason: String| exit::usage(format!("{name}: {reason}"));
    let Some(verifier) = &shared.verifier else { return Err(wrong("a mock builds on no proof".to_owned())) };
    let public_values = proof::verify(previous, &shared.config.profile, shared.circuits, &verifier.data)
        .map_err(|rejected| wrong(rejected.to_string()))?;
    let (height, number) = (public_values.block_metadata.block_number.low_u64(), first.number());
    if height + 1 != number {
        return Err(wrong(format!("it is of block {height}, and the first block of the witness is {number}")));
    }
    let checkpoint = public_values.extra_block_data.checkpoint_state_trie_root;
    Link::new(&public_values.block_metadata, &public_values.block_hashes, checkpoint)
        .check_next(first)
        .map_err(|error| wrong(error.to_string()))?;
    let intern = previous.intern().clone();
    let id = Digest::of("previous proof", &intern);
    shared.artifacts.put_output(&id, &ProofWithPublicValues { public_values, intern }).await?;
    let first_block = match previous {
        AnyProof::Known(proof) => proof.first_block,
        AnyProof::Bare(proof) => proof.b_height,
    };
    let (_, proved) = watch::channel(true);
    Ok(((id, proved), first_block))
}
