//! Nodes by hash, whatever trie they belong to.

use std::collections::HashMap;
use std::sync::Arc;

use alloy::primitives::{B256, Bytes, keccak256};
use mpt_trie::partial_trie::{HashedPartialTrie, Node as Partial, PartialTrie as _};

use super::account::EMPTY_ROOT;
use super::path::to_nibbles;
use super::{Child, Path, TrieError, TrieNode};

/// Nibbles in a key.
const DEPTH: usize = 64;

/// Nodes that were given, by the hashes that they turned out to have.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    nodes: HashMap<B256, Bytes>,
}

/// What is at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// This value.
    Value(Vec<u8>),
    /// Nothing, provably.
    Absent,
    /// A node on the way is not known.
    Unknown {
        /// Where it is.
        path: Path,
        /// Its hash.
        hash: B256,
    },
}

impl Extend<Bytes> for Pool {
    fn extend<T: IntoIterator<Item = Bytes>>(&mut self, nodes: T) {
        for node in nodes {
            self.nodes.insert(keccak256(&node), node);
        }
    }
}

impl Pool {
    /// Takes the nodes of another pool.
    pub fn absorb(&mut self, other: Self) {
        self.nodes.extend(other.nodes);
    }

    /// Whether a node is there.
    pub fn contains(&self, hash: B256) -> bool {
        self.nodes.contains_key(&hash)
    }

    /// A node. Anything that claims to be one must be.
    pub fn get(&self, hash: B256) -> Result<Option<TrieNode>, TrieError> {
        self.nodes.get(&hash).map(|bytes| TrieNode::decode(bytes)).transpose()
    }

    /// Follows a key from a root.
    pub fn lookup(&self, root: B256, key: B256) -> Result<Lookup, TrieError> {
        let key = Path::of_key(key);
        Ok(match self.walk(root, &key)? {
            (at, TrieNode::Leaf { nibbles, value }) => match key.nibbles()[at..] == nibbles {
                true => Lookup::Value(value),
                false if at + nibbles.len() != DEPTH => return Err(TrieError::Depth(root)),
                false => Lookup::Absent,
            },
            (at, TrieNode::Extension { child: Child::Hash(hash), nibbles })
                if key.nibbles()[at..].starts_with(&nibbles) =>
            {
                Lookup::Unknown { path: Path::new(key.nibbles()[..at + nibbles.len()].to_vec()), hash }
            }
            (at, TrieNode::Branch(children)) => {
                match key.nibbles().get(at).and_then(|nibble| children[usize::from(*nibble)].clone()) {
                    Some(Child::Hash(hash)) => Lookup::Unknown { path: Path::new(key.nibbles()[..=at].to_vec()), hash },
                    _ => Lookup::Absent,
                }
            }
            (_, TrieNode::Empty) if root != EMPTY_ROOT => Lookup::Unknown { path: Path::default(), hash: root },
            _ => Lookup::Absent,
        })
    }

    /// The last node that is known on the way to a key, and how many nibbles are before it.
    pub fn walk(&self, root: B256, key: &Path) -> Result<(usize, TrieNode), TrieError> {
        let mut at = 0;
        // The root is never in place, and the empty one needs no node.
        let Some(mut node) = self.get(root)? else { return Ok((0, TrieNode::Empty)) };
        loop {
            let left = key.nibbles().get(at..).unwrap_or_default();
            let (step, child) = match &node {
                TrieNode::Extension { nibbles, child } if left.starts_with(nibbles) => (nibbles.len(), Some(child)),
                TrieNode::Branch(children) => {
                    let Some(nibble) = left.first() else { return Err(TrieError::Depth(root)) };
                    (1, children[usize::from(*nibble)].as_ref())
                }
                _ => return Ok((at, node)),
            };
            let next = match child {
                Some(Child::Inline(node)) => TrieNode::clone(node),
                Some(Child::Hash(hash)) => match self.get(*hash)? {
                    Some(next) => next,
                    None => return Ok((at, node)),
                },
                None => return Ok((at, node)),
            };
            (at, node) = (at + step, next);
            if at > DEPTH {
                return Err(TrieError::Depth(root));
            }
        }
    }

    /// Everything that is known below a root, the rest as hashes.
    pub fn trie(&self, root: B256) -> Result<HashedPartialTrie, TrieError> {
        if root == EMPTY_ROOT {
            return Ok(Partial::Empty.into());
        }
        self.expand(root, &Child::Hash(root), 0)
    }

    fn expand(&self, root: B256, child: &Child, depth: usize) -> Result<HashedPartialTrie, TrieError> {
        let known;
        let node = match child {
            Child::Inline(node) => &**node,
            Child::Hash(hash) => match self.get(*hash)? {
                None => return Ok(Partial::Hash(hash.0.into()).into()),
                Some(node) => {
                    known = node;
                    &known
                }
            },
        };
        Ok(match node {
            TrieNode::Empty => return Err(TrieError::Depth(root)),
            TrieNode::Leaf { nibbles, .. } if depth + nibbles.len() != DEPTH => return Err(TrieError::Depth(root)),
            TrieNode::Leaf { nibbles, value } => {
                Partial::Leaf { nibbles: to_nibbles(nibbles), value: value.clone() }.into()
            }
            TrieNode::Extension { nibbles, .. } if depth + nibbles.len() >= DEPTH => {
                return Err(TrieError::Depth(root));
            }
            TrieNode::Extension { nibbles, child } => {
                let child = self.expand(root, child, depth + nibbles.len())?;
                Partial::Extension { nibbles: to_nibbles(nibbles), child: Arc::new(Box::new(child)) }.into()
            }
            TrieNode::Branch(_) if depth >= DEPTH => return Err(TrieError::Depth(root)),
            TrieNode::Branch(children) => {
                let empty: Arc<Box<HashedPartialTrie>> = Partial::Empty.into();
                let mut expanded: [_; 16] = std::array::from_fn(|_| Arc::clone(&empty));
                for (place, child) in expanded.iter_mut().zip(children.iter()) {
                    if let Some(child) = child {
                        *place = Arc::new(Box::new(self.expand(root, child, depth + 1)?));
                    }
                }
                Partial::Branch { children: expanded, value: Vec::new() }.into()
            }
        })
    }

    /// The root of a partial trie.
    pub fn root_of(trie: &HashedPartialTrie) -> B256 {
        trie.hash().0.into()
    }
}
