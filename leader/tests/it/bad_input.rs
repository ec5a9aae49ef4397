//! Witnesses that cannot be proved: refused before any work, in one clear line, and nothing is left.

use std::path::PathBuf;

use serde_json::{Value, json};
use testing::process::run;
use testing::witness::{blocks, set, shipped, transfer};

use crate::support::{FAILED, USAGE, leader};

/// The block of `transfer.json` with one value changed.
fn changed(pointer: &str, value: Value) -> String {
    let mut block = transfer();
    set(&mut block, pointer, value);
    block.to_string()
}

/// The block of `transfer.json` with one field more, or less.
fn reshaped(pointer: &str, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> String {
    let mut block = transfer();
    change(block.pointer_mut(pointer).and_then(Value::as_object_mut).expect(pointer));
    block.to_string()
}

/// Witnesses that are refused, with what is said of each.
fn bad_witnesses() -> Vec<(&'static str, String, Vec<&'static str>)> {
    const META: &str = "/other_data/b_data/b_meta";
    let good = shipped("transfer.json");
    let on_mainnet = |time: u64| {
        let mut block = transfer();
        let meta = block.pointer_mut(META).expect("a header");
        meta["block_chain_id"] = json!("0x1");
        meta["block_timestamp"] = json!(format!("{time:#x}"));
        block.to_string()
    };
    vec![
        ("nothing", String::new(), vec!["the witness is empty"]),
        ("white space", " \n\t\n".to_owned(), vec!["the witness is empty"]),
        ("no blocks", "[]".to_owned(), vec!["the witness is empty"]),
        ("truncated", good[..good.len() / 2].to_owned(), vec!["block 1 of the witness", "EOF"]),
        ("no JSON", "hello".to_owned(), vec!["block 1 of the witness"]),
        ("no block", "[{}]".to_owned(), vec!["block 1 of the witness", "missing field `block_trace`"]),
        (
            "a wrong type",
            changed("/other_data/b_data/b_meta/block_gas_used", json!([])),
            vec!["block 1 of the witness", "other_data.b_data.b_meta.block_gas_used"],
        ),
        (
            "an unknown field of the header",
            reshaped(META, |meta| drop(meta.insert("requests_hash".to_owned(), json!("0x00")))),
            vec!["block 1 of the witness", "unknown field other_data.b_data.b_meta.requests_hash"],
        ),
        (
            "an unknown field of the block",
            reshaped("", |block| drop(block.insert("requests".to_owned(), json!([])))),
            vec!["block 1 of the witness", "unknown field `requests`"],
        ),
        (
            "Shanghai, by its header",
            reshaped(META, |meta| drop(meta.remove("block_excess_blob_gas"))),
            vec!["block 1 of the witness", "missing field `block_excess_blob_gas`", "before Cancun"],
        ),
        ("Shanghai, by its time", on_mainnet(1_700_000_000), vec!["block 1 ", "pre-Cancun", "Cancun blocks only"]),
        ("Prague, by its time", on_mainnet(1_750_000_000), vec!["block 1 ", "Prague", "Cancun blocks only"]),
        (
            "Prague, by a transaction",
            changed("/block_trace/txn_info/0/meta/byte_code", json!("0x04c0")),
            vec!["block 1 ", "Prague", "transaction 0", "EIP-7702"],
        ),
        ("proof of work", changed("/other_data/b_data/b_meta/block_difficulty", json!("0x1")), vec!["pre-Merge"]),
        (
            "too few hashes",
            changed("/other_data/b_data/b_hashes/prev_hashes", json!([])),
            vec!["block 1", "prev_hashes has 0 hashes instead of 256"],
        ),
        ("genesis", changed("/other_data/b_data/b_meta/block_number", json!("0x0")), vec!["block 0", "genesis"]),
    ]
}

/// From stdin and from a file, to prove and to plan: 2, one line that names the input, and no file is left.
#[test]
fn bad_witnesses_are_refused_before_any_work() {
    let home = leader();
    for (name, text, parts) in bad_witnesses() {
        let outputs = ["", "--test-only", "--output-proof-file proof.json", "--proof-output-dir proofs"];
        for options in outputs {
            let run = home.run(&format!("--profile test stdio {options}"), &text);
            run.fails(&format!("{name}, {options}"), USAGE, &[&["stdin"], parts.as_slice()].concat());
        }
        let file = home.file("bad.json", &text);
        home.run("--profile test stdio bad.json", "").fails(name, USAGE, &[&["bad.json"], parts.as_slice()].concat());
        assert_eq!(home.files(), [file], "{name}: something was left");
    }
}

/// The blocks before the bad one are planned, and the error is of the bad one.
#[test]
fn blocks_must_follow_each_other() {
    let home = leader();
    let chain = blocks("chain.json");
    let next = |pointer: &str, value: Value| {
        let mut block = chain[1].clone();
        set(&mut block, pointer, value);
        format!("{}\n{block}", chain[0])
    };
    let hash = json!(format!("0x{}", "09".repeat(32)));
    let cases = [
        ("a gap", next("/other_data/b_data/b_meta/block_number", json!("0x3")), "block 3: it follows block 1"),
        ("the order turned round", json!([chain[1], chain[0]]).to_string(), "block 1: it follows block 2"),
        ("a block twice", json!([chain[0], chain[0]]).to_string(), "block 1: it follows block 1"),
        ("another parent", next("/other_data/b_data/b_hashes/prev_hashes/255", hash.clone()), "block 2: its parent is"),
        ("another checkpoint", next("/other_data/checkpoint_state_trie_root", hash), "checkpoint_state_trie_root"),
        ("a bad second block", format!("{} {{}}", chain[0]), "block 2 of the witness does not parse"),
        ("a second block that is cut", format!("[{}, {{\"block_trace\"", chain[0]), "block 2 of the witness"),
    ];
    for (name, text, part) in cases {
        let run = home.run("--test-only stdio", &text);
        run.says(name, USAGE, &["stdin", part]);
        assert_eq!(run.stdout.lines().filter(|line| line.starts_with("block ")).count(), 1, "{name}: {}", run.stdout);
    }
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

/// A block that parses and does not execute as it says fails; its batch is named, in one line, however much detail the
/// user wants of panics.
#[test]
fn a_block_that_does_not_execute_fails() {
    let home = leader();
    let account = "/block_trace/txn_info/0/traces/0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266/balance";
    let cases = [
        ("another balance", changed(account, json!("0x1")), vec!["block 1", "batch 0"]),
        (
            "no transaction",
            changed("/block_trace/txn_info/0/meta/byte_code", json!("0x02c0")),
            vec!["block 1", "batch 0"],
        ),
        ("other gas", changed("/block_trace/txn_info/0/meta/gas_used", json!(21001)), vec!["block 1"]),
    ];
    for (name, text, parts) in cases {
        let run = run(home.command("--test-only stdio").env("RUST_BACKTRACE", "1"), &text);
        run.says(name, FAILED, &parts);
        assert_eq!(run.stdout, "", "{name}");
        let errors = run.stderr.lines().filter(|line| !line.contains("WARN ")).count();
        assert_eq!(errors, 1, "{name}: not one line:\n{}", run.stderr);
    }
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

/// The block circuit would find this out, when everything else is proved.
#[test]
fn a_header_with_other_gas_than_the_transactions_is_refused() {
    let home = leader();
    let text = changed("/other_data/b_data/b_meta/block_gas_used", json!("0x5209"));
    let run = home.run("--test-only stdio", &text);
    run.says("gas", FAILED, &["block 1", "21001", "21000"]);
    assert_eq!(run.stdout, "");
}

/// So would it this: a block without a previous proof must start from its checkpoint.
#[test]
fn a_block_in_the_middle_needs_a_previous_proof() {
    let home = leader();
    home.file("file", "not a folder");
    // Circuits cannot be prepared there; what is wrong is known before that is tried.
    let words = "--profile test --circuits-dir file/circuits stdio";
    let run = home.run(words, &blocks("chain.json")[1].to_string());
    run.says("the second block alone", USAGE, &["block 2", "checkpoint", "--previous-proof"]);
}
