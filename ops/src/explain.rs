//! Why a batch does not end where its witness says: which root, which account, which of its fields.
//!
//! The kernel only panics. What it had computed until then is compared with what the decoder made of the witness.

use std::collections::{BTreeMap, BTreeSet};

use ethereum_types::{Address, H256};
use evm_arithmetization::GenerationInputs;
use evm_arithmetization::generation::DebugOutputTries;
use evm_arithmetization::generation::mpt::AccountRlp;
use evm_arithmetization::testing_utils::BEACON_ROOTS_CONTRACT_ADDRESS;
use evm_arithmetization::tries::MptKey;
use evm_arithmetization::world::Type1World;
use mpt_trie::nibbles::Nibbles;
use mpt_trie::partial_trie::{HashedPartialTrie, PartialTrie};
use mpt_trie::trie_ops::ValOrHash;
use trace_decoder::observer::TriesObserver;
use trace_decoder::{WireDisposition, entrypoint};

use crate::panics;
use crate::witness::Witness;

/// Accounts and slots that are named at most.
const NAMED: usize = 5;

/// What does not match, a sentence each; empty if nothing can be found out.
pub fn explain(
    witness: &Witness,
    batch_size: u32,
    batch: usize,
    inputs: &GenerationInputs,
    found: &DebugOutputTries,
) -> Vec<String> {
    let wanted = &inputs.trie_roots_after;
    let state = found.state_trie.hash();
    let before = [inputs.tries.state_trie.hash(), HashedPartialTrie::default().hash()];
    if before.contains(&state) && state != wanted.state_root {
        return vec!["execution stopped before there was a new state".to_owned()];
    }
    let roots = [
        ("state", state, wanted.state_root),
        ("transactions", found.transaction_trie.hash(), wanted.transactions_root),
        ("receipts", found.receipt_trie.hash(), wanted.receipts_root),
    ];
    let differ = roots.into_iter().filter(|(_, found, wanted)| found != wanted);
    let mut said: Vec<_> = differ
        .map(|(what, found, wanted)| {
            format!("the {what} root is {found:?} after execution and {wanted:?} by the witness")
        })
        .collect();
    if state != wanted.state_root
        && let Some(world) = expected(witness, batch_size, batch)
    {
        let names = Names::of(witness, inputs);
        said.extend(accounts(&names, &found.state_trie, &world));
    }
    said
}

/// The state after a batch, by the witness.
fn expected(witness: &Witness, batch_size: u32, batch: usize) -> Option<Type1World> {
    let Witness { block_trace, other_data } = witness.clone();
    let mut observer = TriesObserver::new();
    let decode = || entrypoint(block_trace, other_data, batch_size as usize, &mut observer, WireDisposition::Type1);
    panics::catch(decode).ok()?.ok()?;
    let mut after = observer.data.into_iter().filter(|after| after.batch == batch);
    after.next().map(|after| after.tries.world)
}

/// Tries know only hashes of addresses.
struct Names {
    addresses: BTreeMap<H256, Address>,
    /// Slots that the batch writes, by the witness.
    written: BTreeMap<Address, BTreeSet<H256>>,
}

impl Names {
    fn of(witness: &Witness, inputs: &GenerationInputs) -> Self {
        let txs = &witness.block_trace.txn_info;
        let traced = txs.iter().flat_map(|tx| tx.traces.keys().copied());
        let others = witness.other_data.b_data.withdrawals.iter().map(|(address, _)| *address);
        let fees = witness.other_data.b_data.b_meta.block_beneficiary;
        let all = traced.chain(others).chain([fees, BEACON_ROOTS_CONTRACT_ADDRESS]);
        let addresses = all.map(|address| (keccak_hash::keccak(address), address)).collect();
        let mut written: BTreeMap<Address, BTreeSet<H256>> = BTreeMap::new();
        let first = inputs.txn_number_before.low_u64() as usize;
        for (address, trace) in txs.iter().skip(first).take(inputs.signed_txns.len()).flat_map(|tx| &tx.traces) {
            written.entry(*address).or_default().extend(trace.storage_written.keys());
        }
        Self { addresses, written }
    }

