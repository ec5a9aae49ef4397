//! Bringing to light nodes that deletions need and no proof of a touched key contains.
//!
//! See [`siblings`](crate::trie::siblings) for which. Where they come from, each compared with its hash:
//! the state after the block, in which a leaf or extension became longer by the branch that melted into it; the proof of a
//! made-up key that leads there; the node's database; the node's own witness.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::{Work, blocking};
use crate::error::FetchError;
use crate::node::{Node, NodeError, Proof};
use crate::trie::{Child, Path, Pool, Sibling, TrieNode, siblings as needed};

/// The longest path that a key is made up for: 16 to this power are tried on average.
const LONGEST: usize = 6;

/// Keys that are asked for in the state after the block, for one node.
const ASKED: usize = 4;

/// One that is needed, in the state trie or in the storage trie of an account.
type Needed = (Option<Address>, Sibling);

/// Adds to the nodes that are known all that deleting needs.
pub(super) async fn siblings(node: &Node, mut work: Work) -> Result<Work, FetchError> {
    loop {
        let all;
        (work, all) = work.apart(|work| find(work)).await?;
        if all.is_empty() {
            return Ok(work);
        }
        tracing::debug!(block = work.block.header.number, nodes = all.len(), "siblings of deleted keys are fetched");
        let found = futures_util::future::try_join_all(all.iter().map(|needed| reveal(node, &work, needed))).await?;
        for ((account, sibling), found) in all.into_iter().zip(found) {
            let number = work.block.header.number;
            let Some(bytes) = found.filter(|bytes| keccak256(bytes) == sibling.hash) else {
                let what = account.map_or("accounts".to_owned(), |account| format!("slots of {account}"));
                let Sibling { path, hash } = sibling;
                return Err(FetchError::Sibling { number, what, hash, path, host: node.host().to_owned() });
            };
            work.state.pool.extend([bytes]);
        }
    }
}

fn find(work: &Work) -> Result<Vec<Needed>, FetchError> {
    let Work { block, state, run } = work;
    let number = block.header.number;
    let keys = run.deleted_accounts.iter().map(keccak256).collect();
    let found = needed(&state.pool, state.root, &keys).map_err(|source| FetchError::Trie {
        number,
        what: "the state".to_owned(),
        source,
    })?;
    let mut all: Vec<Needed> = found.into_iter().map(|sibling| (None, sibling)).collect();
    let mut slots = BTreeMap::<Address, _>::new();
    for (address, slot) in &run.deleted_slots {
        slots.entry(*address).or_insert_with(std::collections::BTreeSet::new).insert(keccak256(B256::from(*slot)));
    }
    for (address, keys) in slots {
        let Some(Some(account)) = state.accounts.get(&address) else { continue };
        let found = needed(&state.pool, account.storage_root, &keys).map_err(|source| FetchError::Trie {
            number,
            what: format!("storage of {address}"),
            source,
        })?;
        all.extend(found.into_iter().map(|sibling| (Some(address), sibling)));
    }
    Ok(all)
}

/// The node, if there is a way.
async fn reveal(node: &Node, work: &Work, (account, sibling): &Needed) -> Result<Option<Bytes>, FetchError> {
    if let Some(found) = soft(afterwards(node, work, *account, sibling).await)? {
        return Ok(Some(found));
    }
    if let Some(found) = soft(made_up(node, work, *account, sibling).await)? {
        return Ok(Some(found));
    }
    if let Some(found) = soft(database(node, sibling).await.map_err(FetchError::from))? {
        return Ok(Some(found));
    }
    soft(own_witness(node, work, sibling).await.map_err(FetchError::from))
}

/// A way that the node refuses is only closed. What passes, and what is a lie, is said.
fn soft(found: Result<Option<Bytes>, FetchError>) -> Result<Option<Bytes>, FetchError> {
    match found {
        Err(FetchError::Node(
            error @ (NodeError::Unsupported { .. }
            | NodeError::Refused { .. }
            | NodeError::NoState { .. }
            | NodeError::Nonsense { .. }
            | NodeError::Status { .. }
            | NodeError::TooLarge { .. }),
        )) => {
            tracing::debug!(%error, "no sibling this way");
            Ok(None)
        }
        other => other,
    }
}

