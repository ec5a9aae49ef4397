//! What was computed against what the header says.

use std::collections::BTreeSet;

use alloy::consensus::TxReceipt as _;
use alloy::consensus::proofs::calculate_receipt_root;
use alloy::consensus::transaction::Transaction as _;
use alloy::primitives::{Address, B256, Bloom, U256, keccak256};

use super::Work;
use super::execute::BEACON_ROOTS;
use super::state::State;
use crate::error::FetchError;
use crate::node::{FullBlock, Node};
use crate::trie::{Account, EMPTY_ROOT, encode_word, updated};

/// Accounts that are asked for when the state differs.
const ASKED: usize = 400;

/// Refuses blocks without the contract of EIP-4788: the circuits write into it in every block.
pub(super) fn beacon_roots(block: &FullBlock, state: &State) -> Result<(), FetchError> {
    match state.accounts.get(&BEACON_ROOTS) {
        Some(Some(_)) => Ok(()),
        _ => Err(FetchError::BeaconRoots { number: block.header.number, address: BEACON_ROOTS }),
    }
}

/// What a block comes to.
pub(super) struct Roots {
    receipts: B256,
    bloom: Bloom,
    state: B256,
    /// The accounts that it changed.
    changed: Vec<(Address, Option<Account>)>,
}

/// Computes the roots.
pub(super) fn roots(work: &Work) -> Result<Roots, FetchError> {
    let Work { block, state, run } = work;
    let number = block.header.number;
    let trie = |what: String| move |source| FetchError::Trie { number, what, source };
    let mut changed = Vec::new();
    let touched = run.overlay.accounts.keys().chain(run.overlay.slots.keys());
    for address in touched.copied().collect::<BTreeSet<_>>() {
        let before = state.accounts.get(&address).copied().flatten();
        let after = run.overlay.body(state, address).map(|body| {
            let root = before.map_or(EMPTY_ROOT, |account| account.storage_root);
            let slots = run.overlay.slots.get(&address).into_iter().flatten();
            let changes = slots
                .map(|(slot, value)| (keccak256(B256::from(*slot)), (!value.is_zero()).then(|| encode_word(*value))));
            let storage_root = updated(&state.pool, root, changes).map_err(trie(format!("storage of {address}")))?;
            Ok::<_, FetchError>(Account {
                nonce: body.nonce,
                balance: body.balance,
                storage_root,
                code_hash: body.code_hash,
            })
        });
        let after = after.transpose()?;
        if before != after {
            changed.push((address, after));
        }
    }
    let changes =
        changed.iter().map(|(address, account)| (keccak256(address), account.map(|account| account.encode())));
    Ok(Roots {
        receipts: calculate_receipt_root(&run.receipts),
        bloom: run.receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom()),
        state: updated(&state.pool, state.root, changes).map_err(trie("the state".to_owned()))?,
        changed,
    })
}

/// Compares everything. Where the state differs, asks the node for its own, to name what.
pub(super) async fn check(node: &Node, work: &Work, roots: &Roots) -> Result<(), FetchError> {
    let header = &work.block.header;
    let mismatch = |what, found: String, expected: String, hint| {
        Err(FetchError::Mismatch { number: header.number, what, found, expected, hint })
    };
    let gas = work.run.gas_used();
    if gas != header.gas_used {
        let hint = receipts_hint(node, work).await;
        return mismatch("the gas used", gas.to_string(), header.gas_used.to_string(), hint);
    }
    if roots.receipts != header.receipts_root {
        let hint = receipts_hint(node, work).await;
        return mismatch("the receipts root", roots.receipts.to_string(), header.receipts_root.to_string(), hint);
    }
    if roots.bloom != header.logs_bloom {
        return mismatch("the logs bloom", roots.bloom.to_string(), header.logs_bloom.to_string(), String::new());
    }
    let blobs = work.block.transactions.iter().map(|one| one.blob_gas_used().unwrap_or_default()).sum::<u64>();
    let expected = header.blob_gas_used.unwrap_or_default();
    if blobs != expected {
        return mismatch("the blob gas", blobs.to_string(), expected.to_string(), String::new());
    }
    if roots.state != header.state_root {
        let hint = state_hint(node, work, roots).await;
        return mismatch("the state root", roots.state.to_string(), header.state_root.to_string(), hint);
    }
    Ok(())
}

/// The first account that the node has otherwise after the block.
async fn state_hint(node: &Node, work: &Work, roots: &Roots) -> String {
    let header = &work.block.header;
    for (address, ours) in roots.changed.iter().take(ASKED) {
        let slots = work.run.overlay.slots.get(address);
        let slots: Vec<U256> = slots.into_iter().flatten().map(|(slot, _)| *slot).take(ASKED).collect();
        let Ok(theirs) = node.proof(*address, &slots, header.number, header.state_root).await else {
            return String::new();
        };
        if theirs.account == *ours {
            continue;
        }
        let place = match *address == BEACON_ROOTS {
            true => format!("the beacon roots contract {address} (does the node make the call of EIP-4788?)"),
            false => format!("account {address}"),
        };
        let (Some(a), Some(b)) = (ours, theirs.account) else {
            let is = |account: bool| if account { "there" } else { "missing" };
            return format!(": {place} is {} instead of {}", is(ours.is_some()), is(theirs.account.is_some()));
        };
        let differing = work.run.overlay.slots.get(address).and_then(|ours| {
            theirs.slots.iter().find(|(slot, value)| ours.get(slot).is_some_and(|ours| ours != value))
        });
        return match differing {
            _ if a.balance != b.balance => {
                format!(": the balance of {place} is {} instead of {}", a.balance, b.balance)
            }
            _ if a.nonce != b.nonce => format!(": the nonce of {place} is {} instead of {}", a.nonce, b.nonce),
            _ if a.code_hash != b.code_hash => format!(": the code of {place} is another"),
            Some((slot, value)) => {
                format!(": slot {slot:#x} of {place} is not {value:#x}, which the node says")
            }
            None => format!(": {place} has other slots"),
        };
    }
    ": the accounts that the block changes agree, so others differ".to_owned()
}

/// The first transaction whose receipt the node has otherwise.
async fn receipts_hint(node: &Node, work: &Work) -> String {
    let number = format!("{:#x}", work.block.header.number);
    let theirs =
        node.call::<Vec<alloy::rpc::types::TransactionReceipt>>("eth_getBlockReceipts", serde_json::json!([number]));
    let Ok(theirs) = theirs.await else { return String::new() };
    for (index, (ours, theirs)) in work.run.receipts.iter().zip(&theirs).enumerate() {
        let gas = work.run.done.get(index).map(|one| one.meta.gas_used).unwrap_or_default();
        if ours.status() != theirs.status() {
            let says = |succeeds: bool| if succeeds { "succeeds" } else { "fails" };
            return format!(": transaction {index} {} instead of {}", says(ours.status()), says(theirs.status()));
        }
        if gas != theirs.gas_used {
            return format!(": transaction {index} uses {gas} gas instead of {}", theirs.gas_used);
        }
        if ours.logs().len() != theirs.logs().len() {
            return format!(
                ": transaction {index} writes {} logs instead of {}",
                ours.logs().len(),
                theirs.logs().len()
            );
        }
    }
    String::new()
}