    fn name(&self, key: H256) -> String {
        match self.addresses.get(&key) {
            Some(address) => format!("account {address:?}"),
            None => format!("an account that the witness does not name (hash {key:?})"),
        }
    }

    fn slots(&self, key: H256) -> String {
        let slots = self.addresses.get(&key).and_then(|address| self.written.get(address));
        let slots: Vec<_> = slots.into_iter().flatten().map(|slot| format!("{slot:?}")).collect();
        match slots.len() {
            0 => ", of which the witness has no write in this batch".to_owned(),
            all if all > NAMED => {
                format!(", by the witness written at {} and {} more", slots[..NAMED].join(", "), all - NAMED)
            }
            _ => format!(", by the witness written at {}", slots.join(", ")),
        }
    }
}

/// Accounts that are not the same in both.
fn accounts(names: &Names, found: &HashedPartialTrie, wanted: &Type1World) -> Vec<String> {
    let hidden = hidden(found);
    let (found, wanted) = (leaves(found), leaves(wanted.state_trie()));
    let keys: BTreeSet<_> = found.keys().chain(wanted.keys()).copied().collect();
    let mut said = Vec::new();
    for key in keys {
        let name = names.name(key);
        let fields = match (found.get(&key), wanted.get(&key)) {
            (Some(found), Some(wanted)) => differences(names, key, found, wanted),
            (Some(found), None) => vec![format!("is there after execution ({found:?}) and not by the witness")],
            // Not of this batch.
            (None, Some(_)) if hidden.iter().any(|path| path.is_prefix_of(key)) => Vec::new(),
            (None, Some(_)) => vec!["is not there after execution, and by the witness it is".to_owned()],
            (None, None) => Vec::new(),
        };
        said.extend(fields.into_iter().map(|field| format!("{name} {field}")));
    }
    let more = said.len().saturating_sub(2 * NAMED);
    said.truncate(2 * NAMED);
    if more > 0 {
        said.push(format!("and {more} more"));
    }
    said
}

fn differences(names: &Names, key: H256, found: &AccountRlp, wanted: &AccountRlp) -> Vec<String> {
    let fields = [
        ("balance", found.balance.to_string(), wanted.balance.to_string(), String::new()),
        ("nonce", found.nonce.to_string(), wanted.nonce.to_string(), String::new()),
        ("code hash", format!("{:?}", found.code_hash), format!("{:?}", wanted.code_hash), String::new()),
        (
            "storage root",
            format!("{:?}", found.storage_root),
            format!("{:?}", wanted.storage_root),
            if found.storage_root == wanted.storage_root { String::new() } else { names.slots(key) },
        ),
    ];
    let differ = fields.into_iter().filter(|(_, found, wanted, _)| found != wanted);
    differ
        .map(|(field, found, wanted, hint)| {
            format!("has {field} {found} after execution and {wanted} by the witness{hint}")
        })
        .collect()
}

/// Parts of a trie of which only the hash is there.
fn hidden(trie: &HashedPartialTrie) -> Vec<Part> {
    let parts = trie.items().filter_map(|(path, value)| match value {
        ValOrHash::Hash(_) => Some(Part(path)),
        ValOrHash::Val(_) => None,
    });
    parts.collect()
}

struct Part(Nibbles);

impl Part {
    fn is_prefix_of(&self, key: H256) -> bool {
        let key = MptKey::from_hash(key).into_nibbles();
        key.get_next_nibbles(self.0.count) == self.0
    }
}

/// The accounts that a trie holds.
fn leaves(trie: &HashedPartialTrie) -> BTreeMap<H256, AccountRlp> {
    let leaves = trie.items().filter_map(|(path, value)| match value {
        ValOrHash::Val(value) => Some((MptKey::from_nibbles(path).into_hash()?, rlp::decode(&value).ok()?)),
        ValOrHash::Hash(_) => None,
    });
    leaves.collect()
}
