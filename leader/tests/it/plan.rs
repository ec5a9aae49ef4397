//! Plans: what `--test-only` says of proving a block.

use std::path::PathBuf;

use serde_json::{Value, json};
use testing::witness::{blocks, shipped};

use crate::support::leader;

#[test]
fn a_plan_says_what_proving_would_take() {
    let home = leader();
    let text = home.run("--test-only stdio", &shipped("chain.json"));
    text.succeeds("a plan");
    assert_eq!(text.stderr, "");
    let lines: Vec<&str> = text.stdout.lines().collect();
    assert_eq!(lines.len(), 10, "{}", text.stdout);
    assert_eq!(lines[0], "block 1: 1 transactions, 21000 gas; 2 batches, 2 segments of at most 2^16 cycles, 6 tasks");
    assert_eq!(lines[1], "  batch 0: transactions 0..1, 1 segments");
    for table in [
        "arithmetic 16",
        "byte-packing ",
        "cpu 16",
        "keccak ",
        "keccak-sponge 8",
        "logic ",
        "memory ",
        "memory-before ",
    ] {
        assert!(lines[2].contains(table), "{table}: {}", lines[2]);
    }
    assert_eq!(lines[3], "  batch 1: transactions 1..1, 1 segments");
    assert_eq!(lines[5], "block 2: 0 transactions, 0 gas; 2 batches, 2 segments of at most 2^16 cycles, 6 tasks");

    let json = home.run("--test-only stdio --json", &shipped("chain.json"));
    json.succeeds("a plan in JSON");
    let plans: Vec<Value> = json.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [first, second] = &plans[..] else { panic!("{}", json.stdout) };
    let expected =
        json!({ "block_number": 1, "transactions": 1, "gas_used": 21000, "max_cpu_len_log": 16, "tasks": 6 });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(first[field], *value, "{field}");
    }
    assert_eq!(first["block_hash"], blocks("chain.json")[0]["other_data"]["b_data"]["b_hashes"]["cur_hash"]);
    assert_eq!(first["missing_circuits"], Value::Null, "the default profile is for the shipped witnesses");
    assert_eq!(second["missing_circuits"], Value::Null, "the default profile is for the shipped witnesses");
    let batches = first["batches"].as_array().expect("an array");
    assert_eq!(batches.len(), 2);
    assert_eq!(batches[0]["transactions"], json!([0, 1]));
    assert_eq!(batches[0]["segments"][0]["cpu"], 16);
    assert!(batches[0]["memory"][0].as_u64().is_some_and(|bytes| bytes > 1_000_000_000), "{batches:?}");
    assert_ne!(first["witness"], second["witness"]);
    assert_eq!(home.files(), Vec::<PathBuf>::new(), "a plan writes nothing");
}

/// A witness can be piped through `jq '.[]'`, and two processes plan the same.
#[test]
fn two_processes_plan_the_same() {
    let home = leader();
    let lines: Vec<String> = blocks("chain.json").iter().map(Value::to_string).collect();
    let [first, second, third] = [shipped("chain.json"), shipped("chain.json"), lines.join("\n")]
        .map(|text| home.run("--test-only -b 1 -m 12 stdio --json", &text).stdout);
    assert!(first.lines().count() == 2 && first.contains("\"witness\""), "{first}");
    assert_eq!(first, second);
    assert_eq!(first, third);
}

/// What the profile has no circuits for is said with the plan, with the flag that helps.
#[test]
fn a_plan_names_missing_circuits() {
    let home = leader();
    let run = home.run("--test-only -m 12 stdio", &shipped("transfer.json"));
    run.succeeds("a plan");
    let missing = run.stdout.lines().find(|line| line.contains("cannot be proved with this profile"));
    let missing = missing.unwrap_or_else(|| panic!("{}", run.stdout));
    assert!(missing.contains("2^7 rows") && missing.contains("--keccak=7..12"), "{missing}");
}
