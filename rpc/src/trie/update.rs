//! The root of a trie after keys were set and deleted.

use alloy::primitives::B256;
use mpt_trie::partial_trie::PartialTrie as _;

use super::path::to_nibbles;
use super::{Path, Pool, TrieError};

/// The root after these changes; a key without a value is deleted. What is deleted must be known together with its
/// [`siblings`](super::siblings).
pub fn updated(
    pool: &Pool,
    root: B256,
    changes: impl IntoIterator<Item = (B256, Option<Vec<u8>>)>,
) -> Result<B256, TrieError> {
    let mut trie = pool.trie(root)?;
    // Set first: what is set may keep a branch from collapsing, and never makes one collapse.
    let (set, deleted): (Vec<_>, Vec<_>) = changes.into_iter().partition(|(_, value)| value.is_some());
    for (key, value) in set.into_iter().chain(deleted) {
        // A key below a part that is not known.
        if let super::Lookup::Unknown { path, hash } = pool.lookup(root, key)? {
            return Err(TrieError::Unknown { path, hash });
        }
        let key = to_nibbles(Path::of_key(key).nibbles());
        let done = match value {
            Some(value) => trie.insert(key, value),
            None => trie.delete(key).map(|_| ()),
        };
        done.map_err(|error| TrieError::Update(error.to_string()))?;
    }
    Ok(Pool::root_of(&trie))
}
