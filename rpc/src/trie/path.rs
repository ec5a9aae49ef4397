//! A way from the root of a trie: up to 64 nibbles.

use std::fmt;

use alloy::primitives::B256;
use mpt_trie::nibbles::Nibbles;

/// Nibbles from the root of a trie down.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<u8>);

impl Path {
    /// Of nibbles, each below 16.
    pub fn new(nibbles: Vec<u8>) -> Self {
        Self(nibbles)
    }

    /// The whole way to a key.
    pub fn of_key(key: B256) -> Self {
        Self(key.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect())
    }

    /// The nibbles.
    pub fn nibbles(&self) -> &[u8] {
        &self.0
    }

    /// One step further.
    pub fn then(&self, nibble: u8) -> Self {
        self.join(&[nibble])
    }

    /// Further by these nibbles.
    pub fn join(&self, nibbles: &[u8]) -> Self {
        Self([&self.0, nibbles].concat())
    }

    /// Whether the key is below this place.
    pub fn leads_to(&self, key: B256) -> bool {
        let nibble = |at: usize| (key[at / 2] >> (4 * (1 - at % 2))) & 15;
        self.0.len() <= 64 && self.0.iter().enumerate().all(|(at, expected)| nibble(at) == *expected)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(root)");
        }
        self.0.iter().try_for_each(|nibble| write!(f, "{nibble:x}"))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Nibbles as the proving crates take them.
pub(super) fn to_nibbles(nibbles: &[u8]) -> Nibbles {
    let mut result = Nibbles::default();
    nibbles.iter().for_each(|nibble| result.push_nibble_back(*nibble));
    result
}
