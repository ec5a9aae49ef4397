//! One node, read from and written as RLP.

use alloy::primitives::{B256, Bytes, keccak256};
use rlp::{Rlp, RlpStream};

use super::TrieError;

/// A node of a trie with keys of one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrieNode {
    /// No keys.
    Empty,
    /// The end of one key.
    Leaf {
        /// What is left of the key.
        nibbles: Vec<u8>,
        /// The value.
        value: Vec<u8>,
    },
    /// A stretch without branches.
    Extension {
        /// The stretch, one nibble at least.
        nibbles: Vec<u8>,
        /// What follows.
        child: Child,
    },
    /// Sixteen ways, two of them taken at least.
    Branch(Box<[Option<Child>; 16]>),
}

/// What a node refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Child {
    /// A node of 32 bytes or more.
    Hash(B256),
    /// A smaller one, in place.
    Inline(Box<TrieNode>),
}

impl TrieNode {
    /// Reads a node.
    pub fn decode(bytes: &[u8]) -> Result<Self, TrieError> {
        let fail = |reason| TrieError::Node { hash: keccak256(bytes), reason };
        let rlp = Rlp::new(bytes);
        let info = rlp.payload_info().map_err(|_| fail("it is no RLP"))?;
        if info.total() != bytes.len() {
            return Err(fail("something follows it"));
        }
        let node = read(&rlp, 0).map_err(fail)?;
        // Two ways to write a node would have two hashes, and whoever writes it again has only one of them.
        match *node.encode() == *bytes {
            true => Ok(node),
            false => Err(fail("it is not written the way nodes are")),
        }
    }

    /// Writes a node.
    pub fn encode(&self) -> Bytes {
        let mut stream = RlpStream::new();
        write(self, &mut stream);
        stream.out().to_vec().into()
    }
}

fn read(rlp: &Rlp<'_>, depth: usize) -> Result<TrieNode, &'static str> {
    if rlp.is_empty() && !rlp.is_list() {
        return Ok(TrieNode::Empty);
    }
    // A node in a node in a node has less than 32 bytes; nobody needs more.
    if depth > 16 {
        return Err("it is nested too deeply");
    }
    match rlp.item_count() {
        Ok(2) => {
            let packed = rlp.at(0).and_then(|item| item.data()).map_err(|_| "its path is no RLP")?;
            let (nibbles, leaf) = unpack(packed).ok_or("its path is none")?;
            let rest = rlp.at(1).map_err(|_| "it is no RLP")?;
            if leaf {
                let value = rest.data().map_err(|_| "its value is no RLP")?.to_vec();
                return if value.is_empty() {
                    Err("its value is empty")
                } else {
                    Ok(TrieNode::Leaf { nibbles, value })
                };
            }
            let child = read_child(&rest, depth)?.ok_or("it is an extension to nothing")?;
            match nibbles.is_empty() {
                true => Err("it is an extension by nothing"),
                false => Ok(TrieNode::Extension { nibbles, child }),
            }
        }
        Ok(17) => {
            let mut children = Box::new([const { None }; 16]);
            for (at, child) in children.iter_mut().enumerate() {
                *child = read_child(&rlp.at(at).map_err(|_| "it is no RLP")?, depth)?;
            }
            if !rlp.at(16).is_ok_and(|value| value.is_empty()) {
                return Err("it is a branch with a value");
            }
            match children.iter().flatten().count() {
                0 | 1 => Err("it is a branch with less than two ways"),
                _ => Ok(TrieNode::Branch(children)),
            }
        }
        _ => Err("it has neither two nor seventeen items"),
    }
}

fn read_child(rlp: &Rlp<'_>, depth: usize) -> Result<Option<Child>, &'static str> {
    if rlp.is_list() {
        if rlp.as_raw().len() >= 32 {
            return Err("a node of 32 bytes or more is in it, not its hash");
        }
        return Ok(Some(Child::Inline(Box::new(read(rlp, depth + 1)?))));
    }
    let data = rlp.data().map_err(|_| "it is no RLP")?;
    match data.len() {
        0 => Ok(None),
        32 => Ok(Some(Child::Hash(B256::from_slice(data)))),
        _ => Err("it refers to something that is no hash"),
    }
}

fn write(node: &TrieNode, stream: &mut RlpStream) {
    match node {
        TrieNode::Empty => {
            stream.append_empty_data();
        }
        TrieNode::Leaf { nibbles, value } => {
            stream.begin_list(2).append(&pack(nibbles, true)).append(value);
        }
        TrieNode::Extension { nibbles, child } => {
            stream.begin_list(2).append(&pack(nibbles, false));
            write_child(child, stream);
        }
        TrieNode::Branch(children) => {
            stream.begin_list(17);
            for child in children.iter() {
                match child {
                    Some(child) => write_child(child, stream),
                    None => {
                        stream.append_empty_data();
                    }
                }
            }
            stream.append_empty_data();
        }
    }
}

fn write_child(child: &Child, stream: &mut RlpStream) {
    match child {
        Child::Hash(hash) => {
            stream.append(&hash.as_slice());
        }
        Child::Inline(node) => {
            stream.append_raw(&node.encode(), 1);
        }
    }
}

/// Hex-prefix encoding, the yellow paper, appendix C.
fn unpack(packed: &[u8]) -> Option<(Vec<u8>, bool)> {
    let (first, rest) = packed.split_first()?;
    let flags = first >> 4;
    if flags > 3 || rest.len() > 32 {
        return None;
    }
    let odd = flags & 1 == 1;
    if !odd && first & 15 != 0 {
        return None;
    }
    let head = odd.then_some(first & 15);
    Some((head.into_iter().chain(rest.iter().flat_map(|byte| [byte >> 4, byte & 15])).collect(), flags & 2 == 2))
}

fn pack(nibbles: &[u8], leaf: bool) -> Vec<u8> {
    let flags = if leaf { 2 } else { 0 };
    let (first, rest) = match nibbles.len() % 2 {
        1 => ((flags | 1) << 4 | nibbles[0], &nibbles[1..]),
        _ => (flags << 4, nibbles),
    };
    std::iter::once(first).chain(rest.chunks(2).map(|pair| pair[0] << 4 | pair[1])).collect()
}
