//! Accounts, slots and code, with proofs that are followed from the state root.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::rpc::types::EIP1186AccountProofResponse;
use serde_json::json;

use super::error::is_pruned;
use super::{Node, NodeError};
use crate::trie::{Account, Lookup, Pool};

/// Slots in one request; nodes limit the size of answers.
const SLOTS_AT_ONCE: usize = 256;

/// What a proof proves.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The account; none if there is no such account.
    pub account: Option<Account>,
    /// Values of the slots that were asked for, zero for those that are not set.
    pub slots: Vec<(U256, U256)>,
    /// The nodes, from the state root to the account and from its storage root to the slots.
    pub nodes: Pool,
}

impl Node {
    /// Account and slots in the state after block `number`, whose root is `root`.
    pub async fn proof(&self, account: Address, slots: &[U256], number: u64, root: B256) -> Result<Proof, NodeError> {
        let mut parts = slots.chunks(SLOTS_AT_ONCE).map(<[U256]>::to_vec).collect::<Vec<_>>();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        let asked = parts.into_iter().map(|slots| self.proof_part(account, slots, number, root));
        let mut proofs = futures_util::future::try_join_all(asked).await?.into_iter();
        let mut whole = proofs.next().ok_or_else(|| self.nonsense("eth_getProof", "nothing".to_owned()))?;
        for part in proofs {
            whole.slots.extend(part.slots);
            whole.nodes.absorb(part.nodes);
        }
        Ok(whole)
    }

    async fn proof_part(
        &self,
        address: Address,
        slots: Vec<U256>,
        number: u64,
        root: B256,
    ) -> Result<Proof, NodeError> {
        let method = "eth_getProof";
        let words: Vec<B256> = slots.iter().map(|slot| B256::from(*slot)).collect();
        let params = json!([address, words, format!("{number:#x}")]);
        let verify = |text: &serde_json::value::RawValue| {
            let proof = self.parse::<EIP1186AccountProofResponse>(method, text)?;
            check(&proof, address, &slots, root).map_err(|reason| NodeError::Proof {
                host: self.host().to_owned(),
                account: address,
                block: number,
                reason,
            })
        };
        let key = (method, json!([address, words, root]));
        if let Some(proof) = self.remembered(&key, verify).await {
            return Ok(proof);
        }
        let text = self.raw(method, params).await.map_err(|error| self.pruned(number, error))?;
        let proof = verify(&text)?;
        self.remember(number, &key, &text).await;
        Ok(proof)
    }

    /// The code of an account in the state after block `number`; it must have this hash.
    pub async fn code(&self, account: Address, number: u64, hash: B256) -> Result<Bytes, NodeError> {
        let method = "eth_getCode";
        let verify = |text: &serde_json::value::RawValue| {
            let code = self.parse::<Bytes>(method, text)?;
            match keccak256(&code) == hash {
                true => Ok(code),
                false => Err(NodeError::Code { host: self.host().to_owned(), account, hash }),
            }
        };
        let key = (method, json!([hash]));
        if let Some(code) = self.remembered(&key, verify).await {
            return Ok(code);
        }
        let params = json!([account, format!("{number:#x}")]);
        let text = self.raw(method, params).await.map_err(|error| self.pruned(number, error))?;
        let code = verify(&text)?;
        self.remember(number, &key, &text).await;
        Ok(code)
    }

    /// An error that says that the state is gone, as that.
    fn pruned(&self, block: u64, error: NodeError) -> NodeError {
        match error {
            NodeError::Refused { host, message, .. } if is_pruned(&message) => {
                NodeError::NoState { host, block, message }
            }
            other => other,
        }
    }
}

/// Follows a proof. What the node says besides, balance and so on, is not used.
fn check(proof: &EIP1186AccountProofResponse, address: Address, slots: &[U256], root: B256) -> Result<Proof, String> {
    let mut nodes = Pool::default();
    nodes.extend(proof.account_proof.iter().cloned());
    for slot in &proof.storage_proof {
        nodes.extend(slot.proof.iter().cloned());
    }
    let account = match nodes.lookup(root, keccak256(address)).map_err(|error| error.to_string())? {
        Lookup::Value(rlp) => Some(Account::decode(&rlp).map_err(|error| error.to_string())?),
        Lookup::Absent => None,
        Lookup::Unknown { path, hash } => {
            return Err(format!("node {hash} at path {path} of the state trie with root {root} is missing"));
        }
    };
    let mut values = Vec::with_capacity(slots.len());
    for slot in slots {
        let found = match &account {
            None => Lookup::Absent,
            Some(account) => {
                nodes.lookup(account.storage_root, keccak256(B256::from(*slot))).map_err(|error| error.to_string())?
            }
        };
        let value = match found {
            Lookup::Value(rlp) => crate::trie::decode_word(&rlp).map_err(|error| error.to_string())?,
            Lookup::Absent => U256::ZERO,
            Lookup::Unknown { path, hash } => {
                return Err(format!("node {hash} at path {path} of its storage trie is missing for slot {slot:#x}"));
            }
        };
        values.push((*slot, value));
    }
    Ok(Proof { account, slots: values, nodes })
}
