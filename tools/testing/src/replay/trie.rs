//! Merkle proofs made anew from the nodes of other proofs: nodes are known by their hash, whatever block they are of.

use std::collections::HashMap;

use ethereum_types::{H256, U256};
use hex_literal::hex as literal;
use keccak_hash::keccak;
use rlp::Rlp;
use serde_json::{Value, json};

use super::recording::{bytes, hex};

/// Root of a trie with nothing in it: the hash of RLP's empty string.
const EMPTY_ROOT: H256 = H256(literal!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"));

/// Trie nodes by their hash.
#[derive(Debug, Default)]
pub(super) struct Nodes(HashMap<H256, Vec<u8>>);

/// A node that no recorded proof has.
#[derive(Debug)]
pub(super) struct Missing(pub(super) H256);

/// The nodes on the way to a key, and what is there.
type Walk<'a> = (Vec<&'a [u8]>, Option<Vec<u8>>);

impl Nodes {
    /// Adds the nodes of an answer to `eth_getProof`.
    pub(super) fn add(&mut self, proof: &Value) {
        let storage = proof["storageProof"].as_array().into_iter().flatten().map(|slot| &slot["proof"]);
        let nodes = [&proof["accountProof"]].into_iter().chain(storage).filter_map(Value::as_array).flatten();
        for node in nodes.filter_map(Value::as_str).map(bytes) {
            self.0.insert(keccak(&node), node);
        }
    }

    /// The node with this hash.
    pub(super) fn get(&self, hash: H256) -> Result<&[u8], Missing> {
        self.0.get(&hash).map(Vec::as_slice).ok_or(Missing(hash))
    }

    /// What `eth_getProof` answers in the shape of geth.
    pub(super) fn proof(&self, root: H256, address: &str, slots: &[String]) -> Result<Value, Missing> {
        let (account_proof, account) = self.walk(root, &bytes(address))?;
        let field = |index| account.as_ref().map(|account| Rlp::new(account).at(index).expect("an account"));
        let number = |index| quantity(field(index).map(|item| item.data().expect("a number").to_vec()));
        // Of an account that does not exist both nodes give zeros.
        let hash = |index| field(index).map_or(H256::zero(), |item| H256::from_slice(item.data().expect("a hash")));
        let storage_root = hash(2);
        let mut storage = Vec::new();
        for slot in slots {
            let (proof, value) = match storage_root.is_zero() || storage_root == EMPTY_ROOT {
                true => (Vec::new(), None),
                false => self.walk(storage_root, &bytes(slot))?,
            };
            let value = quantity(value.map(|value| Rlp::new(&value).data().expect("a value").to_vec()));
            let proof: Vec<_> = proof.into_iter().map(hex).collect();
            storage.push(json!({"key": slot, "value": value, "proof": proof}));
        }
        Ok(json!({
            "address": address,
            "accountProof": account_proof.into_iter().map(hex).collect::<Vec<_>>(),
            "balance": number(1),
            "nonce": number(0),
            "storageHash": hex(storage_root.as_bytes()),
            "codeHash": hex(hash(3).as_bytes()),
            "storageProof": storage,
        }))
    }

    /// From the root towards the hash of `key`, as far as it goes. A node of less than 32 bytes lies in the one above.
    fn walk(&self, root: H256, key: &[u8]) -> Result<Walk<'_>, Missing> {
        let path: Vec<u8> = keccak(key).as_bytes().iter().flat_map(|byte| [byte >> 4, byte & 15]).collect();
        let mut path = path.as_slice();
        let mut passed = vec![self.get(root)?];
        let mut node = Rlp::new(passed[0]);
        loop {
            let child = if node.item_count().expect("a node") == 17 {
                let Some((first, rest)) = path.split_first() else { return Ok((passed, None)) };
                path = rest;
                node.at(usize::from(*first)).expect("a branch has 16 children")
            } else {
                let compact = node.at(0).and_then(|item| item.data().map(<[u8]>::to_vec)).expect("a path");
                let nibbles: Vec<u8> = compact.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect();
                let (flags, start) = (nibbles[0], if nibbles[0] & 1 == 1 { 1 } else { 2 });
                let Some(rest) = path.strip_prefix(&nibbles[start..]) else { return Ok((passed, None)) };
                path = rest;
                let child = node.at(1).expect("an extension or a leaf has two items");
                if flags & 2 == 2 {
                    let value = path.is_empty().then(|| child.data().expect("a value").to_vec());
                    return Ok((passed, value));
                }
                child
            };
            if child.is_list() {
                node = child;
                continue;
            }
            match child.data().expect("a hash") {
                [] => return Ok((passed, None)),
                hash => {
                    let next = self.get(H256::from_slice(hash))?;
                    passed.push(next);
                    node = Rlp::new(next);
                }
            }
        }
    }
}

/// The account's code hash in the proof of its address.
pub(super) fn code_hash(proof: &Value) -> H256 {
    H256::from_slice(&bytes(proof["codeHash"].as_str().expect("a hash")))
}

fn quantity(bytes: Option<Vec<u8>>) -> String {
    format!("{:#x}", bytes.map_or(U256::zero(), |bytes| U256::from_big_endian(&bytes)))
}
