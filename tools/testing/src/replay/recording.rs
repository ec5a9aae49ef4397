//! What a real node has answered, found again by method and parameters.
//!
//! A recording has one `{"method", "params", "result" or "error"}` per line. Parameters that mean the same are the same
//! question: numbers with other digits, tags, hashes instead of numbers. Proofs and code that nobody has asked for in
//! these words are put together from what other answers have shown.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use ethereum_types::H256;
use keccak_hash::keccak;
use serde_json::{Value, json};

use super::trie::{Missing, Nodes, code_hash};
use crate::say;
use crate::witness::root;

/// Answers of a node.
#[derive(Debug, Default)]
pub struct Recording {
    answers: HashMap<String, Value>,
    numbers: HashMap<String, u64>,
    roots: HashMap<u64, H256>,
    transactions: HashMap<String, Value>,
    nodes: Nodes,
    codes: HashMap<H256, String>,
    /// Methods that would be answered here, and that this node does not have.
    unknown: &'static [&'static str],
    head: u64,
}

/// What changes while a node runs.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// The last block: what is behind it does not exist yet.
    pub latest: u64,
    /// The block that `safe` and `finalized` mean, if there is one.
    pub finalized: Option<u64>,
}

impl Recording {
    /// Jerigon's; `None`, said aloud, where it is absent.
    pub fn jerigon() -> Option<Arc<Self>> {
        static RECORDING: LazyLock<Option<Arc<Recording>>> =
            LazyLock::new(|| Recording::open("calls.jsonl.gz", &["debug_dbGet"]));
        RECORDING.clone()
    }

    /// That of geth on the same genesis; `None`, said aloud, where it is absent.
    pub fn geth() -> Option<Arc<Self>> {
        static RECORDING: LazyLock<Option<Arc<Recording>>> =
            LazyLock::new(|| Recording::open("geth-calls.jsonl.gz", &["eth_getWitness"]));
        RECORDING.clone()
    }

    fn open(name: &str, unknown: &'static [&'static str]) -> Option<Arc<Self>> {
        recorded(name).map(|path| Arc::new(Self { unknown, ..Self::read(&path) }))
    }

    fn read(path: &Path) -> Self {
        let unpacked = Command::new("gzip").arg("-dc").arg(path).output().expect("gzip runs");
        assert!(unpacked.status.success(), "{} is not whole", path.display());
        let lines = String::from_utf8(unpacked.stdout).expect("a recording is text");
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
        let mut new = Self::default();
        for line in &lines {
            let (method, result) = (line["method"].as_str().expect("a method"), &line["result"]);
            match method {
                "eth_getBlockByNumber" => new.add_block(result),
                "eth_getProof" => new.nodes.add(result),
                _ => new.add_codes(result),
            }
        }
        let heads = Heads { latest: new.head, finalized: Some(new.head) };
        for line in lines {
            let Some(key) = new.key(line["method"].as_str().expect("a method"), &line["params"], heads) else {
                continue;
            };
            new.answers.insert(key, line);
        }
        new
    }

    fn add_block(&mut self, block: &Value) {
        let number = number(&block["number"]).expect("a block has a number");
        let text = |field: &str| block[field].as_str().expect("a block has hashes").to_owned();
        self.numbers.insert(text("hash"), number);
        self.roots.insert(number, H256::from_slice(&bytes(&text("stateRoot"))));
        self.head = self.head.max(number);
        for transaction in block["transactions"].as_array().into_iter().flatten() {
            if let Some(hash) = transaction["hash"].as_str() {
                self.transactions.insert(hash.to_owned(), transaction.clone());
            }
        }
    }

    fn add_codes(&mut self, value: &Value) {
        match value {
            Value::String(code) => self.add_code(code),
            Value::Array(values) => values.iter().for_each(|value| self.add_codes(value)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(code) if name == "code" || name == "write" => self.add_code(code),
                        Value::String(_) => {}
                        value => self.add_codes(value),
                    }
                }
            }
            _ => {}
        }
    }

    fn add_code(&mut self, code: &str) {
        if code.starts_with("0x") && code.len().is_multiple_of(2) {
            self.codes.insert(keccak(bytes(code)), code.to_owned());
        }
    }

    /// The last block.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The fields of an answer: `result`, `error` or both.
    pub fn answer(&self, method: &str, params: &Value, heads: Heads) -> Value {
        let error = |code: i32, message: String| json!({"error": {"code": code, "message": message}});
        if method == "eth_blockNumber" {
            return json!({"result": format!("{:#x}", heads.latest)});
        }
        if matches!(params[0].as_str(), Some("safe" | "finalized")) && heads.finalized.is_none() {
            return error(-32000, format!("{} block not found", params[0].as_str().unwrap_or_default()));
        }
        let recorded = self.key(method, params, heads).and_then(|key| self.answers.get(&key));
        if let Some(recorded) = recorded {
            let mut answer = recorded.clone();
            answer.as_object_mut().expect("a line").retain(|name, _| name == "result" || name == "error");
            return answer;
        }
        let result = match method {
            "eth_getProof" => self.proof(params, heads),
            "eth_getCode" => self.code(params, heads),
            "debug_dbGet" if !self.unknown.contains(&method) => self.database(params),
            _ if method == "debug_executionWitness" || self.unknown.contains(&method) => {
                return error(-32601, format!("the method {method} does not exist/is not available"));
            }
            "eth_getTransactionByHash" => {
                Ok(params[0].as_str().and_then(|hash| self.transactions.get(hash)).cloned().unwrap_or_default())
            }
            "eth_getBlockByNumber" | "eth_getBlockByHash" | "eth_getBlockReceipts" | "eth_getTransactionReceipt" => {
                Ok(Value::Null)
            }
            "eth_getWitness" => Ok(json!("0x")),
            _ => Err(format!("not recorded: {method} {params}")),
        };
        result.map_or_else(|message| error(-32000, message), |result| json!({"result": result}))
    }

    fn proof(&self, params: &Value, heads: Heads) -> Result<Value, String> {
        let number = self.block(&params[2], heads).filter(|number| *number <= heads.latest);
        let root = number.and_then(|number| self.roots.get(&number)).ok_or("header not found")?;
        let address = params[0].as_str().ok_or("no address")?.to_lowercase();
        let slots: Vec<_> = params[1].as_array().into_iter().flatten().map(word).collect();
        let missing = |Missing(hash)| format!("not recorded: trie node {hash:?}");
        self.nodes.proof(*root, &address, &slots).map_err(missing)
    }

    fn code(&self, params: &Value, heads: Heads) -> Result<Value, String> {
        let hash = code_hash(&self.proof(&json!([params[0], [], params[1]]), heads)?);
        match self.codes.get(&hash) {
            Some(code) => Ok(json!(code)),
            None if hash.is_zero() || hash == keccak([]) => Ok(json!("0x")),
            None => Err(format!("not recorded: code {hash:?}")),
        }
    }

    fn database(&self, params: &Value) -> Result<Value, String> {
        let hash = params[0].as_str().map(bytes).filter(|hash| hash.len() == 32).ok_or("no hash")?;
        let node = self.nodes.get(H256::from_slice(&hash));
        node.map(|node| json!(hex(node))).map_err(|Missing(hash)| format!("not recorded: trie node {hash:?}"))
    }

    /// The number that a block is called by.
    fn block(&self, block: &Value, heads: Heads) -> Option<u64> {
        match block {
            Value::Object(fields) => self.block(fields.get("blockHash").or(fields.get("blockNumber"))?, heads),
            Value::String(tag) => match tag.as_str() {
                "latest" | "pending" => Some(heads.latest),
                "safe" | "finalized" => heads.finalized,
                "earliest" => Some(0),
                hash if hash.len() == 66 => self.numbers.get(&hash.to_lowercase()).copied(),
                _ => number(block),
            },
            _ => number(block),
        }
    }

    /// What is asked, in one way of saying it; `None` where it is of a block that does not exist.
    fn key(&self, method: &str, params: &Value, heads: Heads) -> Option<String> {
        let block = |index: usize| self.block(&params[index], heads).filter(|number| *number <= heads.latest);
        let address = || params[0].as_str().map(str::to_lowercase);
        Some(match method {
            "eth_getBlockByNumber" | "eth_getBlockByHash" => format!("block {} {}", block(0)?, params[1] == true),
            "eth_getBlockReceipts"
            | "eth_getWitness"
            | "debug_getRawHeader"
            | "debug_getRawBlock"
            | "debug_getRawReceipts" => format!("{method} {}", block(0)?),
            "debug_traceBlockByNumber" | "debug_traceBlockByHash" => {
                format!("trace {} {}", block(0)?, tracer(&params[1]))
            }
            "debug_traceTransaction" => format!("{method} {} {}", params[0], tracer(&params[1])),
            "eth_getProof" => {
                let slots: Vec<_> = params[1].as_array()?.iter().map(word).collect();
                format!("{method} {} {slots:?} {}", address()?, block(2)?)
            }
            "eth_getCode" => format!("{method} {} {}", address()?, block(1)?),
            "eth_call" => format!("{method} {} {}", params[0], block(1)?),
            _ if params.is_null() => format!("{method} []"),
            _ => format!("{method} {params}"),
        })
    }
}

