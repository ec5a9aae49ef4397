//! The chain: a genesis block, a block with one transfer, and a block with one withdrawal, by the rules of Cancun.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use ethereum_types::{Address, H256, U256};
use k256::ecdsa::SigningKey;
use keccak_hash::keccak;
use rlp::RlpStream;
use trace_decoder::TxnTrace;

use crate::header::Header;
use crate::state::{Account, BEACON_ROOTS, BEACON_ROOTS_CODE, GWEI, State, list_root};
use crate::transaction::{TRANSFER_GAS, Transfer, address, key, receipt};

/// Chain id, the usual one of development chains.
pub(crate) const CHAIN_ID: u64 = 1337;

/// Timestamp of the genesis block: 2024-07-03 09:46:40 UTC, when mainnet was in Cancun.
const GENESIS_TIMESTAMP: u64 = 1_720_000_000;

/// Seconds from block to block.
const SLOT: u64 = 12;

/// Wei in an ether.
const ETHER: u64 = 1_000_000_000 * GWEI;

/// A block and what a witness of it needs.
pub(crate) struct Block {
    /// Its header.
    pub(crate) header: Header,
    /// Its transactions, in order.
    pub(crate) transactions: Vec<Executed>,
    /// Its withdrawals, in order.
    pub(crate) withdrawals: Vec<Withdrawal>,
    /// The state that it starts from.
    pub(crate) state_before: State,
}

/// A transaction that is in a block.
pub(crate) struct Executed {
    /// As it stands in the transactions trie.
    pub(crate) bytes: Vec<u8>,
    /// As it stands in the receipts trie.
    pub(crate) receipt: Vec<u8>,
    /// Its own gas, without that of the transactions before it.
    pub(crate) gas_used: u64,
    /// What it did to each account.
    pub(crate) traces: BTreeMap<Address, TxnTrace>,
}

/// A payment from the beacon chain (EIP-4895).
pub(crate) struct Withdrawal {
    /// Counts up over the whole chain.
    pub(crate) index: u64,
    /// Validator whose stake it is.
    pub(crate) validator_index: u64,
    /// Receiver.
    pub(crate) address: Address,
    /// Amount.
    pub(crate) gwei: u64,
}

impl Withdrawal {
    /// Its RLP, as it stands in the withdrawals trie.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut rlp = RlpStream::new_list(4);
        rlp.append(&self.index);
        rlp.append(&self.validator_index);
        rlp.append(&self.address);
        rlp.append(&self.gwei);
        rlp.out().to_vec()
    }
}

/// The whole chain; the genesis block is the first.
pub(crate) fn build() -> anyhow::Result<Vec<Block>> {
    let sender = key("witness-generator: sender")?;
    let receiver = address(&key("witness-generator: receiver")?);
    let funded = |ether: u64| Account { balance: U256::from(ether) * ETHER, ..Account::default() };
    let contract = Account { nonce: 1, code: BEACON_ROOTS_CODE.to_vec(), ..Account::default() };
    let mut state = State::new([(address(&sender), funded(1_000)), (receiver, funded(1)), (BEACON_ROOTS, contract)]);

    let transfer = Transfer {
        chain_id: CHAIN_ID,
        nonce: 0,
        max_priority_fee: 2 * GWEI,
        max_fee: 20 * GWEI,
        to: receiver,
        value: ETHER.into(),
    };
    let withdrawal = Withdrawal { index: 0, validator_index: 0, address: receiver, gwei: 17_000_000 };

    let mut chain = vec![genesis(&state)?];
    for (transactions, withdrawals) in [(vec![transfer], vec![]), (vec![], vec![withdrawal])] {
        let parent = chain.last().context("the chain starts with a genesis block")?;
        let block = block(&parent.header, &mut state, &sender, &transactions, withdrawals)?;
        chain.push(block);
    }
    Ok(chain)
}

