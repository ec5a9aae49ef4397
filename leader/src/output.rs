//! What leaves the program: proofs and plans.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ops::fs;
use ops::mock::MockProof;
use ops::proof::BlockProof;
use ops::stdout::print;
use ops::witness::Witness;
use serde::{Serialize, Serializer};

use crate::config::Output;
use crate::summary::Summary;

/// What comes out of a block.
#[derive(Debug)]
pub enum Finished {
    /// A proof.
    Proof(Box<BlockProof>),
    /// Nothing: it was only pretended.
    Mock(MockProof),
}

impl Finished {
    /// Number of the block.
    pub fn height(&self) -> u64 {
        match self {
            Self::Proof(proof) => proof.b_height,
            Self::Mock(mock) => mock.b_height,
        }
    }
}

impl Serialize for Finished {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Proof(proof) => proof.serialize(serializer),
            Self::Mock(mock) => mock.serialize(serializer),
        }
    }
}

/// The file of a block's proof in a folder, named as the ancestor names it.
pub fn proof_path(folder: &Path, height: u64) -> PathBuf {
    folder.join(format!("b{height}.zkproof"))
}

/// Writes a block's proof into a folder, as an array of one.
pub fn write_block(folder: &Path, proof: &Finished) -> anyhow::Result<PathBuf> {
    let path = proof_path(folder, proof.height());
    write_file(&path, std::slice::from_ref(proof))?;
    Ok(path)
}

/// Writes the proof array to where it is wanted; in a folder, each block was written already.
pub fn write_all(output: &Output, proofs: &[Finished]) -> anyhow::Result<()> {
    match output {
        Output::Stdout => {
            let mut line = serde_json::to_vec(proofs).context("proofs")?;
            line.push(b'\n');
            print(&line)
        }
        Output::File(path) => write_file(path, proofs),
        Output::Dir(_) => Ok(()),
    }
}

fn write_file(path: &Path, proofs: &[Finished]) -> anyhow::Result<()> {
    fs::write_atomic(path, |file| {
        serde_json::to_writer(&mut *file, proofs)?;
        file.write_all(b"\n")
    })?;
    tracing::info!(file = %path.display(), "proof written");
    Ok(())
}

/// Saves the witness of a block that failed: `leader stdio` on that file does the same again.
pub fn save_witness(folder: &Path, witness: &Witness) -> anyhow::Result<()> {
    let path = folder.join(format!("b{}_failed.json", witness.number()));
    fs::write_atomic(&path, |file| Ok(serde_json::to_writer(file, &[witness])?))?;
    tracing::info!(file = %path.display(), "witness of the failed block saved");
    Ok(())
}

/// Prints what proving a block would take.
pub fn print_plan(summary: &Summary, json: bool) -> anyhow::Result<()> {
    let mut text = Vec::new();
    if json {
        serde_json::to_writer(&mut text, summary).context("plan")?;
        text.push(b'\n');
        return print(&text);
    }
    let Summary { block_number, transactions, gas_used, tasks, max_cpu_len_log, batches, missing_circuits, .. } =
        summary;
    let segments: usize = batches.iter().map(|batch| batch.segments.len()).sum();
    writeln!(
        text,
        "block {block_number}: {transactions} transactions, {gas_used} gas; {} batches, {segments} segments of at most \
         2^{max_cpu_len_log} cycles, {tasks} tasks",
        batches.len()
    )?;
    for (index, batch) in batches.iter().enumerate() {
        let (first, end) = batch.transactions;
        writeln!(text, "  batch {index}: transactions {first}..{end}, {} segments", batch.segments.len())?;
        for (segment, tables) in batch.segments.iter().enumerate() {
            let tables: Vec<_> = tables.iter().map(|(name, height)| format!("{name} {height}")).collect();
            writeln!(
                text,
                "    segment {segment}: {} ({:.1} GB)",
                tables.join(", "),
                batch.memory[segment] as f64 / 1e9
            )?;
        }
    }
    if let Some(missing) = missing_circuits {
        writeln!(text, "  cannot be proved with this profile: {missing}")?;
    }
    print(&text)
}
