//! Where witnesses go: one array on stdout, or a folder with a file for each block.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use alloy::eips::BlockId;
use anyhow::Context;
use ops::witness::Witness;
use ops::{fs, stdout, witness};

use crate::checkpoint::Checkpoint;
use crate::convert;
use crate::node::{Node, NodeError};

/// Takes one witness after another.
#[derive(Debug)]
pub enum Output {
    /// An array on stdout; how many blocks it has so far.
    Stdout(usize),
    /// A folder.
    Folder(PathBuf),
}

/// The file of a block in a folder.
pub fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("b{number}.json"))
}

impl Output {
    /// Fails if nothing can be written to the folder: known before anything is fetched.
    pub fn new(folder: Option<PathBuf>) -> anyhow::Result<Self> {
        Ok(match folder {
            Some(folder) => {
                fs::check_writable(&folder)?;
                Self::Folder(folder)
            }
            None => Self::Stdout(0),
        })
    }

    /// The blocks that are there already: whole, with the same checkpoint, and of the chain as it is now.
    pub async fn kept(
        &self,
        node: &Node,
        numbers: RangeInclusive<u64>,
        checkpoint: &Checkpoint,
    ) -> Result<BTreeSet<u64>, NodeError> {
        let mut kept = BTreeSet::new();
        let Self::Folder(folder) = self else { return Ok(kept) };
        for number in numbers {
            let Some(witness) = read(&path(folder, number)) else { continue };
            let data = &witness.other_data;
            let same = witness.number() == number
                && data.checkpoint_state_trie_root == checkpoint.state_root
                && data.checkpoint_consolidated_hash == checkpoint.consolidated_hash;
            if same && convert::hash(node.resolve(BlockId::number(number)).await?.1) == witness.hash() {
                kept.insert(number);
            }
        }
        Ok(kept)
    }

    /// Writes a block.
    pub fn write(&mut self, witness: &Witness) -> anyhow::Result<()> {
        match self {
            Self::Stdout(count) => {
                let mut text = if *count == 0 { b"[".to_vec() } else { b",\n".to_vec() };
                serde_json::to_writer(&mut text, &sorted(witness)?).context("witness")?;
                *count += 1;
                stdout::print(&text)
            }
            Self::Folder(folder) => {
                let (path, sorted) = (path(folder, witness.number()), sorted(witness)?);
                fs::write_atomic(&path, |file| {
                    serde_json::to_writer(&mut *file, &[sorted])?;
                    file.write_all(b"\n")
                })?;
                Ok(())
            }
        }
    }

    /// All blocks were written.
    pub fn end(self) -> anyhow::Result<()> {
        match self {
            Self::Stdout(0) => stdout::print(b"[]\n"),
            Self::Stdout(_) => stdout::print(b"]\n"),
            Self::Folder(_) => Ok(()),
        }
    }
}

/// A witness with the keys of all its maps in order: storage tries are in a map that has none, and the same block is to
/// give the same bytes.
fn sorted(witness: &Witness) -> anyhow::Result<serde_json::Value> {
    serde_json::to_value(witness).context("witness")
}

/// The one block of a file; `None` if there is no such file, or something else in it.
fn read(path: &Path) -> Option<Witness> {
    let file = fs::open(path).ok()?;
    let mut blocks = Vec::new();
    let read = witness::read(file, |block| {
        blocks.push(block);
        Ok(())
    });
    match read {
        Ok(1) => blocks.pop(),
        Ok(_) => None,
        Err(error) => {
            tracing::warn!("{} is written anew: {error}", path.display());
            None
        }
    }
}
