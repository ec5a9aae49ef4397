//! What leaves the program: proofs, plans, completions.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::CommandFactory;
use ops::exit;
use ops::fs;
use ops::proof::BlockProof;
use ops::witness::Witness;

use crate::cli::Cli;
use crate::config::Output;
use crate::summary::Summary;

/// The file of a block's proof in a folder, named as the ancestor names it.
pub fn proof_path(folder: &Path, height: u64) -> PathBuf {
    folder.join(format!("b{height}.zkproof"))
}

/// Writes a block's proof into a folder, as an array of one.
pub fn write_block(folder: &Path, proof: &BlockProof) -> anyhow::Result<PathBuf> {
    let path = proof_path(folder, proof.b_height);
    write_file(&path, std::slice::from_ref(proof))?;
    Ok(path)
}

/// Writes the proof array to where it is wanted; in a folder, each block was written already.
pub fn write_all(output: &Output, proofs: &[BlockProof]) -> anyhow::Result<()> {
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

fn write_file(path: &Path, proofs: &[BlockProof]) -> anyhow::Result<()> {
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

/// Prints a completion script.
pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "leader", &mut script);
    print(&script)?;
    Ok(exit::OK)
}

/// Writes to stdout. Whoever reads it may have heard enough: that is no error.
pub fn print(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(()),
    }
}
