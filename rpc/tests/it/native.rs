//! The native path at recorded nodes: compared with what Jerigon's tracer says of the same blocks; without a tracer; with
//! nodes that lie.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use alloy::eips::BlockId;
use alloy::primitives::keccak256;
use ethereum_types::{Address, H256};
use ops::witness::{self, Witness};
use rpc::error::FetchError;
use rpc::native::witness as native;
use rpc::node::{Node, Options};
use serde_json::{Value, json};
use testing::replay::{Heads, Replay, Wrong, recorded};
use trace_decoder::{ContractCodeUsage, TxnInfo, TxnTrace};

use crate::support::{checkpoint, connect, options, simulates, state_root};

async fn fetch(replay: &Replay, number: u64) -> Result<Witness, FetchError> {
    let node = connect(&replay.url()).await;
    let from = checkpoint(&node, number - 1).await;
    native(&node, BlockId::number(number), &from).await
}

fn theirs(number: u64) -> Witness {
    let path = recorded(&format!("witnesses/{number:02}.json")).expect("the recording is there");
    let mut found = None;
    let mut keep = |witness| {
        found = Some(witness);
        Ok(())
    };
    witness::read(File::open(path).expect("a file"), &mut keep).expect("a witness");
    let mut found = found.expect("one block");
    crate::jerigon::mend_bloom(&mut found);
    found
}

/// Everything that a proof states, and every transaction and receipt, is what the reference fetcher recorded; so are the
/// traces, but for what is written down in [`agrees`].
#[tokio::test]
async fn witnesses_agree_with_the_reference() {
    let Some(replay) = Replay::jerigon() else { return };
    for number in (1..=36).chain(255..=258) {
        let ours = fetch(&replay, number).await.expect("there is a witness");
        let theirs = theirs(number);
        assert_eq!(json(&ours.other_data), json(&theirs.other_data), "block {number}");
        let [a, b] = [&ours, &theirs].map(|witness| &witness.block_trace.txn_info);
        assert_eq!(a.len(), b.len());
        for (index, (ours, theirs)) in a.iter().zip(b).enumerate() {
            assert_eq!(json(&ours.meta), json(&theirs.meta), "block {number}, transaction {index}");
            agrees(&format!("block {number}, transaction {index}"), ours, theirs);
        }
    }
}

/// The transaction of the recording that stores until its gas is used up.
const OUT_OF_GAS: &str = "block 20, transaction 4,";

fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("JSON")
}

/// Compares the traces of a transaction. The reference differs in that
/// - it has no entries of access lists that are not used;
/// - it lists slots that are written among those that are read, not always, and writes that change nothing as writes;
/// - it describes contracts that do not outlive the transaction, of which only the end counts;
/// - it says of code that is only looked at that it was written, with the old nonce, and names balances that stay;
/// - it names the slot whose store ran out of gas ([`OUT_OF_GAS`]) before anything was read.
fn agrees(name: &str, ours: &TxnInfo, theirs: &TxnInfo) {
    let empty = TxnTrace::default();
    let addresses: BTreeSet<&Address> = ours.traces.keys().chain(theirs.traces.keys()).collect();
    for address in addresses {
        let name = format!("{name}, {address:?}");
        let [a, b] = [ours, theirs].map(|info| info.traces.get(address).unwrap_or(&empty));
        let slots = |trace: &TxnTrace| -> BTreeSet<H256> {
            trace.storage_read.iter().chain(trace.storage_written.keys()).copied().collect()
        };
        let unseen: Vec<H256> = slots(b).difference(&slots(a)).copied().collect();
        assert_eq!(unseen.len(), usize::from(name.starts_with(OUT_OF_GAS) && !unseen.is_empty()), "{name}: {unseen:?}");
        assert_eq!(a.self_destructed, b.self_destructed, "{name}");
        if a.self_destructed {
            continue;
        }
        let changed =
            b.storage_written.iter().filter(|(slot, _)| !a.storage_read.contains(slot) && !unseen.contains(slot));
        let changed: BTreeMap<_, _> = changed.map(|(slot, value)| (*slot, *value)).collect();
        assert_eq!(a.storage_written, changed, "{name}");
        match (&a.code_usage, &b.code_usage) {
            (Some(ContractCodeUsage::Read(hash)), Some(ContractCodeUsage::Write(code))) => {
                assert_eq!(hash.0, keccak256(code).0, "{name}");
            }
            (a, b) => assert_eq!(a, b, "{name}"),
        }
        assert!(a.nonce == b.nonce || a.nonce.is_none(), "{name}");
        assert!(a.balance == b.balance || a.balance.is_none(), "{name}");
    }
}

