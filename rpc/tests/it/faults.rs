//! Nodes that do not answer, or not truthfully: each gives one sentence, and nothing wrong is passed on.

use std::time::{Duration, Instant};

use alloy::eips::BlockId;
use ops::witness::Witness;
use rpc::cli::RpcType;
use rpc::error::FetchError;
use rpc::fetch;
use rpc::node::{Node, NodeError, Options};
use serde_json::{Value, json};
use testing::replay::{Heads, Replay, Wrong};

use crate::support::{FAILED, checkpoint, connect, options, rpc};

/// A block with several kinds of transactions.
const BLOCK: u64 = 6;

const TRACE: &str = "debug_traceBlockByNumber";
const BLOCK_BY_NUMBER: &str = "eth_getBlockByNumber";

/// What is fetched when a node does something wrong.
async fn fetch(
    replay: &Replay,
    rpc_type: RpcType,
    method: Option<&'static str>,
    wrong: Wrong,
) -> Result<Witness, FetchError> {
    replay.mend();
    let node = connect(&replay.url()).await;
    let checkpoint = checkpoint(&node, BLOCK - 1).await;
    replay.fault(method, None, wrong);
    fetch::witness(&node, rpc_type, BlockId::number(BLOCK), &checkpoint).await
}

/// One sentence on one line that names the node and has these parts.
#[track_caller]
fn says(name: &str, result: Result<Witness, FetchError>, parts: &[&str]) {
    let error = result.map(|witness| witness.number()).expect_err(name).to_string();
    for part in parts {
        assert!(error.contains(part), "{name}: `{part}` is not in: {error}");
    }
    assert!(error.contains("127.0.0.1:") && !error.contains('\n') && error.len() < 700, "{name}: {error}");
}

/// Changes a text below a field of this name: the last one, since what earlier transactions do may be done again.
fn change(value: &mut Value, field: &str, text: &str) -> bool {
    match value {
        Value::Array(values) => values.iter_mut().rev().any(|value| change(value, field, text)),
        Value::Object(fields) => {
            if let Some(found) = fields.get_mut(field).filter(|found| found.is_string()) {
                *found = text.into();
                return true;
            }
            fields.values_mut().any(|value| change(value, field, text))
        }
        _ => false,
    }
}

fn changed(field: &'static str, text: &'static str) -> Wrong {
    Wrong::bent(move |_, answer| {
        change(answer, field, text);
    })
}

