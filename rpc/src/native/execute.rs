//! Running a block's transactions, one by one, on a state that may be known in part.

use std::collections::BTreeSet;
use std::sync::Arc;

use alloy::consensus::transaction::{SignerRecoverable as _, Transaction as _};
use alloy::consensus::{
    Eip658Value, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxEnvelope, TxReceipt as _, TxType,
};
use alloy::eips::eip2718::{Encodable2718 as _, Typed2718 as _};
use alloy::primitives::{Address, B256, KECCAK256_EMPTY, U256, address};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::context_interface::result::ExecutionResult;
use revm::primitives::hardfork::SpecId;
use revm::state::{Account as Touched, EvmState};
use revm::{ExecuteEvm as _, MainBuilder as _, MainContext as _};
use trace_decoder::{ContractCodeUsage, TxnInfo, TxnMeta, TxnTrace};

use super::state::{Body, Overlay, State, View, Wanted};
use crate::convert;
use crate::error::FetchError;
use crate::node::FullBlock;

/// The contract of EIP-4788.
pub(super) const BEACON_ROOTS: Address = address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");

/// Length of its ring buffer.
const HISTORY_BUFFER_LENGTH: u64 = 8191;

/// Of the price of blob gas in Cancun, EIP-4844.
const BLOB_BASE_FEE_UPDATE_FRACTION: u64 = 3_338_477;

const GWEI: u64 = 1_000_000_000;

/// The two slots that a block writes in the contract of EIP-4788, with their new values.
pub(super) fn beacon_slots(header: &Header) -> [(U256, U256); 2] {
    let at = header.timestamp % HISTORY_BUFFER_LENGTH;
    let root = header.parent_beacon_block_root.unwrap_or_default();
    [
        (U256::from(at), U256::from(header.timestamp)),
        (U256::from(at + HISTORY_BUFFER_LENGTH), U256::from_be_bytes(root.0)),
    ]
}

/// A block in execution.
pub(super) struct Run {
    block: Arc<FullBlock>,
    chain_id: u64,
    /// Who sent each transaction.
    senders: Vec<Address>,
    /// What the transactions so far have changed.
    pub(super) overlay: Overlay,
    /// What each has done.
    pub(super) done: Vec<TxnInfo>,
    /// Their receipts.
    pub(super) receipts: Vec<ReceiptEnvelope>,
    /// Keys that were deleted at some point: accounts.
    pub(super) deleted_accounts: BTreeSet<Address>,
    /// Keys that were deleted at some point: slots.
    pub(super) deleted_slots: BTreeSet<(Address, U256)>,
    /// Hashes of code that was read.
    pub(super) codes: BTreeSet<B256>,
    gas_used: u64,
}

impl Run {
    pub(super) fn new(block: Arc<FullBlock>, chain_id: u64) -> Result<Self, FetchError> {
        let senders = block.transactions.iter().enumerate().map(|(index, transaction)| {
            let number = block.header.number;
            if transaction.is_eip7702() {
                return Err(FetchError::Fork {
                    number,
                    fork: "Prague or a later",
                    reason: "it has a set-code transaction, EIP-7702",
                });
            }
            transaction.recover_signer().map_err(|error| FetchError::Transaction {
                number,
                index,
                hash: *transaction.hash(),
                reason: format!("has no valid signature: {error}"),
            })
        });
        let senders = senders.collect::<Result<_, _>>()?;
        let slots = beacon_slots(&block.header);
        let mut run = Self {
            block,
            chain_id,
            senders,
            overlay: Overlay::default(),
            done: Vec::new(),
            receipts: Vec::new(),
            deleted_accounts: BTreeSet::new(),
            deleted_slots: BTreeSet::new(),
            codes: BTreeSet::new(),
            gas_used: 0,
        };
        // The circuits write these, whatever code the contract has; any other would show in the state root.
        for (slot, value) in slots {
            run.write(BEACON_ROOTS, slot, value);
        }
        Ok(run)
    }

    /// What is needed in any case.
    pub(super) fn first_wanted(&self) -> Wanted {
        let mut wanted = Wanted::default();
        let header = &self.block.header;
        beacon_slots(header).into_iter().for_each(|(slot, _)| wanted.slot(BEACON_ROOTS, slot));
        wanted.account(header.beneficiary);
        self.block.withdrawals.iter().for_each(|one| wanted.account(one.address));
        for (transaction, sender) in self.block.transactions.iter().zip(&self.senders) {
            wanted.account(*sender);
            match transaction.to() {
                Some(recipient) => wanted.account(recipient),
                None => wanted.account(sender.create(transaction.nonce())),
            }
            for entry in transaction.access_list().map(|list| list.0.as_slice()).unwrap_or_default() {
                wanted.account(entry.address);
                entry.storage_keys.iter().for_each(|slot| wanted.slot(entry.address, (*slot).into()));
            }
        }
        wanted
    }

