//! Tries known in part: what deleting needs, and nothing that only knows the whole trie can find out.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{B256, Bytes, keccak256};
use mpt_trie::nibbles::Nibbles;
use mpt_trie::partial_trie::PartialTrie as _;
use rpc::trie::{Child, EMPTY_ROOT, Lookup, Path, Pool, TrieError, TrieNode, siblings, updated};

type Values = BTreeMap<B256, Vec<u8>>;

/// All nodes of a trie, and its root.
fn whole(values: &Values) -> (B256, Pool) {
    let mut nodes = Vec::new();
    let entries: Vec<(Path, &Vec<u8>)> = values.iter().map(|(key, value)| (Path::of_key(*key), value)).collect();
    let mut pool = Pool::default();
    if entries.is_empty() {
        return (EMPTY_ROOT, pool);
    }
    let root = build(&entries, 0, &mut nodes).encode();
    let hash = keccak256(&root);
    pool.extend(nodes.into_iter().chain([root]));
    (hash, pool)
}

fn build(entries: &[(Path, &Vec<u8>)], depth: usize, nodes: &mut Vec<Bytes>) -> TrieNode {
    let (first, last) = (&entries[0].0.nibbles()[depth..], &entries[entries.len() - 1].0.nibbles()[depth..]);
    if entries.len() == 1 {
        return TrieNode::Leaf { nibbles: first.to_vec(), value: entries[0].1.clone() };
    }
    let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let mut children = Box::new([const { None }; 16]);
    for (nibble, child) in (0u8..).zip(children.iter_mut()) {
        let below = entries.iter().filter(|(path, _)| path.nibbles()[depth + common] == nibble);
        let below: Vec<_> = below.map(|(path, value)| (path.clone(), *value)).collect();
        if !below.is_empty() {
            *child = Some(refer(build(&below, depth + common + 1, nodes), nodes));
        }
    }
    let branch = TrieNode::Branch(children);
    match common {
        0 => branch,
        _ => TrieNode::Extension { nibbles: first[..common].to_vec(), child: refer(branch, nodes) },
    }
}

fn refer(node: TrieNode, nodes: &mut Vec<Bytes>) -> Child {
    let bytes = node.encode();
    if bytes.len() < 32 {
        return Child::Inline(Box::new(node));
    }
    let hash = keccak256(&bytes);
    nodes.push(bytes);
    Child::Hash(hash)
}

/// The nodes on the way to a key.
fn prove(all: &Pool, root: B256, key: B256, into: &mut Pool) {
    loop {
        let hash = match into.lookup(root, key).expect("a trie") {
            Lookup::Unknown { hash, .. } => hash,
            _ => return,
        };
        into.extend([all.get(hash).expect("a node").expect("it is there").encode()]);
    }
}

/// Keys that share much of their beginning, so that there are extensions and branches of two.
fn key(random: &mut fastrand::Rng) -> B256 {
    let mut key = keccak256(random.u64(..).to_be_bytes());
    for byte in &mut key[..3] {
        *byte = [0x00, 0x01, 0x10, 0x11][random.usize(..4)];
    }
    key
}

fn nibbles(key: B256) -> Nibbles {
    Nibbles::from_h256_be(key.0.into())
}

