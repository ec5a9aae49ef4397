//! A recorded chain: the raw blocks among a real node's answers, to bring a fresh node to the same chain.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use alloy::primitives::{B256, Bytes, U64};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;

use crate::geth::Options;
use crate::{Chain, DevnetError, engine};

/// A chain that was recorded.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Its genesis file.
    pub genesis: Value,
    /// Its blocks in RLP, from 1 on.
    pub blocks: Vec<Bytes>,
    /// The hash of the last of them.
    pub head: B256,
}

#[derive(Deserialize)]
struct Answer {
    method: String,
    params: Value,
    #[serde(default)]
    result: Value,
}

/// The folder of recordings beside this project, if there is one. Says so on stderr if not, for tests that are skipped
/// then.
#[expect(clippy::print_stderr, reason = "tests say why they are skipped")]
pub fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/jerigon");
    let found = folder.join("genesis.json").is_file();
    if !found {
        eprintln!("skipped: there are no recordings in ../shared/jerigon");
    }
    found.then_some(folder)
}

/// Reads a recording: `genesis.json` and `geth-calls.jsonl.gz` of a folder.
///
/// # Errors
///
/// If a file is missing or not what it should be.
pub fn load(folder: &Path) -> Result<Recording, DevnetError> {
    let path = folder.join("genesis.json");
    let text = std::fs::read(&path).map_err(DevnetError::io(format!("cannot read {}", path.display())))?;
    let genesis = serde_json::from_slice(&text).map_err(|error| wrong(&path, &error))?;
    let path = folder.join("geth-calls.jsonl.gz");
    let blocks = blocks(&path)?;
    let last = blocks.last().ok_or_else(|| wrong(&path, &"there is no answer of debug_getRawBlock for block 1"))?;
    let (head, _) = engine::decode(last)?;
    Ok(Recording { genesis, blocks, head })
}

/// The raw blocks of a file of answers, one JSON object per line, compressed: block 1 and what follows on it.
///
/// # Errors
///
/// If it cannot be read or is something else.
pub fn blocks(path: &Path) -> Result<Vec<Bytes>, DevnetError> {
    let failed = || DevnetError::io(format!("cannot read {}", path.display()));
    let file = File::open(path).map_err(failed())?;
    let mut numbered = Vec::new();
    for line in BufReader::new(GzDecoder::new(file)).lines() {
        let line = line.map_err(failed())?;
        // Most lines are others, and long.
        if !line.get(..64).unwrap_or(&line).contains("debug_getRawBlock") {
            continue;
        }
        let answer: Answer = serde_json::from_str(&line).map_err(|error| wrong(path, &error))?;
        let number = answer.params.get(0).cloned().unwrap_or_default();
        if let (true, Ok(number)) = (answer.method == "debug_getRawBlock", serde_json::from_value::<U64>(number)) {
            let raw = serde_json::from_value::<Bytes>(answer.result).map_err(|error| wrong(path, &error))?;
            numbered.push((number.to::<u64>(), raw));
        }
    }
    numbered.sort();
    let blocks = numbered.into_iter().filter(|(number, _)| *number > 0);
    Ok(blocks.zip(1..).take_while(|((number, _), wanted)| number == wanted).map(|((_, raw), _)| raw).collect())
}

impl Recording {
    /// A fresh node with this chain. Its transactions' keys are not ours, so it can go on with empty blocks only.
    ///
    /// # Errors
    ///
    /// If the node does not start, or refuses a block.
    pub async fn start(&self) -> Result<Chain, DevnetError> {
        let options = Options { genesis: self.genesis.clone(), ..Options::default() };
        let mut chain = Chain::start_with(&options).await?;
        chain.import(&self.blocks).await?;
        Ok(chain)
    }
}

fn wrong(path: &Path, what: &dyn std::fmt::Display) -> DevnetError {
    DevnetError::Recording { path: path.into(), what: what.to_string() }
}