/// From the state after the block.
async fn afterwards(
    node: &Node,
    work: &Work,
    account: Option<Address>,
    sibling: &Sibling,
) -> Result<Option<Bytes>, FetchError> {
    let header = &work.block.header;
    let branch = Path::new(sibling.path.nibbles().split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default());
    let (proof, root): (Proof, B256) = match account {
        Some(address) => {
            let below = work.run.deleted_slots.range((address, U256::ZERO)..=(address, U256::MAX));
            let below = below.filter(|(_, slot)| branch.leads_to(keccak256(B256::from(*slot))));
            let slots: Vec<U256> = below.map(|(_, slot)| *slot).take(ASKED).collect();
            let proof = node.proof(address, &slots, header.number, header.state_root).await?;
            let Some(root) = proof.account.map(|account| account.storage_root) else { return Ok(None) };
            (proof, root)
        }
        None => {
            let mut below = work.run.deleted_accounts.iter().filter(|address| branch.leads_to(keccak256(address)));
            let Some(address) = below.next() else { return Ok(None) };
            (node.proof(*address, &[], header.number, header.state_root).await?, header.state_root)
        }
    };
    Ok(shortened(&proof.nodes, root, sibling))
}

/// The node as it was before it became longer.
fn shortened(after: &Pool, root: B256, sibling: &Sibling) -> Option<Bytes> {
    if let Ok(Some(same)) = after.get(sibling.hash) {
        return Some(same.encode());
    }
    let (at, node) = after.walk(root, &sibling.path).ok()?;
    let way = sibling.path.nibbles().get(at..)?;
    let before = match node {
        TrieNode::Leaf { nibbles, value } => TrieNode::Leaf { nibbles: nibbles.strip_prefix(way)?.to_vec(), value },
        TrieNode::Extension { nibbles, child } => match (nibbles.strip_prefix(way)?, child) {
            ([], Child::Hash(hash)) => after.get(hash).ok()??,
            ([], Child::Inline(node)) => *node,
            (nibbles, child) => TrieNode::Extension { nibbles: nibbles.to_vec(), child },
        },
        _ => return None,
    };
    Some(before.encode()).filter(|bytes| keccak256(bytes) == sibling.hash)
}

/// From the proof of a key that nobody uses, made up so that it leads there.
async fn made_up(
    node: &Node,
    work: &Work,
    account: Option<Address>,
    sibling: &Sibling,
) -> Result<Option<Bytes>, FetchError> {
    if sibling.path.nibbles().len() > LONGEST {
        return Ok(None);
    }
    let path = sibling.path.clone();
    let search = move || {
        // Numbers in increasing order are as good as any: hashes are uniform.
        let most = 64u64 << (4 * path.nibbles().len());
        Ok((0..most).into_par_iter().find_any(|number| match account {
            Some(_) => path.leads_to(keccak256(B256::from(U256::from(*number)))),
            None => path.leads_to(keccak256(invented(*number))),
        }))
    };
    let Some(number) = blocking(work.block.header.number, search).await? else { return Ok(None) };
    let state = &work.state;
    let proof = match account {
        Some(address) => node.proof(address, &[U256::from(number)], state.number, state.root).await?,
        None => node.proof(invented(number), &[], state.number, state.root).await?,
    };
    Ok(proof.nodes.get(sibling.hash).ok().flatten().map(|found| found.encode()))
}

/// An address by number.
fn invented(number: u64) -> Address {
    let mut bytes = [0; 20];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

/// From the database of the node, where nodes of tries are stored by hash.
async fn database(node: &Node, sibling: &Sibling) -> Result<Option<Bytes>, NodeError> {
    node.call("debug_dbGet", json!([sibling.hash])).await.map(Some)
}

/// What `debug_executionWitness` gives, the part with nodes of tries.
#[derive(Deserialize)]
struct Own {
    state: Vec<Bytes>,
}

/// From the witness that the node makes itself.
async fn own_witness(node: &Node, work: &Work, sibling: &Sibling) -> Result<Option<Bytes>, NodeError> {
    let number = format!("{:#x}", work.block.header.number);
    let own: Own = node.call("debug_executionWitness", json!([number])).await?;
    Ok(own.state.into_iter().find(|bytes| keccak256(bytes) == sibling.hash))
}
