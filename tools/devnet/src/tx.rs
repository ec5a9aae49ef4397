//! Transactions as data, and their signatures.

use alloy::consensus::{
    EthereumTxEnvelope, SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip4844WithSidecar, TxLegacy,
};
use alloy::eips::eip2718::Encodable2718;
use alloy::eips::eip2930::{AccessList, AccessListItem};
use alloy::eips::eip4844::BlobTransactionSidecar;
use alloy::network::TxSignerSync;
use alloy::primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy::sol_types::SolCall;

use crate::blob::{Blob, sidecar};
use crate::{ACCOUNTS, DevnetError, accounts};

/// One gwei in wei.
pub const GWEI: u128 = 1_000_000_000;
/// The most that a transaction pays per gas, and per blob gas.
const MAX_FEE: u128 = 100 * GWEI;

/// A transaction, without what depends on the block that it gets into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tx {
    /// The sender, a place in [`ACCOUNTS`].
    pub from: usize,
    /// The recipient; none to create a contract.
    pub to: Option<Address>,
    /// Calldata, or the code that creates.
    pub data: Bytes,
    /// In wei.
    pub value: U256,
    /// The most gas that it may use.
    pub gas: u64,
    /// How it is signed and pays.
    pub kind: Kind,
    /// In wei per gas. If there is none, the block gives every transaction a little less than the one before, which
    /// makes the node keep their order.
    pub tip: Option<u128>,
    /// Addresses and slots that it says it will access; not for legacy transactions.
    pub access: AccessList,
}

/// How a transaction is signed and pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// As in the beginning, with the chain id in the signature (EIP-155).
    Legacy,
    /// As in the beginning, for any chain.
    Unprotected,
    /// With an access list (EIP-2930, type 1).
    AccessList,
    /// With a tip and a limit (EIP-1559, type 2).
    DynamicFee,
    /// With blobs (EIP-4844, type 3).
    Blobs(Vec<Blob>),
}

impl Tx {
    /// A plain transfer of some wei.
    pub fn transfer(from: usize, to: Address, wei: u128) -> Self {
        let data = Bytes::new();
        let value = U256::from(wei);
        Self { from, to: Some(to), data, value, gas: 21_000, kind: Kind::DynamicFee, tip: None, access: <_>::default() }
    }

    /// A call with this calldata.
    pub fn data(from: usize, to: Address, data: impl Into<Bytes>) -> Self {
        Self { data: data.into(), gas: 500_000, ..Self::transfer(from, to, 0) }
    }

    /// A call of a contract's function.
    pub fn call(from: usize, to: Address, call: &impl SolCall) -> Self {
        Self::data(from, to, call.abi_encode())
    }

    /// The creation of a contract.
    pub fn create(from: usize, code: impl Into<Bytes>) -> Self {
        Self { to: None, gas: 3_000_000, ..Self::data(from, Address::ZERO, code) }
    }

    /// The same with some wei.
    pub fn value(self, wei: u128) -> Self {
        Self { value: U256::from(wei), ..self }
    }

    /// The same with another limit of gas.
    pub fn gas(self, gas: u64) -> Self {
        Self { gas, ..self }
    }

    /// The same in another kind.
    pub fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The same with a fixed tip, in wei per gas. The order in the block is then the caller's concern.
    pub fn tip(self, wei: u128) -> Self {
        Self { tip: Some(wei), ..self }
    }

    /// The same with one more entry of its access list.
    pub fn access(mut self, address: Address, slots: impl IntoIterator<Item = U256>) -> Self {
        let storage_keys = slots.into_iter().map(B256::from).collect();
        self.access.0.push(AccessListItem { address, storage_keys });
        self
    }

    /// The sender's address.
    pub(crate) fn sender(&self, index: usize) -> Result<Address, DevnetError> {
        let missing = || DevnetError::Transaction { index, why: format!("there is no account {}", self.from) };
        ACCOUNTS.get(self.from).copied().ok_or_else(missing)
    }

    /// Signs it, for the pool of a node. `index` is its place in the block, for errors.
    pub(crate) fn sign(&self, index: usize, on: Terms) -> Result<Signed, DevnetError> {
        let to = self.to.map_or(TxKind::Create, TxKind::Call);
        let Terms { nonce, chain_id, base_fee, tip } = on;
        let tip = self.tip.unwrap_or(tip);
        let Self { value, gas: gas_limit, .. } = *self;
        let (input, access_list) = (self.data.clone(), self.access.clone());
        let gas_price = base_fee + tip;
        let envelope: EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecar>> = match &self.kind {
            Kind::Legacy | Kind::Unprotected => {
                let chain_id = (self.kind == Kind::Legacy).then_some(chain_id);
                let tx = TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input };
                self.signed(index, tx)?.into()
            }
            Kind::AccessList => {
                let tx = TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
                self.signed(index, tx)?.into()
            }
            Kind::DynamicFee => {
                let (max_fee_per_gas, max_priority_fee_per_gas) = (MAX_FEE, tip);
                let tx = TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to,
                    value,
                    access_list,
                    input,
                };
                self.signed(index, tx)?.into()
            }
            Kind::Blobs(blobs) => {
                let why = "a transaction with blobs creates no contract".into();
                let to = self.to.ok_or(DevnetError::Transaction { index, why })?;
                let tx = TxEip4844 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: MAX_FEE,
                    max_priority_fee_per_gas: tip,
                    to,
                    value,
                    access_list,
                    blob_versioned_hashes: blobs.iter().map(|blob| blob.versioned_hash()).collect(),
                    max_fee_per_blob_gas: MAX_FEE,
                    input,
                };
                self.signed(index, TxEip4844WithSidecar { tx, sidecar: sidecar(blobs) })?.into()
            }
        };
        Ok(Signed { hash: *envelope.tx_hash(), raw: envelope.encoded_2718().into() })
    }

    fn signed<T: SignableTransaction<Signature>>(
        &self,
        index: usize,
        mut tx: T,
    ) -> Result<alloy::consensus::Signed<T>, DevnetError> {
        let missing = || DevnetError::Transaction { index, why: format!("there is no account {}", self.from) };
        let signer = accounts::signer(self.from).ok_or_else(missing)?;
        let failed = |error| DevnetError::Transaction { index, why: format!("cannot be signed: {error}") };
        let signature = signer.sign_transaction_sync(&mut tx).map_err(failed)?;
        Ok(tx.into_signed(signature))
    }
}

/// What a transaction gets from the block that it is to be in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) nonce: u64,
    pub(crate) chain_id: u64,
    /// In wei per gas.
    pub(crate) base_fee: u128,
    /// In wei per gas, if the transaction says none.
    pub(crate) tip: u128,
}

/// A signed transaction.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) hash: B256,
    /// With blobs, if it has any.
    pub(crate) raw: Bytes,
}
