//! Blocks that are refused, and what is said of each: fields, forks, limits of the provers, links between blocks.

use ethereum_types::H256;
use ops::witness::WitnessError;
use serde_json::{Value, json};
use testing::witness::{blocks, read, set, transfer};

use crate::support::parse;

const META: &str = "/other_data/b_data/b_meta";

fn remove(block: &mut Value, pointer: &str) {
    let (object, key) = pointer.rsplit_once('/').expect(pointer);
    let object = block.pointer_mut(object).and_then(Value::as_object_mut).expect(pointer);
    object.remove(key).expect(pointer);
}

fn add(block: &mut Value, pointer: &str, key: &str) {
    let object = block.pointer_mut(pointer).and_then(Value::as_object_mut).expect(pointer);
    object.insert(key.to_owned(), json!("0x01"));
}

fn hash(byte: u8) -> Value {
    json!(H256::repeat_byte(byte))
}

/// What is changed in block 2 of a witness, and what the error must name.
#[test]
fn errors_name_block_and_field() {
    type Change = fn(&mut Value);
    let cases: &[(&str, Change, &[&str])] = &[
        (
            "a wrong type",
            |block| set(block, "/other_data/b_data/b_meta/block_number", json!({})),
            &["other_data.b_data.b_meta.block_number"],
        ),
        (
            "a wrong type in a transaction",
            |block| set(block, "/block_trace/txn_info/0/meta/gas_used", json!("many")),
            &["block_trace.txn_info[0].meta.gas_used"],
        ),
        (
            "a hash that is too short",
            |block| set(block, "/other_data/b_data/b_hashes/cur_hash", json!("0x12")),
            &["other_data.b_data.b_hashes.cur_hash"],
        ),
        (
            "no hexadecimal number",
            |block| set(block, "/block_trace/txn_info/0/meta/byte_code", json!("0xzz")),
            &["block_trace.txn_info[0].meta.byte_code"],
        ),
        ("no trace", |block| remove(block, "/block_trace"), &["missing field `block_trace`"]),
        ("no other data", |block| remove(block, "/other_data"), &["missing field `other_data`"]),
        (
            "no transactions",
            |block| remove(block, "/block_trace/txn_info"),
            &["block_trace", "missing field `txn_info`"],
        ),
        (
            "no base fee",
            |block| remove(block, "/other_data/b_data/b_meta/block_base_fee"),
            &["other_data.b_data.b_meta", "missing field `block_base_fee`"],
        ),
        ("an unknown field of a block", |block| add(block, "", "requests"), &["unknown field `requests`"]),
        (
            "an unknown field of the header",
            |block| add(block, META, "requests_hash"),
            &["unknown field other_data.b_data.b_meta.requests_hash", "later fork"],
        ),
        (
            "an unknown field of the block's data",
            |block| add(block, "/other_data/b_data", "requests"),
            &["unknown field other_data.b_data.requests"],
        ),
        (
            "a header of Shanghai",
            |block| remove(block, "/other_data/b_data/b_meta/block_blob_gas_used"),
            &["other_data.b_data.b_meta", "missing field `block_blob_gas_used`", "before Cancun"],
        ),
        (
            "a header without a beacon root",
            |block| remove(block, "/other_data/b_data/b_meta/parent_beacon_block_root"),
            &["other_data.b_data.b_meta", "missing field `parent_beacon_block_root`", "before Cancun"],
        ),
    ];
    let good = transfer();
    for (name, change, expected) in cases {
        let mut bad = good.clone();
        change(&mut bad);
        for text in [format!("[{good},{bad}]"), format!("{good}\n{bad}")] {
            let error = read(&text).expect_err(name);
            assert!(matches!(&error, WitnessError::Parse { position: 2, .. }), "{name}: {error:?}");
            let message = error.to_string();
            assert!(message.contains("block 2 of the witness"), "{name}: {message}");
            for part in *expected {
                assert!(message.contains(part), "{name}: `{part}` is not in: {message}");
            }
            assert!(!message.contains('\n'), "{name}: {message}");
            assert_eq!(message.matches(" at line ").count(), 1, "{name}: {message}");
        }
    }
}

#[test]
fn unknown_fields_outside_the_header_are_ignored() {
    let expected = parse(&transfer()).digest();
    for pointer in ["/block_trace", "/block_trace/txn_info/0", "/block_trace/txn_info/0/meta"] {
        let mut block = transfer();
        add(&mut block, pointer, "seen_by_a_node_of_ours");
        let blocks = read(&block.to_string()).unwrap_or_else(|error| panic!("{pointer}: {error}"));
        assert_eq!(blocks[0].digest(), expected, "{pointer}");
    }
}

