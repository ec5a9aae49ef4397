//! What a follower keeps on disk, beside the proofs: which blocks are proved, and of which chain.

use std::path::{Path, PathBuf};

use alloy::primitives::B256;
use anyhow::Context;
use ops::digest::Digest;
use ops::exit;
use serde::{Deserialize, Serialize};

use crate::output::proof_path;

/// Format of the file. Goes up with every change.
const FORMAT: u32 = 1;

/// The file may not be larger than this; an entry has some hundred bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Blocks that are remembered: no chain goes back further.
const REMEMBERED: usize = 1024;

/// A block that is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvedBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// The content of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    chain_id: u64,
    circuits: Digest,
    first_block: u64,
    proved: Vec<ProvedBlock>,
}

/// The state of a follower: in memory only, if there is no folder for proofs.
#[derive(Debug)]
pub struct State {
    folder: Option<PathBuf>,
    kept: Kept,
}

impl State {
    /// Whether a former run has left one in this folder.
    pub fn exists(folder: &Path) -> bool {
        file(folder).exists()
    }

    /// Reads what a former run has left, or begins with `first_block`.
    pub fn open(
        folder: Option<&Path>,
        chain_id: u64,
        circuits: Digest,
        first_block: Option<u64>,
    ) -> anyhow::Result<Self> {
        let folder = folder.map(Path::to_owned);
        let found = folder.as_deref().map(file).filter(|file| file.exists());
        let Some(file) = found else {
            let first_block = first_block.ok_or_else(|| exit::usage("--start-block is needed to begin with"))?;
            let kept = Kept { format: FORMAT, chain_id, circuits, first_block, proved: Vec::new() };
            return Ok(Self { folder, kept });
        };
        let name = || file.display().to_string();
        let text = ops::fs::read_limited(&file, MAX_BYTES)?;
        let kept: Kept = serde_json::from_slice(&text).with_context(name)?;
        let other = |what: &str, there: &dyn std::fmt::Display, here: &dyn std::fmt::Display| {
            exit::usage(format!(
                "{}: it was begun with {what} {there}, and this is {here}; use another --proof-output-dir",
                name()
            ))
        };
        if kept.format != FORMAT {
            return Err(other("format", &kept.format, &FORMAT));
        }
        if kept.chain_id != chain_id {
            return Err(other("chain", &kept.chain_id, &chain_id));
        }
        if kept.circuits != circuits {
            return Err(other("circuits", &kept.circuits.short(), &circuits.short()));
        }
        if let Some(first_block) = first_block.filter(|first| *first != kept.first_block) {
            return Err(other("block", &kept.first_block, &first_block));
        }
        Ok(Self { folder, kept })
    }

    /// The block that the chain of proofs begins with.
    pub fn first_block(&self) -> u64 {
        self.kept.first_block
    }

    /// Proved blocks, the last of them at the end.
    pub fn proved(&self) -> &[ProvedBlock] {
        &self.kept.proved
    }

    /// Takes note of a block whose proof is written.
    pub fn add(&mut self, block: ProvedBlock) -> anyhow::Result<()> {
        self.kept.proved.push(block);
        let first = self.kept.proved.len().saturating_sub(REMEMBERED);
        self.kept.proved.drain(..first);
        self.write()
    }

    /// Forgets the proofs of blocks that left the chain, from this number on, and puts their files aside: nobody is to
    /// take them for proofs of the chain.
    pub fn orphan(&mut self, from: u64) -> anyhow::Result<usize> {
        let (kept, gone): (Vec<_>, Vec<_>) = self.kept.proved.iter().partition(|block| block.number < from);
        self.kept.proved = kept;
        self.write()?;
        for block in &gone {
            let Some(folder) = &self.folder else { continue };
            let path = proof_path(folder, block.number);
            let aside = folder.join(format!("b{}.{}.orphaned", block.number, hex::encode(&block.hash[..4])));
            if path.exists() {
                ops::fs::rename(&path, &aside)?;
                tracing::warn!(file = %aside.display(), "the proof of a block that left the chain was put aside");
            }
        }
        Ok(gone.len())
    }

    fn write(&self) -> anyhow::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        ops::fs::write_atomic(&file(folder), |file| Ok(serde_json::to_writer_pretty(file, &self.kept)?))?;
        Ok(())
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("follow.json")
}
