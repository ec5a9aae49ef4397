//! The one kind of transaction on the chain: a transfer of ether, priced by EIP-1559 and signed.

use ethereum_types::{Address, Bloom, U256};
use k256::ecdsa::SigningKey;
use keccak_hash::keccak;
use rlp::RlpStream;

/// Gas that a transfer without data to an account without code uses; yellow paper, `G_transaction`.
pub(crate) const TRANSFER_GAS: u64 = 21_000;

/// EIP-2718 type of transactions and receipts; EIP-1559.
const FEE_MARKET: u8 = 2;

/// A throw-away key: the hash of `label`. Never send anything of value to its address.
pub(crate) fn key(label: &str) -> anyhow::Result<SigningKey> {
    Ok(SigningKey::from_slice(keccak(label).as_bytes())?)
}

/// The account that `key` controls: the last 20 bytes of its public key's hash.
pub(crate) fn address(key: &SigningKey) -> Address {
    // The uncompressed point starts with a tag byte, which is not part of what is hashed.
    let point = key.verifying_key().to_encoded_point(false);
    Address::from_slice(&keccak(&point.as_bytes()[1..])[12..])
}

/// A transfer of ether, unsigned. Amounts are in wei, fees in wei per gas.
pub(crate) struct Transfer {
    /// Chain that it is valid on.
    pub(crate) chain_id: u64,
    /// Transactions that the sender has sent before.
    pub(crate) nonce: u64,
    /// Most that the beneficiary gets.
    pub(crate) max_priority_fee: u64,
    /// Most that the sender pays, base fee included.
    pub(crate) max_fee: u64,
    /// Receiver.
    pub(crate) to: Address,
    /// Amount.
    pub(crate) value: U256,
}

impl Transfer {
    /// What the beneficiary gets per gas in a block with `base_fee`; `None` when the sender does not offer as much as
    /// the base fee.
    pub(crate) fn priority_fee(&self, base_fee: u64) -> Option<u64> {
        Some(self.max_priority_fee.min(self.max_fee.checked_sub(base_fee)?))
    }

    /// The transaction as it is broadcast and hashed: its type and the RLP of its fields and signature (EIP-1559).
    /// The signature's nonce is that of RFC 6979, so the bytes depend on nothing but the arguments.
    pub(crate) fn sign(&self, key: &SigningKey) -> anyhow::Result<Vec<u8>> {
        let payload = keccak(self.encode(None));
        let (signature, recovery) = key.sign_prehash_recoverable(payload.as_bytes())?;
        let (r, s) = signature.split_bytes();
        Ok(self.encode(Some((recovery.is_y_odd(), U256::from_big_endian(&r), U256::from_big_endian(&s)))))
    }

    fn encode(&self, signature: Option<(bool, U256, U256)>) -> Vec<u8> {
        let mut rlp = RlpStream::new();
        rlp.begin_unbounded_list();
        rlp.append(&self.chain_id);
        rlp.append(&self.nonce);
        rlp.append(&self.max_priority_fee);
        rlp.append(&self.max_fee);
        rlp.append(&TRANSFER_GAS);
        rlp.append(&self.to);
        rlp.append(&self.value);
        rlp.append_empty_data(); // call data
        rlp.begin_list(0); // access list
        if let Some((y_is_odd, r, s)) = signature {
            rlp.append(&y_is_odd);
            rlp.append(&r);
            rlp.append(&s);
        }
        rlp.finalize_unbounded_list();
        typed(&rlp.out())
    }
}

/// Receipt of a transfer that succeeded, as it stands in the receipts trie: type and RLP (EIP-658, EIP-2718). A
/// transfer logs nothing. `cumulative_gas` is the block's gas up to and including it.
pub(crate) fn receipt(cumulative_gas: u64) -> Vec<u8> {
    let mut rlp = RlpStream::new_list(4);
    rlp.append(&true);
    rlp.append(&cumulative_gas);
    rlp.append(&Bloom::zero());
    rlp.begin_list(0); // logs
    typed(&rlp.out())
}

fn typed(rlp: &[u8]) -> Vec<u8> {
    [&[FEE_MARKET], rlp].concat()
}
