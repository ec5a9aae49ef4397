//! The state before a block, as far as it is known, every part of it proved; and what a block's transactions change in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use futures_util::future::try_join_all;
use revm::Database;
use revm::bytecode::Bytecode;
use revm::state::AccountInfo;

use crate::node::{Node, NodeError};
use crate::trie::{Account, EMPTY_ROOT, Pool};

/// What execution asked for and did not get.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Accounts, with slots.
    pub(super) accounts: BTreeMap<Address, BTreeSet<U256>>,
    /// Code by hash, and an account that has it.
    pub(super) codes: BTreeMap<B256, Address>,
}

impl Wanted {
    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.codes.is_empty()
    }

    pub(super) fn add(&mut self, other: Self) {
        for (address, slots) in other.accounts {
            self.accounts.entry(address).or_default().extend(slots);
        }
        self.codes.extend(other.codes);
    }

    pub(super) fn account(&mut self, address: Address) {
        self.accounts.entry(address).or_default();
    }

    pub(super) fn slot(&mut self, address: Address, slot: U256) {
        self.accounts.entry(address).or_default().insert(slot);
    }
}

/// The state after the block before.
#[derive(Debug)]
pub(super) struct State {
    /// Number of the block before.
    pub(super) number: u64,
    /// Root of its state.
    pub(super) root: B256,
    /// All nodes of tries that are known.
    pub(super) pool: Pool,
    /// Accounts that are known, or known to be missing.
    pub(super) accounts: BTreeMap<Address, Option<Account>>,
    slots: HashMap<Address, HashMap<U256, U256>>,
    codes: HashMap<B256, Bytecode>,
    holders: HashMap<B256, Address>,
    /// Hashes of the 256 blocks before, the oldest first.
    pub(super) hashes: Vec<B256>,
}

impl State {
    pub(super) fn new(number: u64, root: B256, hashes: Vec<B256>) -> Self {
        Self {
            number,
            root,
            pool: Pool::default(),
            accounts: BTreeMap::new(),
            slots: HashMap::new(),
            codes: HashMap::new(),
            holders: HashMap::new(),
            hashes,
        }
    }

    /// Fetches what is wanted and not known.
    pub(super) async fn fetch(&mut self, node: &Node, wanted: Wanted) -> Result<(), NodeError> {
        let (number, root) = (self.number, self.root);
        let accounts = wanted.accounts.into_iter().filter_map(|(address, slots)| {
            let slots: Vec<U256> = slots.into_iter().filter(|slot| self.slot(address, *slot).is_none()).collect();
            (!slots.is_empty() || !self.accounts.contains_key(&address)).then_some((address, slots))
        });
        let proofs = accounts.map(|(address, slots)| async move {
            Ok::<_, NodeError>((address, node.proof(address, &slots, number, root).await?))
        });
        let codes = wanted.codes.into_iter().filter(|(hash, _)| !self.codes.contains_key(hash));
        let codes = codes
            .map(|(hash, address)| async move { Ok::<_, NodeError>((hash, node.code(address, number, hash).await?)) });
        let (proofs, codes) = futures_util::future::try_join(try_join_all(proofs), try_join_all(codes)).await?;
        for (address, proof) in proofs {
            if let Some(account) = &proof.account {
                self.holders.entry(account.code_hash).or_insert(address);
            }
            self.accounts.insert(address, proof.account);
            self.slots.entry(address).or_default().extend(proof.slots);
            self.pool.absorb(proof.nodes);
        }
        for (hash, code) in codes {
            self.add_code(hash, code);
        }
        Ok(())
    }

    /// Code whose hash is known to be this.
    pub(super) fn add_code(&mut self, hash: B256, code: Bytes) {
        self.codes.insert(hash, Bytecode::new_legacy(code));
    }

    /// Code that was fetched.
    pub(super) fn code(&self, hash: B256) -> Option<&Bytecode> {
        self.codes.get(&hash)
    }

    /// A slot, if it is known.
    fn slot(&self, address: Address, slot: U256) -> Option<U256> {
        match self.accounts.get(&address)? {
            None => Some(U256::ZERO),
            Some(account) if account.storage_root == EMPTY_ROOT => Some(U256::ZERO),
            Some(_) => self.slots.get(&address)?.get(&slot).copied(),
        }
    }
}

/// An account without its storage, at some point of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) nonce: u64,
    pub(super) balance: U256,
    pub(super) code_hash: B256,
}

impl From<&Account> for Body {
    fn from(account: &Account) -> Self {
        Self { nonce: account.nonce, balance: account.balance, code_hash: account.code_hash }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::from(&Account::default())
    }
}

/// What a block has changed so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Overlay {
    /// Accounts that changed; none for those that left.
    pub(super) accounts: BTreeMap<Address, Option<Body>>,
    /// Slots that changed.
    pub(super) slots: BTreeMap<Address, BTreeMap<U256, U256>>,
    codes: HashMap<B256, Bytecode>,
}

impl Overlay {
    /// An account as it is now; none if it is missing or not known.
    pub(super) fn body(&self, state: &State, address: Address) -> Option<Body> {
        match self.accounts.get(&address) {
            Some(body) => *body,
            None => state.accounts.get(&address)?.as_ref().map(Body::from),
        }
    }

    pub(super) fn set_body(&mut self, address: Address, body: Option<Body>) {
        self.accounts.insert(address, body);
        if body.is_none() {
            // Cancun removes only accounts that were created in the same transaction, or have neither code nor nonce:
            // whatever their storage holds was set in this block.
            if let Some(slots) = self.slots.get_mut(&address) {
                slots.values_mut().for_each(|value| *value = U256::ZERO);
            }
        }
    }

    pub(super) fn set_slot(&mut self, address: Address, slot: U256, value: U256) {
        self.slots.entry(address).or_default().insert(slot, value);
    }

    pub(super) fn add_code(&mut self, hash: B256, code: Bytecode) {
        self.codes.insert(hash, code);
    }
}

/// State and changes as revm asks for them. What is not known is noted, and guessed to be nothing: a run that guessed is
/// repeated.
pub(super) struct View<'a> {
    pub(super) state: &'a State,
    pub(super) overlay: &'a Overlay,
    pub(super) wanted: &'a mut Wanted,
}

impl Database for View<'_> {
    type Error = std::convert::Infallible;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let known = self.overlay.accounts.contains_key(&address) || self.state.accounts.contains_key(&address);
        if !known {
            self.wanted.account(address);
        }
        let info = self.overlay.body(self.state, address).map(|body| AccountInfo {
            nonce: body.nonce,
            balance: body.balance,
            code_hash: body.code_hash,
            // So that code is asked for when it is used, and only then.
            code: None,
            ..AccountInfo::default()
        });
        Ok(info)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Self::Error> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.overlay.codes.get(&hash).or_else(|| self.state.codes.get(&hash)) {
            return Ok(code.clone());
        }
        if let Some(holder) = self.state.holders.get(&hash) {
            self.wanted.codes.insert(hash, *holder);
        }
        Ok(Bytecode::default())
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        if let Some(value) = self.overlay.slots.get(&address).and_then(|slots| slots.get(&slot)) {
            return Ok(*value);
        }
        Ok(self.state.slot(address, slot).unwrap_or_else(|| {
            self.wanted.slot(address, slot);
            U256::ZERO
        }))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        let back = self.state.number.checked_sub(number).and_then(|back| usize::try_from(back).ok());
        let at = back.and_then(|back| self.state.hashes.len().checked_sub(back + 1));
        Ok(at.and_then(|at| self.state.hashes.get(at).copied()).unwrap_or_default())
    }
}
