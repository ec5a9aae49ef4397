//! `rpc check`: a witness runs, ends as its header says, and if not, what is wrong is named.

use serde_json::{Value, json};
use testing::witness::{blocks, elsewhere, root};

use crate::support::{FAILED, USAGE, rpc};

const CHAIN: &str = "chain.json";

fn header() -> String {
    format!("--header {}", root("witnesses/chain_header.json").display())
}

/// The traces of a block's first transaction.
fn traces(block: &mut Value) -> &mut serde_json::Map<String, Value> {
    block["block_trace"]["txn_info"][0]["traces"].as_object_mut().expect("traces by address")
}

#[test]
fn a_good_witness_ends_as_its_header_says() {
    let home = rpc();
    let text = Value::from(blocks(CHAIN)).to_string();
    let run = home.run(&format!("check {}", header()), &text);
    run.expect(0, &["checked blocks=2"]);
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let headers: Vec<Value> =
        serde_json::from_slice(&std::fs::read(root("witnesses/chain_header.json")).expect("a file")).expect("headers");
    assert_eq!(lines.len(), 2);
    for (line, header) in lines.iter().zip(headers) {
        assert_eq!(line["state_root"], header["stateRoot"]);
        assert_eq!(line["hash"], header["hash"]);
        assert_eq!(line["header"], true);
    }
    // Without a header it only runs, which is said.
    home.run("check", &text).expect(0, &["no header to compare with"]);
}

#[test]
fn a_wrong_balance_is_named() {
    let mut block = blocks(CHAIN).remove(0);
    let (address, trace) = traces(&mut block)
        .iter_mut()
        .find(|(_, trace)| trace.get("nonce").is_some())
        .expect("the sender's nonce is raised");
    let address = address.clone();
    trace["balance"] = json!("0x1234");
    let run = rpc().run("check", &block.to_string());
    run.says(
        "balance",
        FAILED,
        &[
            "block 1",
            "batch 0",
            "the state root is",
            &format!("account {address} has balance"),
            "and 4660 by the witness",
        ],
    );
}

#[test]
fn a_wrong_slot_is_among_those_named() {
    let Some(path) = elsewhere("../jerigon/witnesses/06.json") else { return };
    let text = std::fs::read_to_string(path).expect("a file");
    let mut block: Value = serde_json::from_str::<Vec<Value>>(&text).expect("an array").remove(0);
    let (address, slot) = {
        let of_slots = |(address, trace): (&String, &mut Value)| {
            let (slot, value) = trace.get_mut("storage_written")?.as_object_mut()?.iter_mut().next()?;
            *value = json!("0x1234");
            Some((address.clone(), slot.clone()))
        };
        traces(&mut block).iter_mut().find_map(of_slots).expect("a slot is written")
    };
    let run = rpc().run("check", &block.to_string());
    run.says("slot", FAILED, &["block 6", &format!("account {address} has storage root"), &slot]);
}

#[test]
fn another_header_is_not_that_of_the_witness() {
    let home = rpc();
    let mut block = blocks(CHAIN).remove(0);
    block["other_data"]["b_data"]["b_meta"]["block_random"] = json!(format!("{:#066x}", 7));
    let run = home.run(&format!("check {}", header()), &block.to_string());
    run.says("randomness", FAILED, &["block 1", "mixHash is"]);
    block["other_data"]["b_data"]["b_hashes"]["cur_hash"] = json!(format!("{:#066x}", 7));
    home.run(&format!("check {}", header()), &block.to_string()).says(
        "hash",
        FAILED,
        &["block 1", "no header has its hash"],
    );
    home.run("check --header nowhere", "[]").says("no file", USAGE, &["nowhere"]);
    home.run("check", "{").says("no witness", USAGE, &["stdin"]);
}
