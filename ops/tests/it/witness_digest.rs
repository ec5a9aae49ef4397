//! The digest of a block: of everything in it, and of nothing but its content.

use std::collections::HashSet;

use ethereum_types::H256;
use ops::digest::Digest;
use ops::witness::Witness;
use serde::Deserialize;
use serde_json::{Value, json};
use testing::witness::{blocks, read, shipped, transfer};

use crate::support::{parse, recorded};

/// Formatting, order of fields and the road through another program change nothing.
#[test]
fn the_digest_is_of_the_content() {
    let texts = [Some(shipped("chain.json")), Some(shipped("transfer.json")), recorded()];
    for text in texts.into_iter().flatten() {
        let blocks: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        let expected: Vec<Digest> = read(&text).expect("a witness").iter().map(Witness::digest).collect();
        for (index, block) in blocks.iter().enumerate() {
            let again = [
                block.to_string(),
                serde_json::to_string_pretty(block).expect("JSON"),
                reversed(block),
                serde_json::to_string(&parse(block)).expect("JSON"),
            ];
            for text in again {
                assert_eq!(read(&text).expect("a block")[0].digest(), expected[index]);
            }
        }
        let distinct: HashSet<_> = expected.iter().collect();
        assert_eq!(distinct.len(), expected.len());
    }
}

/// JSON text with the fields of every object in reverse order.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().rev().map(|(key, value)| format!("{}: {}", json!(key), reversed(value))).collect();
            format!("{{ {} }}", fields.join(" , "))
        }
        Value::Array(values) => format!("[ {} ]", values.iter().map(reversed).collect::<Vec<_>>().join(" ,\n")),
        leaf => leaf.to_string(),
    }
}

/// Storage tries are a hash map, whose order differs from one to the next even in one process.
#[test]
fn the_digest_does_not_depend_on_the_order_of_storage_tries() {
    let mut block = blocks("chain.json").remove(1);
    let storage = block.pointer_mut("/block_trace/trie_pre_images/separate/storage/multiple_tries").expect("tries");
    let trie = storage.as_object().and_then(|tries| tries.values().next()).expect("a trie").clone();
    for account in 0..20 {
        storage[format!("{:?}", H256::repeat_byte(account))] = trie.clone();
    }
    let text = block.to_string();
    let witnesses: Vec<Witness> = (0..10).map(|_| read(&text).expect("a block").remove(0)).collect();
    let orders: HashSet<String> = witnesses.iter().map(|block| serde_json::to_string(block).expect("JSON")).collect();
    assert!(orders.len() > 1, "twenty tries ten times in one order");
    let digests: HashSet<Digest> = witnesses.iter().map(Witness::digest).collect();
    assert_eq!(digests.len(), 1);
}

/// Every leaf of the JSON is changed, one after the other: each changed block has a digest of its own.
#[test]
fn the_digest_is_of_every_field() {
    let combined = recorded().map(|text| {
        let mut blocks: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        blocks.remove(1)
    });
    for block in [Some(transfer()), combined].into_iter().flatten() {
        let mut seen = HashSet::from([parse(&block).digest()]);
        let mut pointers = Vec::new();
        leaves(&block, String::new(), &mut pointers);
        let mut unparsed = Vec::new();
        for pointer in &pointers {
            let mut changed = block.clone();
            let leaf = changed.pointer_mut(pointer).expect(pointer);
            if !change(leaf) {
                continue;
            }
            match Witness::deserialize(&changed) {
                Ok(witness) => assert!(seen.insert(witness.digest()), "{pointer} has no part in the digest"),
                Err(_) => unparsed.push(pointer),
            }
        }
        // Names of variants, and the packed paths of tries, cannot be changed into other ones so simply.
        unparsed.retain(|pointer| !pointer.contains("/trie_pre_images/separate/"));
        assert!(unparsed.is_empty(), "changed into nonsense: {unparsed:?}");
        assert!(seen.len() > 280, "only {} leaves were changed", seen.len());
    }
}

fn leaves(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| leaves(value, format!("{pointer}/{key}"), found))
        }
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, value)| leaves(value, format!("{pointer}/{index}"), found));
        }
        _ => found.push(pointer),
    }
}

/// Whether there was something to change.
fn change(leaf: &mut Value) -> bool {
    *leaf = match leaf {
        // Bytes of code and values stay bytes.
        Value::Number(number) => json!(number.as_u64().expect("a natural number") ^ 1),
        Value::String(text) => match text.pop() {
            Some('x') | None => json!("0x01"),
            Some(last) => {
                text.push(if last == '1' { '2' } else { '1' });
                json!(text)
            }
        },
        _ => return false,
    };
    true
}