    /// Goes on. Returns what was not known; if that is nothing, the block is done. Beyond the first transaction that
    /// something was missing for, the others run as well, only to see what they want.
    pub(super) fn go_on(&mut self, state: &State) -> Result<Wanted, FetchError> {
        let mut wanted = Wanted::default();
        let mut guess: Option<Overlay> = None;
        for index in self.done.len()..self.block.transactions.len() {
            let overlay = guess.as_ref().unwrap_or(&self.overlay);
            let result = self.transact(state, overlay, index, &mut wanted);
            let guessing = guess.is_some();
            match result {
                Ok((result, changes)) if !guessing && wanted.is_empty() => {
                    self.commit(state, index, result, changes)?
                }
                Err(reason) if !guessing && wanted.is_empty() => {
                    let hash = *self.block.transactions[index].hash();
                    return Err(FetchError::Transaction { number: self.block.header.number, index, hash, reason });
                }
                Ok((_, changes)) => {
                    let mut overlay = guess.unwrap_or_else(|| self.overlay.clone());
                    for (address, account) in changes {
                        apply(&mut overlay, address, &account);
                    }
                    guess = Some(overlay);
                }
                Err(_) => guess = Some(guess.unwrap_or_else(|| self.overlay.clone())),
            }
        }
        Ok(wanted)
    }

    /// Withdrawals, after the transactions.
    pub(super) fn finish(&mut self, state: &State) -> Result<(), FetchError> {
        for one in self.block.withdrawals.iter().filter(|one| one.amount != 0) {
            let mut body = self.overlay.body(state, one.address).unwrap_or_default();
            let amount = U256::from(one.amount) * U256::from(GWEI);
            body.balance = body.balance.checked_add(amount).ok_or_else(|| FetchError::Invalid {
                number: self.block.header.number,
                reason: format!("the withdrawal to {} makes its balance overflow", one.address),
            })?;
            self.overlay.set_body(one.address, Some(body));
        }
        Ok(())
    }

    /// Gas that the transactions took together.
    pub(super) fn gas_used(&self) -> u64 {
        self.gas_used
    }

    fn transact(
        &self,
        state: &State,
        overlay: &Overlay,
        index: usize,
        wanted: &mut Wanted,
    ) -> Result<(ExecutionResult, EvmState), String> {
        let header = &self.block.header;
        let mut block = BlockEnv {
            number: U256::from(header.number),
            beneficiary: header.beneficiary,
            timestamp: U256::from(header.timestamp),
            gas_limit: header.gas_limit,
            basefee: header.base_fee_per_gas.unwrap_or_default(),
            difficulty: U256::ZERO,
            prevrandao: Some(header.mix_hash),
            ..BlockEnv::default()
        };
        let excess = header.excess_blob_gas.unwrap_or_default();
        block.set_blob_excess_gas_and_price(excess, BLOB_BASE_FEE_UPDATE_FRACTION);
        let mut cfg = CfgEnv::new_with_spec(SpecId::CANCUN);
        cfg.chain_id = self.chain_id;
        let context = Context::mainnet().with_db(View { state, overlay, wanted }).with_block(block).with_cfg(cfg);
        let transaction = environment(&self.block.transactions[index], self.senders[index]);
        match context.build_mainnet().transact(transaction) {
            Ok(run) => Ok((run.result, run.state)),
            Err(error) => Err(format!("is not valid there: {error}")),
        }
    }

    /// Takes what a transaction did.
    fn commit(
        &mut self,
        state: &State,
        index: usize,
        result: ExecutionResult,
        changes: EvmState,
    ) -> Result<(), FetchError> {
        let block = Arc::clone(&self.block);
        let transaction = &block.transactions[index];
        let gas_used = result.tx_gas_used();
        self.gas_used = self.gas_used.saturating_add(gas_used);
        let receipt = Receipt {
            status: Eip658Value::Eip658(result.is_success()),
            cumulative_gas_used: self.gas_used,
            logs: result.into_logs(),
        };
        let receipt = typed(transaction.tx_type(), receipt.into_with_bloom());
        let mut info = TxnInfo {
            meta: TxnMeta {
                byte_code: transaction.encoded_2718(),
                new_receipt_trie_node_byte: receipt_bytes(&receipt),
                gas_used,
            },
            ..TxnInfo::default()
        };
        for (address, account) in changes {
            let trace = self.trace(state, address, &account);
            info.traces.insert(convert::address(address), trace);
        }
        // Accounts and slots of the access list are read by the circuits, used or not; the fee recipient is paid, if
        // only nothing.
        info.traces.entry(convert::address(self.block.header.beneficiary)).or_default();
        for entry in transaction.access_list().map(|list| list.0.as_slice()).unwrap_or_default() {
            let trace = info.traces.entry(convert::address(entry.address)).or_default();
            for slot in entry.storage_keys.iter().map(|slot| convert::hash(*slot)) {
                if !trace.storage_written.contains_key(&slot) {
                    trace.storage_read.insert(slot);
                }
            }
        }
        self.receipts.push(receipt);
        self.done.push(info);
        Ok(())
    }