/// A tracer only saves questions.
#[tokio::test]
async fn no_tracer_is_needed() {
    let Some(replay) = Replay::geth() else { return };
    for number in [6, 9, 16, 21, 24, 31] {
        let with = fetch(&replay, number).await.expect("there is a witness");
        let asked = replay.requests();
        for method in ["debug_traceBlockByNumber", "debug_traceTransaction"] {
            replay.fault(method, None, Wrong::Error(-32601, "the method does not exist/is not available"));
        }
        let without = fetch(&replay, number).await.expect("there is a witness");
        let asked = replay.requests() - asked;
        // Many at once, whatever there is to ask.
        assert!(asked < 120, "block {number}: {asked} requests");
        assert_eq!(json(&with.block_trace.txn_info), json(&without.block_trace.txn_info), "block {number}");
        let node = connect(&replay.url()).await;
        simulates(&without, 10, state_root(&node, number).await);
        replay.mend();
        // One transaction at a time, where the node does not trace whole blocks.
        replay.fault("debug_traceBlockByNumber", None, Wrong::Error(-32601, "the method does not exist"));
        let single = fetch(&replay, number).await.expect("there is a witness");
        assert_eq!(json(&with.block_trace.txn_info), json(&single.block_trace.txn_info), "block {number}");
        replay.mend();
    }
}

/// A tracer that lies changes nothing.
#[tokio::test]
async fn a_lying_tracer_is_harmless() {
    let Some(replay) = Replay::geth() else { return };
    let right = fetch(&replay, 6).await.expect("there is a witness");
    let lies = [
        Wrong::result(json!([])),
        Wrong::result(json!("0x")),
        Wrong::result(Value::Null),
        Wrong::result(json!([{ "txHash": "0x00", "result": { "nobody": {}, "0x01": { "storage": { "zz": 1 } } } }])),
        Wrong::result(json!([{ "result": { "0x00000000000000000000000000000000000000aa": { "code": "0x6001" } } }])),
        Wrong::Error(-32000, "tracing failed"),
    ];
    for lie in lies {
        replay.fault("debug_traceBlockByNumber", None, lie.clone());
        let witness = fetch(&replay, 6).await.unwrap_or_else(|error| panic!("{lie:?}: {error}"));
        assert_eq!(json(&right.block_trace.txn_info), json(&witness.block_trace.txn_info), "{lie:?}");
        replay.mend();
    }
}

/// Changes every node in proofs of accounts.
fn bend_proof(answer: &mut Value, bend: impl Fn(&mut Vec<Value>)) {
    for pointer in ["/accountProof", "/storageProof/0/proof"] {
        if let Some(Value::Array(nodes)) = answer.pointer_mut(pointer) {
            bend(nodes);
        }
    }
}