/// A file of the recordings; `None`, said aloud, where it is absent.
pub fn recorded(name: &str) -> Option<PathBuf> {
    let path = root("../shared/jerigon").join(name);
    if !path.exists() {
        say(&format!("not tested with {}: it is absent", path.display()));
        return None;
    }
    Some(path)
}

fn tracer(options: &Value) -> String {
    let config = &options["tracerConfig"];
    format!("{} {} {}", options["tracer"], config["diffMode"] == true, config["witness"] == true)
}

/// A slot as a word of 32 bytes.
fn word(slot: &Value) -> String {
    let digits = slot.as_str().unwrap_or_default().trim_start_matches("0x").to_lowercase();
    format!("0x{digits:0>64}")
}

fn number(value: &Value) -> Option<u64> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    value.as_u64().or_else(|| digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()))
}

pub(super) fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.trim_start_matches("0x")).expect("hexadecimal digits")
}

pub(super) fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is put together from nodes is what the node itself has answered.
    #[test]
    fn proofs_are_those_that_were_recorded() {
        for recording in [Recording::jerigon(), Recording::geth()].into_iter().flatten() {
            let heads = Heads { latest: recording.head(), finalized: None };
            let proofs = recording.answers.values().filter(|line| line["method"] == "eth_getProof");
            let mut compared = 0;
            for line in proofs {
                assert_eq!(recording.proof(&line["params"], heads).as_ref(), Ok(&line["result"]), "{}", line["params"]);
                compared += 1;
            }
            assert!(compared > 500, "{compared}");
        }
    }

    /// The same for code.
    #[test]
    fn code_is_that_which_was_recorded() {
        for recording in [Recording::jerigon(), Recording::geth()].into_iter().flatten() {
            let heads = Heads { latest: recording.head(), finalized: None };
            let mut compared = 0;
            for line in recording.answers.values().filter(|line| line["method"] == "eth_getCode") {
                // Of accounts whose proof was not recorded at the block nothing is known.
                if let Ok(code) = recording.code(&line["params"], heads) {
                    assert_eq!(code, line["result"], "{}", line["params"]);
                    compared += 1;
                }
            }
            assert!(compared > 200, "{compared}");
        }
    }
}