fn genesis(state: &State) -> anyhow::Result<Block> {
    let header = Header {
        parent_hash: H256::zero(),
        beneficiary: Address::zero(),
        state_root: state.root()?,
        transactions_root: list_root([])?,
        receipts_root: list_root([])?,
        number: 0,
        gas_used: 0,
        timestamp: GENESIS_TIMESTAMP,
        prev_randao: H256::zero(),
        base_fee: GWEI,
        withdrawals_root: list_root([])?,
        parent_beacon_block_root: H256::zero(),
    };
    Ok(Block { header, transactions: vec![], withdrawals: vec![], state_before: State::default() })
}

/// Makes the block after `parent` and takes `state` through it. Fees go to an account that no one has used before.
fn block(
    parent: &Header,
    state: &mut State,
    sender: &SigningKey,
    transfers: &[Transfer],
    withdrawals: Vec<Withdrawal>,
) -> anyhow::Result<Block> {
    let state_before = state.clone();
    let number = parent.number + 1;
    let timestamp = parent.timestamp + SLOT;
    let base_fee = parent.next_base_fee();
    let beneficiary = address(&key("witness-generator: beneficiary")?);
    // There is no beacon chain: its values only have to look like hashes and differ from block to block.
    let prev_randao = keccak(format!("witness-generator: randao of block {number}"));
    let parent_beacon_block_root = keccak(format!("witness-generator: beacon block before block {number}"));

    state.remember_beacon_root(timestamp, parent_beacon_block_root);
    let mut gas_used = 0;
    let mut transactions = vec![];
    for transfer in transfers {
        let traces = execute(state, transfer, address(sender), beneficiary, base_fee)?;
        gas_used += TRANSFER_GAS;
        transactions.push(Executed {
            bytes: transfer.sign(sender)?,
            receipt: receipt(gas_used),
            gas_used: TRANSFER_GAS,
            traces,
        });
    }
    for withdrawal in &withdrawals {
        state.withdraw(withdrawal.address, withdrawal.gwei);
    }

    let header = Header {
        parent_hash: parent.hash(),
        beneficiary,
        state_root: state.root()?,
        transactions_root: list_root(transactions.iter().map(|it| it.bytes.clone()))?,
        receipts_root: list_root(transactions.iter().map(|it| it.receipt.clone()))?,
        number,
        gas_used,
        timestamp,
        prev_randao,
        base_fee,
        withdrawals_root: list_root(withdrawals.iter().map(Withdrawal::encode))?,
        parent_beacon_block_root,
    };
    Ok(Block { header, transactions, withdrawals, state_before })
}

/// Runs a transfer: value and fee leave the sender, the value goes to the receiver, the priority fee to the
/// beneficiary, and the base fee is burnt. Returns what changed.
fn execute(
    state: &mut State,
    transfer: &Transfer,
    sender: Address,
    beneficiary: Address,
    base_fee: u64,
) -> anyhow::Result<BTreeMap<Address, TxnTrace>> {
    let before = state.clone();
    let tip = transfer.priority_fee(base_fee).context("the transfer offers less than the base fee")?;
    ensure!(before.get(sender).nonce == transfer.nonce, "the transfer is not the sender's next transaction");

    let fee = U256::from(TRANSFER_GAS) * (base_fee + tip);
    let payer = state.entry(sender);
    payer.nonce += 1;
    payer.balance = payer.balance.checked_sub(transfer.value + fee).context("the sender has too little ether")?;
    state.entry(transfer.to).balance += transfer.value;
    state.entry(beneficiary).balance += U256::from(TRANSFER_GAS) * tip;

    let trace = |address| {
        let (old, new) = (before.get(address), state.get(address));
        let balance = (new.balance != old.balance).then_some(new.balance);
        let nonce = (new.nonce != old.nonce).then_some(new.nonce.into());
        (address, TxnTrace { balance, nonce, ..TxnTrace::default() })
    };
    Ok([sender, transfer.to, beneficiary].map(trace).into())
}