/// Whatever a node lies about, it is compared with something that it cannot change.
#[tokio::test]
async fn lies_are_found_out() {
    let Some(replay) = Replay::jerigon() else { return };
    let swapped = Wrong::bent(|_, answer| answer.as_array_mut().expect("traces").swap(0, 1));
    let dropped = Wrong::bent(|_, answer| drop(answer.as_array_mut().and_then(Vec::pop)));
    let untraced = Wrong::bent(|_, answer| {
        answer[1] =
            json!({"txHash": answer[1]["txHash"], "result": null, "error": {"code": -32000, "message": "out of luck"}})
    });
    let unwritten = Wrong::bent(|_, answer| {
        let traces = answer[0]["result"]["traces"].as_object_mut().expect("traces");
        traces.values_mut().for_each(|trace| drop(trace.as_object_mut().expect("a trace").remove("storage_written")));
    });
    let cut = Wrong::bent(|_, answer| *answer = json!(&answer.as_str().expect("a witness")[..200]));
    let flipped = Wrong::bent(|_, answer| {
        *answer = json!(answer.as_str().expect("a witness").replace("084714f3ee", "084714f3ef"))
    });
    let cases: [(&str, &'static str, Wrong, &[&str]); 19] = [
        (
            "another state root",
            BLOCK_BY_NUMBER,
            Wrong::at("/stateRoot", json!(format!("0x{:064x}", 7))),
            &["block 6", "hashes to"],
        ),
        (
            "another hash",
            BLOCK_BY_NUMBER,
            Wrong::at("/hash", json!(format!("0x{:064x}", 7))),
            &["block 6", "hashes to"],
        ),
        ("another block", BLOCK_BY_NUMBER, Wrong::bent(|_, answer| answer["number"] = json!("0x7")), &["hashes to"]),
        ("no block", BLOCK_BY_NUMBER, Wrong::result(Value::Null), &["no block 6"]),
        (
            "no header field",
            BLOCK_BY_NUMBER,
            Wrong::bent(|_, answer| drop(answer.as_object_mut().expect("a block").remove("stateRoot"))),
            &["stateRoot"],
        ),
        (
            "a transaction less",
            BLOCK_BY_NUMBER,
            Wrong::bent(|_, answer| drop(answer["transactions"].as_array_mut().and_then(Vec::pop))),
            &["transactions", "root"],
        ),
        (
            "a withdrawal more",
            BLOCK_BY_NUMBER,
            Wrong::at(
                "/withdrawals",
                json!([{"index": "0x0", "validatorIndex": "0x0", "address": format!("0x{:040x}", 1), "amount": "0x1"}]),
            ),
            &["withdrawals", "root"],
        ),
        ("a balance", TRACE, changed("balance", "0x1"), &["state root"]),
        ("a nonce", TRACE, changed("nonce", "0x77"), &["state root"]),
        ("a slot not written", TRACE, unwritten, &["state root"]),
        ("other receipts", TRACE, changed("new_receipt_trie_node_byte", "0xb9010c02"), &["transaction 4", "receipt"]),
        ("other gas", TRACE, Wrong::at("/0/result/meta/gas_used", json!(21001)), &["transaction 0", "gas"]),
        ("another transaction", TRACE, changed("byte_code", "0x02"), &["transaction 4", "the block has"]),
        ("another order", TRACE, swapped, &["transaction 0", "the block has"]),
        ("a trace less", TRACE, dropped, &["4 transactions", "it has 5"]),
        ("a transaction that was not traced", TRACE, untraced, &["transaction 1", "out of luck"]),
        ("no witness", "eth_getWitness", Wrong::result(json!("0x")), &["no block 6"]),
        ("a witness in part", "eth_getWitness", cut, &["block 6", "decode"]),
        ("a witness with another balance", "eth_getWitness", flipped, &["the state before block 6"]),
    ];
    for (name, method, wrong, parts) in cases {
        says(name, fetch(&replay, RpcType::Jerigon, Some(method), wrong).await, parts);
    }
}

/// The witness of another block is not taken, nor the traces of one.
#[tokio::test]
async fn answers_of_another_block_are_found_out() {
    let Some(replay) = Replay::jerigon() else { return };
    let node = connect(&replay.url()).await;
    for (method, params) in [("eth_getWitness", json!(["0x8"])), (TRACE, json!(["0x8", {"tracer": "zeroTracer"}]))] {
        let other: Value = node.call(method, params).await.expect("it answers");
        says(method, fetch(&replay, RpcType::Jerigon, Some(method), Wrong::result(other)).await, &["block 6", method]);
    }
}

/// What does not pass is said; what passes is waited for.
#[tokio::test]
async fn storms_pass_or_are_named() {
    let Some(replay) = Replay::jerigon() else { return };
    let storms: [(&str, Wrong, &[&str]); 7] = [
        ("429", Wrong::Status(429, None), &["429"]),
        ("503", Wrong::Status(503, None), &["503"]),
        ("closed", Wrong::Closed, &[]),
        ("truncated", Wrong::Truncated, &["broke off"]),
        ("behind", Wrong::Error(-32000, "header not found"), &["header not found"]),
        ("garbage", Wrong::Garbage, &["something else than expected"]),
        ("refused", Wrong::Error(-32000, "not today"), &["not today"]),
    ];
    for (name, wrong, parts) in storms {
        says(name, fetch(&replay, RpcType::Jerigon, Some("eth_getWitness"), wrong.clone()).await, parts);
        let passes = !matches!(name, "garbage" | "refused");
        replay.mend();
        let node = connect(&replay.url()).await;
        let checkpoint = checkpoint(&node, BLOCK - 1).await;
        replay.fault("eth_getWitness", 2, wrong);
        let asked = replay.calls("eth_getWitness");
        let result = fetch::witness(&node, RpcType::Jerigon, BlockId::number(BLOCK), &checkpoint).await;
        assert_eq!(result.is_ok(), passes, "{name}: {result:?}");
        let asked = replay.calls("eth_getWitness") - asked;
        assert_eq!(asked, if passes { 3 } else { 1 }, "{name}");
    }
}

/// A node that asks to be left alone is left alone.
#[tokio::test]
async fn retry_after_is_respected() {
    let Some(replay) = Replay::jerigon() else { return };
    let node = connect(&replay.url()).await;
    let checkpoint = checkpoint(&node, BLOCK - 1).await;
    replay.fault("eth_getWitness", 1, Wrong::Status(429, Some(2)));
    let start = Instant::now();
    fetch::witness(&node, RpcType::Jerigon, BlockId::number(BLOCK), &checkpoint).await.expect("it passes");
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn limits_hold() {
    let Some(replay) = Replay::jerigon() else { return };
    let cases = [
        (Options { limit: 1 << 20, ..options() }, Wrong::Huge(2 << 20), "1048576 bytes"),
        (Options { timeout: Duration::from_secs(1), ..options() }, Wrong::Slow(Duration::from_secs(3)), "within 1 s"),
    ];
    for (options, wrong, part) in cases {
        replay.mend();
        let node = Node::connect(&replay.url(), options).await.expect("it connects");
        let checkpoint = checkpoint(&node, BLOCK - 1).await;
        replay.fault("eth_getWitness", None, wrong);
        let result = fetch::witness(&node, RpcType::Jerigon, BlockId::number(BLOCK), &checkpoint).await;
        says(part, result, &[part, "eth_getWitness"]);
    }
}

#[tokio::test]
async fn another_chain_is_refused() {
    let Some(replay) = Replay::jerigon() else { return };
    let result = Node::connect(&replay.url(), Options { chain_id: Some(1), ..options() }).await;
    let error = result.expect_err("it is another chain");
    assert!(matches!(error, NodeError::Chain { found: 1337, wanted: 1, .. }), "{error}");
}

/// Proofs are recomputed, so is code.
#[tokio::test]
async fn lies_about_the_state_are_found_out() {
    let Some(replay) = Replay::geth() else { return };
    let leaf = Wrong::bent(|_, answer| {
        let proof = answer["accountProof"].as_array_mut().expect("a proof");
        let node = proof.last_mut().expect("a node");
        let text = node.as_str().expect("a node").to_owned();
        *node = json!(format!("{}{}", &text[..text.len() - 2], if text.ends_with("00") { "01" } else { "00" }));
    });
    let slot = Wrong::bent(|_, answer| {
        for slot in answer["storageProof"].as_array_mut().into_iter().flatten() {
            slot["value"] = json!("0x77");
        }
    });
    let cases: [(&str, &'static str, Wrong, &[&str]); 3] = [
        ("a leaf", "eth_getProof", leaf, &["wrong proof"]),
        ("no proof", "eth_getProof", Wrong::at("/accountProof", json!([])), &["wrong proof"]),
        ("no state", "eth_getProof", Wrong::Error(-32000, "missing trie node 00"), &["archive"]),
    ];
    for (name, method, wrong, parts) in cases {
        says(name, fetch(&replay, RpcType::Native, Some(method), wrong).await, parts);
    }
    // What is said beside a proof is not even read, or found out.
    let node = connect(&replay.url()).await;
    replay.mend();
    let checkpoint = checkpoint(&node, BLOCK - 1).await;
    let right = fetch::witness(&node, RpcType::Native, BlockId::number(BLOCK), &checkpoint).await.expect("a witness");
    let beside = [
        ("a balance", Wrong::at("/balance", json!("0x77"))),
        ("a nonce", Wrong::at("/nonce", json!("0x77"))),
        ("a storage root", Wrong::at("/storageHash", json!(format!("0x{:064x}", 7)))),
        ("a code hash", Wrong::at("/codeHash", json!(format!("0x{:064x}", 7)))),
        ("slots", slot),
    ];
    for (name, wrong) in beside {
        match fetch(&replay, RpcType::Native, Some("eth_getProof"), wrong).await {
            Ok(witness) => assert_eq!(witness.digest(), right.digest(), "{name}"),
            error => says(name, error, &["wrong"]),
        }
    }
}

/// Code is hashed, whether a tracer or `eth_getCode` gives it.
#[tokio::test]
async fn other_code_is_found_out() {
    let Some(replay) = Replay::geth() else { return };
    let node = connect(&replay.url()).await;
    let checkpoint = checkpoint(&node, BLOCK - 1).await;
    let refused = Wrong::Error(-32601, "the method does not exist/is not available");
    replay.fault(TRACE, None, refused.clone());
    replay.fault("debug_traceTransaction", None, refused);
    fetch::witness(&node, RpcType::Native, BlockId::number(BLOCK), &checkpoint).await.expect("no tracer is needed");
    assert!(replay.calls("eth_getCode") > 0);
    replay.fault("eth_getCode", None, Wrong::result(json!("0x6001")));
    let result = fetch::witness(&node, RpcType::Native, BlockId::number(BLOCK), &checkpoint).await;
    says("code", result, &["code for account"]);
}

/// A node that the tracer of Polygon Zero is asked of, and that is another.
#[test]
fn jerigon_is_not_geth() {
    let Some(replay) = Replay::geth() else { return };
    let words = format!("--rpc-url {} --rpc-type jerigon --no-cache fetch --start-block 3", replay.url());
    rpc().run(&words, "").fails(&words, FAILED, &["127.0.0.1:", "eth_getWitness", "--rpc-type jerigon"]);
}

/// The same sentences at the program, with nothing of a witness on stdout.
#[test]
fn the_program_says_it_in_one_line() {
    let Some(replay) = Replay::jerigon() else { return };
    let home = rpc();
    let cases: [(&str, &'static str, Wrong, &[&str]); 5] = [
        ("a lie", TRACE, changed("balance", "0x1"), &["127.0.0.1:", "state root"]),
        ("a witness cut off", "eth_getWitness", Wrong::Truncated, &["broke off", "eth_getWitness"]),
        ("a storm", "eth_getWitness", Wrong::Status(429, None), &["429", "eth_getWitness"]),
        ("garbage", "eth_chainId", Wrong::Garbage, &["eth_chainId"]),
        ("no chain id", "eth_chainId", Wrong::result(Value::Null), &["eth_chainId"]),
    ];
    for (name, method, wrong, parts) in cases {
        replay.mend();
        replay.fault(method, None, wrong);
        let words = format!(
            "--rpc-url {} -t jerigon --max-retries 2 --backoff 1 --no-cache fetch --start-block {BLOCK}",
            replay.url()
        );
        home.run(&words, "").fails(name, FAILED, parts);
    }
    replay.mend();
    replay.set_heads(Heads { latest: 5, finalized: None });
    for (block, part) in [("6", "no block 6"), ("finalized", "finalized")] {
        let words =
            format!("--rpc-url {} --max-retries 1 --backoff 1 --no-cache fetch --start-block {block}", replay.url());
        home.run(&words, "").fails(block, FAILED, &[part]);
    }
}
