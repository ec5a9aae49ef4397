//! World state of the chain: its accounts, their storage, and the tries that commit to them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use ethereum_types::{Address, BigEndianHash as _, H160, H256, U256};
use evm_arithmetization::generation::mpt::AccountRlp;
use hex_literal::hex;
use keccak_hash::keccak;
use mpt_trie::nibbles::Nibbles;
use mpt_trie::partial_trie::{HashedPartialTrie, PartialTrie as _};

/// Where the beacon block roots are kept; EIP-4788, `BEACON_ROOTS_ADDRESS`.
pub(crate) const BEACON_ROOTS: Address = H160(hex!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02"));

/// Runtime code of the contract at [`BEACON_ROOTS`]; EIP-4788, "Bytecode".
pub(crate) const BEACON_ROOTS_CODE: [u8; 97] = hex!(
    "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff810690815414"
    "603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff015500"
);

/// Slots in each of the contract's two ring buffers, timestamps first; EIP-4788, `HISTORY_BUFFER_LENGTH`.
const HISTORY_BUFFER_LENGTH: u64 = 8191;

/// Wei in a gwei.
pub(crate) const GWEI: u64 = 1_000_000_000;

/// One account. No entry of `storage` is zero.
#[derive(Clone, Default)]
pub(crate) struct Account {
    /// Transactions sent, or 1 for a contract (EIP-161).
    pub(crate) nonce: u64,
    /// Wei.
    pub(crate) balance: U256,
    /// Runtime code, empty unless the account is a contract.
    pub(crate) code: Vec<u8>,
    /// Slot to value.
    pub(crate) storage: BTreeMap<U256, U256>,
}

/// Every account there is.
#[derive(Clone, Default)]
pub(crate) struct State {
    accounts: BTreeMap<Address, Account>,
}

impl State {
    /// A state with nothing in it but `accounts`.
    pub(crate) fn new(accounts: impl IntoIterator<Item = (Address, Account)>) -> Self {
        Self { accounts: accounts.into_iter().collect() }
    }

    /// The account at `address`; an empty one when there is none.
    pub(crate) fn get(&self, address: Address) -> Account {
        self.accounts.get(&address).cloned().unwrap_or_default()
    }

    /// The account at `address`, made when there is none.
    pub(crate) fn entry(&mut self, address: Address) -> &mut Account {
        self.accounts.entry(address).or_default()
    }

    /// What every block does before its first transaction: remembers its timestamp and the root of the beacon block
    /// before it (EIP-4788, "Block processing").
    pub(crate) fn remember_beacon_root(&mut self, timestamp: u64, root: H256) {
        let slot = timestamp % HISTORY_BUFFER_LENGTH;
        let storage = &mut self.entry(BEACON_ROOTS).storage;
        for (slot, value) in [(slot, timestamp.into()), (slot + HISTORY_BUFFER_LENGTH, root.into_uint())] {
            // Storage holds no zeros.
            if value.is_zero() {
                storage.remove(&slot.into());
            } else {
                storage.insert(slot.into(), value);
            }
        }
    }

    /// What every block does after its last transaction: pays out withdrawals, in gwei (EIP-4895, "State transition").
    pub(crate) fn withdraw(&mut self, address: Address, gwei: u64) {
        self.entry(address).balance += U256::from(gwei) * GWEI;
    }

    /// Every contract's code, once.
    pub(crate) fn codes(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.accounts.values().map(|account| account.code.clone()).filter(|code| !code.is_empty())
    }

    /// The whole state trie, none of its hashes computed yet.
    pub(crate) fn trie(&self) -> anyhow::Result<HashedPartialTrie> {
        trie(self.accounts.iter().map(|(address, account)| {
            let leaf = AccountRlp {
                nonce: account.nonce.into(),
                balance: account.balance,
                storage_root: storage_trie(account)?.hash(),
                code_hash: keccak(&account.code),
            };
            Ok((keccak(address).0.to_vec(), rlp::encode(&leaf).to_vec()))
        }))
    }

    /// The whole storage trie of every contract by the hash of its address, none of the hashes inside computed yet.
    pub(crate) fn storage_tries(&self) -> anyhow::Result<BTreeMap<H256, HashedPartialTrie>> {
        let contracts = self.accounts.iter().filter(|(_, account)| !account.code.is_empty());
        contracts.map(|(address, account)| Ok((keccak(address), storage_trie(account)?))).collect()
    }

    /// Root of [`Self::trie`].
    pub(crate) fn root(&self) -> anyhow::Result<H256> {
        Ok(self.trie()?.hash())
    }
}

/// Root of the trie that commits to a list: transactions, receipts or withdrawals, keyed by the RLP of their index.
pub(crate) fn list_root(items: impl IntoIterator<Item = Vec<u8>>) -> anyhow::Result<H256> {
    let items = items.into_iter().enumerate();
    Ok(trie(items.map(|(index, item)| Ok((rlp::encode(&index).to_vec(), item))))?.hash())
}

fn storage_trie(account: &Account) -> anyhow::Result<HashedPartialTrie> {
    trie(account.storage.iter().map(|(slot, value)| {
        let slot: H256 = H256::from_uint(slot);
        Ok((keccak(slot).0.to_vec(), rlp::encode(value).to_vec()))
    }))
}

fn trie(leaves: impl Iterator<Item = anyhow::Result<(Vec<u8>, Vec<u8>)>>) -> anyhow::Result<HashedPartialTrie> {
    let mut trie = HashedPartialTrie::default();
    for leaf in leaves {
        let (key, value) = leaf?;
        let key = Nibbles::from_bytes_be(&key).context("a trie key is longer than a hash")?;
        trie.insert(key, value).context("cannot insert into a trie without hashed nodes")?;
    }
    Ok(trie)
}
