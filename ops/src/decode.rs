//! Cutting a block into batches. Pure: a witness in, the inputs of its batches out.

use std::ops::Range;

use anyhow::bail;
use evm_arithmetization::GenerationInputs;
use trace_decoder::observer::DummyObserver;
use trace_decoder::{WireDisposition, entrypoint};

use crate::panics;
use crate::witness::Witness;

/// A batch: some transactions of a block and everything needed to execute them.
#[derive(Debug)]
pub struct Batch {
    /// Transactions of the block.
    pub txs: Range<u32>,
    /// What the simulation takes.
    pub inputs: GenerationInputs,
}

/// The batches of a block: of `batch_size` transactions each, and always two at least, since that is what the block
/// circuit takes (the decoder fills up with empty ones).
pub fn decode(witness: Witness, batch_size: u32) -> anyhow::Result<Vec<Batch>> {
    // The decoder panics on tries that contradict themselves.
    let decode = || {
        let Witness { block_trace, other_data } = witness;
        entrypoint(block_trace, other_data, batch_size as usize, &mut DummyObserver::new(), WireDisposition::Type1)
    };
    let batches =
        panics::catch(decode).unwrap_or_else(|panic| Err(anyhow::anyhow!("the decoder panicked: {panic}")))?;
    // Only the circuit of the block compares these, when everything else is proved.
    if let Some(last) = batches.last()
        && last.gas_used_after != last.block_metadata.block_gas_used
    {
        let (header, used) = (last.block_metadata.block_gas_used, last.gas_used_after);
        bail!("the header says that {header} gas is used, and the transactions use {used}");
    }
    Ok(batches
        .into_iter()
        .map(|inputs| {
            let first = inputs.txn_number_before.low_u32();
            Batch { txs: first..first + inputs.signed_txns.len() as u32, inputs }
        })
        .collect())
}