    /// What a transaction did to an account, which is done to the overlay as well.
    fn trace(&mut self, state: &State, address: Address, account: &Touched) -> TxnTrace {
        let before = self.overlay.body(state, address);
        let changes = apply(&mut self.overlay, address, account);
        let mut trace = TxnTrace::default();
        for (slot, values) in &account.storage {
            let (key, new) = (convert::word(*slot), values.present_value);
            match values.is_changed() && !changes.left {
                true => {
                    trace.storage_written.insert(key, convert::number(new));
                    if new.is_zero() {
                        self.deleted_slots.insert((address, *slot));
                    }
                }
                false => {
                    trace.storage_read.insert(key);
                }
            }
        }
        if changes.left {
            trace.self_destructed = true;
            self.deleted_accounts.insert(address);
            return trace;
        }
        let old = before.unwrap_or_default();
        if let Some(new) = changes.body {
            trace.balance = (new.balance != old.balance).then(|| convert::number(new.balance));
            trace.nonce = (new.nonce != old.nonce).then(|| new.nonce.into());
        }
        let code = account.info.code.as_ref().filter(|_| account.info.code_hash != KECCAK256_EMPTY);
        match (before, changes.body) {
            (_, Some(new)) if new.code_hash != old.code_hash => {
                let code = code.map(|code| code.original_byte_slice().to_vec()).unwrap_or_default();
                trace.code_usage = Some(ContractCodeUsage::Write(code));
            }
            (Some(_), _) if code.is_some() => {
                self.codes.insert(old.code_hash);
                trace.code_usage = Some(ContractCodeUsage::Read(convert::hash(old.code_hash)));
            }
            _ => {}
        }
        trace
    }

    fn write(&mut self, address: Address, slot: U256, value: U256) {
        self.overlay.set_slot(address, slot, value);
        if value.is_zero() {
            self.deleted_slots.insert((address, slot));
        }
    }
}

/// What a transaction makes of an account.
struct Change {
    /// The account after it, if it was touched and is there.
    body: Option<Body>,
    /// It is not there any more, or never came to stay.
    left: bool,
}

/// Does to the overlay what a transaction did to an account.
fn apply(overlay: &mut Overlay, address: Address, account: &Touched) -> Change {
    if account.is_selfdestructed() {
        overlay.set_body(address, None);
        return Change { body: None, left: true };
    }
    if !account.is_touched() {
        return Change { body: None, left: false };
    }
    if account.is_empty() {
        // EIP-161: an empty account that is touched leaves; one that never was does not come.
        let left = !account.is_loaded_as_not_existing();
        if left {
            overlay.set_body(address, None);
        }
        return Change { body: None, left };
    }
    let info = &account.info;
    let body = Body { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash };
    overlay.set_body(address, Some(body));
    if let Some(code) = info.code.as_ref().filter(|_| account.is_created() && info.code_hash != KECCAK256_EMPTY) {
        overlay.add_code(info.code_hash, code.clone());
    }
    for (slot, values) in account.changed_storage_slots() {
        overlay.set_slot(address, *slot, values.present_value);
    }
    Change { body: Some(body), left: false }
}

fn environment(transaction: &TxEnvelope, sender: Address) -> TxEnv {
    TxEnv {
        tx_type: transaction.ty(),
        caller: sender,
        gas_limit: transaction.gas_limit(),
        gas_price: transaction.max_fee_per_gas(),
        gas_priority_fee: transaction.max_priority_fee_per_gas(),
        kind: transaction.kind(),
        value: transaction.value(),
        data: transaction.input().clone(),
        nonce: transaction.nonce(),
        chain_id: transaction.chain_id(),
        access_list: transaction.access_list().cloned().unwrap_or_default(),
        blob_hashes: transaction.blob_versioned_hashes().map(<[B256]>::to_vec).unwrap_or_default(),
        max_fee_per_blob_gas: transaction.max_fee_per_blob_gas().unwrap_or_default(),
        authorization_list: Vec::new(),
    }
}

fn typed(kind: TxType, receipt: ReceiptWithBloom) -> ReceiptEnvelope {
    match kind {
        TxType::Legacy => ReceiptEnvelope::Legacy(receipt),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(receipt),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(receipt),
        TxType::Eip4844 => ReceiptEnvelope::Eip4844(receipt),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(receipt),
    }
}

/// A receipt as a witness holds it: the list of an old one, a typed one in a string around type and list.
fn receipt_bytes(receipt: &ReceiptEnvelope) -> Vec<u8> {
    let bytes = receipt.encoded_2718();
    match receipt.is_legacy() {
        true => bytes,
        false => alloy::rlp::encode(bytes.as_slice()),
    }
}