/// Chain, timestamp, and the fork that is found: `None` for Cancun and for chains that nobody knows.
#[test]
fn forks_are_known_by_chain_and_time() {
    let cases = [
        (1, 1_710_338_134, Some("pre-Cancun")),
        (1, 1_710_338_135, None),
        (1, 1_746_612_310, None),
        (1, 1_746_612_311, Some("Prague or later")),
        (1, 1_438_269_988, Some("pre-Cancun")),
        (11_155_111, 1_706_655_071, Some("pre-Cancun")),
        (11_155_111, 1_706_655_072, None),
        (11_155_111, 1_741_159_775, None),
        (11_155_111, 1_741_159_776, Some("Prague or later")),
        (17_000, 1_707_305_663, Some("pre-Cancun")),
        (17_000, 1_707_305_664, None),
        (17_000, 1_740_434_111, None),
        (17_000, 1_740_434_112, Some("Prague or later")),
        (1337, 0, None),
        (1337, 4_000_000_000_u64, None),
    ];
    for (chain, time, expected) in cases {
        let mut block = transfer();
        set(&mut block, &format!("{META}/block_chain_id"), json!(format!("{chain:#x}")));
        set(&mut block, &format!("{META}/block_timestamp"), json!(format!("{time:#x}")));
        let result = read(&block.to_string());
        match (expected, &result) {
            (None, Ok(_)) => {}
            (Some(expected), Err(error @ WitnessError::Fork { number: 1, fork, .. })) => {
                assert_eq!(*fork, expected, "chain {chain} at {time}");
                let message = error.to_string();
                assert!(message.contains("block 1 ") && message.contains("Cancun blocks only"), "{message}");
            }
            _ => panic!("chain {chain} at {time}: {result:?}"),
        }
    }
}

#[test]
fn forks_are_known_by_their_marks() {
    let mut proof_of_work = transfer();
    set(&mut proof_of_work, &format!("{META}/block_difficulty"), json!("0x1"));
    let mut set_code = transfer();
    set(&mut set_code, "/block_trace/txn_info/0/meta/byte_code", json!("0x04f8aa"));
    let cases = [(proof_of_work, "pre-Merge", "difficulty"), (set_code, "Prague or later", "transaction 0")];
    for (block, expected, reason) in cases {
        match read(&block.to_string()) {
            Err(error @ WitnessError::Fork { number: 1, fork, .. }) => {
                assert_eq!(fork, expected);
                assert!(error.to_string().contains(reason), "{error}");
            }
            other => panic!("{expected}: {other:?}"),
        }
    }
}

/// The block is well-formed and wrong: what is changed, and what the error must name beside the block's number.
#[test]
fn blocks_that_cannot_be_proved_are_refused() {
    let hashes = |count: usize| json!(vec![H256::repeat_byte(7); count]);
    // The provers' transcript has 32 bits for these, and 64 for the fee and the blobs
    // (`evm_arithmetization-0.5.1/src/get_challenges.rs`, `observe_block_metadata`).
    let beyond_32 = json!("0x100000000");
    let beyond_64 = json!("0x10000000000000000");
    let header = |field: &str| format!("{META}/{field}");
    let cases = [
        (header("block_number"), json!("0x0"), "genesis"),
        (header("block_number"), beyond_64.clone(), "block_number"),
        (header("block_number"), beyond_32.clone(), "block_number"),
        (header("block_chain_id"), beyond_64.clone(), "block_chain_id"),
        (header("block_chain_id"), beyond_32.clone(), "block_chain_id"),
        (header("block_timestamp"), beyond_64.clone(), "block_timestamp"),
        (header("block_timestamp"), beyond_32.clone(), "block_timestamp"),
        (header("block_gaslimit"), beyond_32.clone(), "block_gaslimit"),
        (header("block_gas_used"), beyond_32, "block_gas_used"),
        (header("block_base_fee"), beyond_64.clone(), "block_base_fee"),
        (header("block_blob_gas_used"), beyond_64.clone(), "block_blob_gas_used"),
        (header("block_excess_blob_gas"), beyond_64, "block_excess_blob_gas"),
        ("/other_data/b_data/b_hashes/prev_hashes".to_owned(), hashes(0), "prev_hashes has 0 hashes instead of 256"),
        ("/other_data/b_data/b_hashes/prev_hashes".to_owned(), hashes(255), "prev_hashes has 255 hashes"),
        ("/other_data/b_data/b_hashes/prev_hashes".to_owned(), hashes(257), "prev_hashes has 257 hashes"),
        ("/other_data/burn_addr".to_owned(), json!("0x00000000000000000000000000000000000000aa"), "burn_addr"),
        ("/other_data/ger_data".to_owned(), json!([hash(1), hash(2)]), "ger_data"),
    ];
    let mut accepted = Vec::new();
    for (pointer, value, expected) in cases {
        let mut block = transfer();
        set(&mut block, &pointer, value.clone());
        match read(&block.to_string()) {
            Err(error @ WitnessError::Invalid { .. }) => {
                let message = error.to_string();
                assert!(message.starts_with("block ") && message.contains(expected), "{pointer}: {message}");
            }
            Ok(_) => accepted.push(format!("{pointer} = {}", value.to_string().chars().take(30).collect::<String>())),
            other => panic!("{pointer}: {other:?}"),
        }
    }
    assert!(accepted.is_empty(), "accepted: {accepted:#?}");
}