/// Whatever the order in which keys are deleted, set again, and set anew: with the siblings the partial trie never lacks a
/// node, and has the root of the whole one.
#[test]
fn siblings_are_all_that_deleting_needs() {
    let mut random = fastrand::Rng::with_seed(5);
    let (mut needed, mut ended) = (0, 0);
    for round in 0..600 {
        let mut values = Values::new();
        for _ in 0..random.usize(1..40) {
            values.insert(key(&mut random), vec![random.u8(1..); random.usize(1..40)]);
        }
        let (root, all) = whole(&values);
        let present: Vec<B256> = values.keys().copied().collect();
        // Some that are there go, some that are not come and go.
        let mut touched: BTreeSet<B256> = BTreeSet::new();
        for _ in 0..random.usize(1..8) {
            touched.insert(present[random.usize(..present.len())]);
            if random.bool() {
                touched.insert(key(&mut random));
            }
        }
        let mut pool = Pool::default();
        touched.iter().for_each(|key| prove(&all, root, *key, &mut pool));
        loop {
            let missing = siblings(&pool, root, &touched).expect("a trie");
            if missing.is_empty() {
                break;
            }
            needed += 1;
            for sibling in missing {
                pool.extend([all.get(sibling.hash).expect("a node").expect("it is there").encode()]);
            }
        }
        let mut trie = pool.trie(root).expect("a trie");
        let mut keys: Vec<B256> = touched.iter().copied().collect();
        for step in 0..30 {
            random.shuffle(&mut keys);
            let key = keys[0];
            if random.bool() {
                values.remove(&key);
                trie.delete(nibbles(key)).unwrap_or_else(|error| panic!("round {round}, step {step}: {error}"));
            } else {
                let value = vec![random.u8(1..); random.usize(1..40)];
                trie.insert(nibbles(key), value.clone()).unwrap_or_else(|error| panic!("round {round}: {error}"));
                values.insert(key, value);
            }
            assert_eq!(Pool::root_of(&trie), whole(&values).0, "round {round}, step {step}");
        }
        // All at once, as the state after a block is computed.
        let changes = touched.iter().map(|key| (*key, values.get(key).cloned()));
        assert_eq!(updated(&pool, root, changes).expect("it is complete"), whole(&values).0, "round {round}");
        ended += usize::from(values.is_empty());
    }
    assert!(needed > 100 && ended > 0, "{needed} rounds needed siblings, {ended} tries became empty");
}

/// What is not known is said, with its place.
#[test]
fn what_is_missing_is_named() {
    let mut random = fastrand::Rng::with_seed(6);
    let values: Values = (0..50).map(|_| (key(&mut random), vec![7; 33])).collect();
    let (root, all) = whole(&values);
    let [known, other] = [*values.keys().next().expect("one"), *values.keys().last().expect("one")];
    let mut pool = Pool::default();
    assert_eq!(pool.lookup(root, known), Ok(Lookup::Unknown { path: Path::default(), hash: root }));
    prove(&all, root, known, &mut pool);
    assert_eq!(pool.lookup(root, known), Ok(Lookup::Value(vec![7; 33])));
    let Ok(Lookup::Unknown { path, hash }) = pool.lookup(root, other) else { panic!("it is not known") };
    assert!(path.leads_to(other) && !pool.contains(hash));
    let result = updated(&pool, root, [(other, None)]);
    assert_eq!(result, Err(TrieError::Unknown { path, hash }));
    assert_eq!(pool.lookup(EMPTY_ROOT, known), Ok(Lookup::Absent));
}

/// Nodes that are none are refused, whatever they are: never a panic, never a wrong trie.
#[test]
fn broken_nodes_are_refused() {
    let mut random = fastrand::Rng::with_seed(7);
    let values: Values = (0..60).map(|_| (key(&mut random), vec![7; random.usize(1..40)])).collect();
    let (root, all) = whole(&values);
    let mut sound = Pool::default();
    values.keys().for_each(|key| prove(&all, root, *key, &mut sound));
    let mut refused = 0;
    for _ in 0..20_000 {
        let way = *values.keys().nth(random.usize(..values.len())).expect("a key");
        let mut bytes = sound.get(root).expect("a node").expect("the root").encode().to_vec();
        for _ in 0..random.usize(..3) {
            let Lookup::Unknown { hash, .. } = ({
                let mut pool = Pool::default();
                pool.extend([Bytes::from(bytes.clone())]);
                pool.lookup(keccak256(&bytes), way).unwrap_or(Lookup::Absent)
            }) else {
                break;
            };
            bytes = sound.get(hash).expect("a node").expect("it is there").encode().to_vec();
        }
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => bytes[at] = random.u8(..),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, random.u8(..)),
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        let root = keccak256(&bytes);
        let mut pool = sound.clone();
        pool.extend([Bytes::from(bytes)]);
        let outcome = pool.trie(root).map(|trie| Pool::root_of(&trie));
        match outcome {
            Ok(found) => assert_eq!(found, root),
            Err(_) => refused += 1,
        }
        drop(pool.lookup(root, way));
        drop(siblings(&pool, root, &BTreeSet::from([way])));
    }
    assert!(refused > 10_000, "{refused}");
    // Anvil's proof for a slot of an empty trie.
    let mut pool = Pool::default();
    pool.extend([Bytes::from_static(&[0x80])]);
    assert_eq!(pool.lookup(EMPTY_ROOT, root), Ok(Lookup::Absent));
}