/// Whatever a node lies about, the block does not come out.
#[tokio::test]
async fn lies_are_found_out() {
    let Some(replay) = Replay::geth() else { return };
    let proof = "eth_getProof";
    let block = "eth_getBlockByNumber";
    let short = Wrong::bent(|_, answer| bend_proof(answer, |nodes| drop(nodes.pop())));
    let none = Wrong::bent(|_, answer| bend_proof(answer, Vec::clear));
    let flipped = Wrong::bent(|_, answer| {
        bend_proof(answer, |nodes| {
            if let Some(node) = nodes.last_mut() {
                let text = node.as_str().expect("hexadecimal").to_owned();
                *node = json!(format!("{}{}", &text[..text.len() - 1], if text.ends_with('0') { '1' } else { '0' }));
            }
        });
    });
    let huge = Wrong::at("/gasLimit", json!(format!("0x{}", "f".repeat(70))));
    let other = Wrong::bent(|_, answer| {
        let hash = answer["transactions"][0]["hash"].clone();
        answer["transactions"] = json!([hash]);
    });
    let cases: [(&str, &'static str, Wrong, &[&str]); 13] = [
        ("a proof cut short", proof, short, &["wrong proof", "missing"]),
        ("no proof", proof, none, &["wrong proof", "state trie"]),
        ("a proof with another bit", proof, flipped, &["wrong proof", "missing"]),
        ("a proof without nodes", proof, Wrong::at("/accountProof", json!("0x")), &["something else than expected"]),
        ("an empty code", "eth_getCode", Wrong::result(json!("0x")), &["code", "does not hash"]),
        ("another code", "eth_getCode", Wrong::result(json!("0x6001")), &["code", "does not hash"]),
        ("a number too large", block, huge, &["something else than expected"]),
        ("another field", block, Wrong::at("/gasUsed", json!("0x1")), &["hashes to"]),
        ("another parent", block, Wrong::at("/parentHash", json!(format!("0x{}", "7".repeat(64)))), &["hashes to"]),
        ("hashes for transactions", block, other, &["transactions"]),
        ("nothing", block, Wrong::result(json!({})), &["missing field"]),
        ("a list", proof, Wrong::result(json!([1, 2, 3])), &["something else than expected"]),
        ("a pruned state", proof, Wrong::Error(-32000, "missing trie node 12 (path ) <nil>"), &["block 5", "archive"]),
    ];
    for (name, method, wrong, parts) in cases {
        let node = connect(&replay.url()).await;
        let from = checkpoint(&node, 5).await;
        // Code comes with the tracer's answer otherwise.
        replay.fault(method, None, wrong);
        replay.fault("debug_traceBlockByNumber", None, Wrong::Error(-32601, "not offered"));
        replay.fault("debug_traceTransaction", None, Wrong::Error(-32601, "not offered"));
        let error = native(&node, BlockId::number(6), &from).await.expect_err(name).to_string();
        for part in parts {
            assert!(error.contains(part), "{name}: `{part}` is not in: {error}");
        }
        assert!(error.len() < 700 && !error.contains('\n'), "{name}: {error}");
        replay.mend();
    }
}

/// Makes a header another.
type Change = fn(&mut alloy::consensus::Header);

/// A block of another fork is refused by what its header has.
#[tokio::test]
async fn other_forks_are_refused() {
    let header = alloy::consensus::Header {
        number: 7,
        base_fee_per_gas: Some(1),
        withdrawals_root: Some(keccak256([1])),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(keccak256([2])),
        ..Default::default()
    };
    rpc::fork::check(&header).expect("Cancun");
    let cases: [(&str, Change); 9] = [
        ("Prague", |header| header.requests_hash = Some(keccak256([3]))),
        ("Shanghai", |header| header.parent_beacon_block_root = None),
        ("Shanghai", |header| header.blob_gas_used = None),
        ("Paris", |header| header.withdrawals_root = None),
        ("pre-London", |header| header.base_fee_per_gas = None),
        ("pre-Merge", |header| header.difficulty = alloy::primitives::U256::from(1)),
        ("block 0", |header| header.number = 0),
        ("gas limit", |header| header.gas_limit = u64::MAX),
        ("blob gas", |header| header.excess_blob_gas = Some(u64::MAX)),
    ];
    for (name, change) in cases {
        let mut other = header.clone();
        change(&mut other);
        let error = rpc::fork::check(&other).expect_err(name).to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
}

/// What is final is asked for once, in whatever process; a file that is damaged is not read, one that is changed neither.
#[tokio::test]
async fn what_is_final_is_kept() {
    let Some(replay) = Replay::geth() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let options = || Options { cache: Some(folder.path().to_owned()), ..options() };
    let fetch = async |number: u64| {
        let node = Node::connect(&replay.url(), options()).await.expect("it connects");
        let from = checkpoint(&node, number - 1).await;
        (json(&native(&node, BlockId::number(number), &from).await.expect("a witness")), node.requests())
    };
    let (first, asked) = fetch(24).await;
    let (second, again) = fetch(24).await;
    assert_eq!(first, second);
    assert!(asked > 10 && again < 6, "{asked} requests, then {again}");
    let mut files = Vec::new();
    let mut folders = vec![folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert!(files.len() > 5, "{files:?}");
    for (at, path) in files.iter().enumerate() {
        let mut bytes = std::fs::read(path).expect("a file");
        let middle = bytes.len() / 2;
        match at % 2 {
            0 => bytes[middle] ^= 1,
            _ => bytes.truncate(middle),
        }
        std::fs::write(path, bytes).expect("it is written");
    }
    let (third, once_more) = fetch(24).await;
    assert_eq!(first, third);
    assert!(once_more > 10, "{once_more} requests");
    // What is not final may change, and is not kept.
    replay.set_heads(Heads { latest: 36, finalized: Some(20) });
    let (_, asked) = fetch(30).await;
    let (_, again) = fetch(30).await;
    assert!(again * 2 > asked, "{asked} requests, then {again}");
}
