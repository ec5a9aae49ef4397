//! Nodes that deleting keys brings to light.
//!
//! When all ways but one of a branch go, it melts into what is left: a leaf or an extension becomes longer, a branch gets
//! an extension above. So that node must be known, not only its hash, although no key that is touched leads to it.

use std::collections::BTreeSet;

use alloy::primitives::B256;

use super::account::EMPTY_ROOT;
use super::{Child, Path, Pool, TrieError, TrieNode};

/// A node that must be known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sibling {
    /// Where it is.
    pub path: Path,
    /// Its hash.
    pub hash: B256,
}

/// The nodes that must be known so that any of `deleted` can be deleted in any order, and set again, and others with
/// them: those that are left alone in a branch when all of them are deleted and nothing is set.
///
/// A key that is deleted and was not there before must have been set in between, and splits what it meets: an extension
/// whose end is only a hash must be known too, if the key leaves it at its last nibble.
pub fn siblings(pool: &Pool, root: B256, deleted: &BTreeSet<B256>) -> Result<Vec<Sibling>, TrieError> {
    if root == EMPTY_ROOT || deleted.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = BTreeSet::new();
    let keys: Vec<Path> = deleted.iter().map(|key| Path::of_key(*key)).collect();
    rest(pool, &Child::Hash(root), &Path::default(), &keys, &mut found)?;
    Ok(found.into_iter().collect())
}

/// What is left of a subtrie without these keys: whether anything is. Adds what must be known.
fn rest(
    pool: &Pool,
    child: &Child,
    path: &Path,
    keys: &[Path],
    found: &mut BTreeSet<Sibling>,
) -> Result<bool, TrieError> {
    if keys.is_empty() {
        return Ok(true);
    }
    let known;
    let node = match child {
        Child::Inline(node) => &**node,
        Child::Hash(hash) => match pool.get(*hash)? {
            Some(node) => {
                known = node;
                &known
            }
            None => return Err(TrieError::Unknown { path: path.clone(), hash: *hash }),
        },
    };
    let depth = path.nibbles().len();
    let left = |key: &Path| key.nibbles().get(depth..).unwrap_or_default().to_vec();
    match node {
        TrieNode::Empty => Ok(true),
        TrieNode::Leaf { nibbles, .. } => Ok(!keys.iter().any(|key| left(key) == *nibbles)),
        TrieNode::Extension { nibbles, child } => {
            let end = path.join(nibbles);
            let last = nibbles.len().saturating_sub(1);
            if let Child::Hash(hash) = child
                && !pool.contains(*hash)
                && keys.iter().any(|key| {
                    let left = left(key);
                    left.starts_with(&nibbles[..last]) && left.get(last) != nibbles.get(last)
                })
            {
                found.insert(Sibling { path: end.clone(), hash: *hash });
            }
            let below: Vec<Path> = keys.iter().filter(|key| left(key).starts_with(nibbles)).cloned().collect();
            rest(pool, child, &end, &below, found)
        }
        TrieNode::Branch(children) => {
            let mut alone = None;
            let mut count = 0;
            for (nibble, child) in (0u8..).zip(children.iter()) {
                let Some(child) = child else { continue };
                let path = path.then(nibble);
                let below: Vec<Path> =
                    keys.iter().filter(|key| key.nibbles().get(depth) == Some(&nibble)).cloned().collect();
                if rest(pool, child, &path, &below, found)? {
                    count += 1;
                    alone = Some((path, child));
                }
            }
            if let Some((path, Child::Hash(hash))) = alone
                && count == 1
                && !pool.contains(*hash)
            {
                found.insert(Sibling { path, hash: *hash });
            }
            Ok(count > 0)
        }
    }
}