/// The second block of a chain, changed: what is said of it.
#[test]
fn a_block_must_follow_the_one_before() {
    let chain = blocks("chain.json");
    let [one, two] = [0, 1].map(|index| parse(&chain[index]));
    one.link().check_next(&two).expect("the chain as it is");

    let mut gap = chain[1].clone();
    set(&mut gap, &format!("{META}/block_number"), json!("0x3"));
    let mut other_parent = chain[1].clone();
    set(&mut other_parent, "/other_data/b_data/b_hashes/prev_hashes/255", hash(9));
    // The block circuit compares these, too (`evm_arithmetization-0.5.1/src/fixed_recursive_verifier.rs`,
    // `connect_block_hashes`, `check_block_timestamp`), when everything else is proved.
    let mut other_ancestor = chain[1].clone();
    set(&mut other_ancestor, "/other_data/b_data/b_hashes/prev_hashes/100", hash(9));
    let mut earlier = chain[1].clone();
    set(&mut earlier, &format!("{META}/block_timestamp"), json!("0x66851e0b"));
    let mut other_checkpoint = chain[1].clone();
    set(&mut other_checkpoint, "/other_data/checkpoint_state_trie_root", hash(9));
    let cases = [
        ("a gap", &one, parse(&gap), "block 3: it follows block 1"),
        ("the order turned round", &two, one.clone(), "block 1: it follows block 2"),
        ("a block twice", &one, one.clone(), "block 1: it follows block 1"),
        ("another parent", &one, parse(&other_parent), "block 2: its parent is 0x0909"),
        ("another checkpoint", &one, parse(&other_checkpoint), "block 2: other_data.checkpoint_state_trie_root"),
        ("another ancestor", &one, parse(&other_ancestor), "block 2: "),
        ("an earlier time", &one, parse(&earlier), "block 2: "),
    ];
    let mut accepted = Vec::new();
    for (name, before, next, expected) in cases {
        let Err(error) = before.link().check_next(&next) else {
            accepted.push(name);
            continue;
        };
        assert!(matches!(error, WitnessError::Invalid { .. }), "{name}: {error:?}");
        assert!(error.to_string().starts_with(expected), "{name}: {error}");
    }
    assert!(accepted.is_empty(), "accepted: {accepted:?}");
}

/// jq before 1.7 reads numbers as doubles and prints 17 digits: Debian 12's does.
#[test]
fn a_checkpoint_hash_that_jq_has_rounded_is_mended() {
    let rounded = |digits: &str| match digits.len() {
        0..=17 => digits.to_owned(),
        len => format!("{}{}", &digits[..17], "0".repeat(len - 17)),
    };
    let exact = transfer();
    let pointer = "/other_data/checkpoint_consolidated_hash";
    let numbers = exact.pointer(pointer).and_then(Value::as_array).expect("four numbers").clone();
    let numbers = numbers.iter().map(|number| serde_json::from_str(&rounded(&number.to_string())).expect("a number"));
    let mut changed = exact.clone();
    set(&mut changed, pointer, Value::Array(numbers.collect()));
    let mut block = parse(&changed);
    assert_ne!(block.digest(), parse(&exact).digest());
    assert!(block.mend_rounded_hash());
    assert_eq!(block.digest(), parse(&exact).digest());
    assert!(!block.mend_rounded_hash(), "there is nothing left to mend");
}

/// One that is not that of this block is that of an earlier one, or wrong: not for us to say.
#[test]
fn another_checkpoint_hash_is_left_alone() {
    let mut changed = transfer();
    set(&mut changed, "/other_data/checkpoint_consolidated_hash", json!([1, 2, 3, 4]));
    let mut block = parse(&changed);
    assert!(!block.mend_rounded_hash());
}
