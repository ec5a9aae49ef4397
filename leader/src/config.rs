//! What the program uses, checked: the command line against the machine and the profile.

use std::path::PathBuf;

use anyhow::Context;
use ops::exit;
use ops::machine::{self, GB, Machine};
use ops::profile::{CPU, Profile};

use crate::cli::{Dirs, ProverArgs, StdioArgs};

/// The largest segment that is worth its latency, whatever memory there is: above it only the fixed cost of recursion
/// shrinks, and that is below a tenth already.
const MAX_USEFUL_CPU_LEN_LOG: u8 = 20;

/// Part of the free memory that is planned with.
const HEADROOM: f64 = 0.85;

/// Tables whose circuits a segment needs at most, and one more for sizes that vary between segments.
const TABLES_AT_ONCE: usize = 14;

/// What one run is to do.
#[derive(Debug)]
pub struct Config {
    /// Circuit sizes and security level.
    pub profile: Profile,
    /// Transactions per batch.
    pub batch_size: u32,
    /// Logarithm of the CPU cycles per segment.
    pub max_cpu_len_log: u8,
    /// Tasks at the same time.
    pub workers: usize,
    /// Blocks at the same time.
    pub block_pool_size: usize,
    /// Plan only.
    pub test_only: bool,
    /// Print the plan as JSON.
    pub json: bool,
    /// Where witnesses of failed blocks go, if they are to be saved.
    pub save_inputs_on_error: Option<PathBuf>,
    /// Keep the proofs of segments and merges.
    pub keep_intermediate_proofs: bool,
    /// Witness file, or stdin.
    pub witness: Option<PathBuf>,
    /// Proof to build upon.
    pub previous_proof: Option<PathBuf>,
    /// Where proofs go.
    pub output: Output,
    /// Folder of the circuit store.
    pub circuits_dir: PathBuf,
    /// Folder of the artifact store.
    pub artifacts_dir: PathBuf,
    /// The machine.
    pub machine: Machine,
}

/// Where proofs go.
#[derive(Clone, Debug)]
pub enum Output {
    /// The proof array on stdout.
    Stdout,
    /// The proof array in a file.
    File(PathBuf),
    /// A file for each block in a folder.
    Dir(PathBuf),
}

impl Config {
    /// Checks everything that can be checked before reading the witness.
    pub fn new(profile: Profile, prover: &ProverArgs, dirs: &Dirs, stdio: StdioArgs) -> anyhow::Result<Self> {
        let machine = Machine::look();
        let output = match (stdio.output_proof_file, prover.proof_output_dir.clone()) {
            (Some(file), _) => Output::File(file),
            (None, Some(dir)) => Output::Dir(dir),
            (None, None) => Output::Stdout,
        };
        if !prover.test_only {
            match &output {
                Output::Stdout => {}
                Output::File(file) if file.is_dir() => {
                    return Err(exit::usage(format!("--output-proof-file {} is a folder", file.display())));
                }
                Output::File(file) => {
                    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
                    ops::fs::check_writable(folder.unwrap_or(".".as_ref())).context("--output-proof-file")?;
                }
                Output::Dir(dir) => ops::fs::check_writable(dir).context("--proof-output-dir")?,
            }
        }
        if let Some(file) = &stdio.witness {
            ops::fs::open(file).context("witness")?;
        }
        let (max_cpu_len_log, workers) = match prover.test_only {
            // Nothing is proved: neither circuits nor tables take memory.
            true => (prover.max_cpu_len_log.unwrap_or(largest_segment(&profile)), machine.cores),
            false => capacity(&profile, prover, machine)?,
        };
        Ok(Self {
            batch_size: prover.batch_size.get(),
            max_cpu_len_log,
            workers,
            block_pool_size: prover.block_pool_size.get(),
            test_only: prover.test_only,
            json: stdio.json,
            save_inputs_on_error: prover
                .save_inputs_on_error
                .then(|| prover.proof_output_dir.clone().unwrap_or_else(|| PathBuf::from("."))),
            keep_intermediate_proofs: prover.keep_intermediate_proofs,
            witness: stdio.witness,
            previous_proof: stdio.previous_proof,
            output,
            circuits_dir: dirs.circuits(),
            artifacts_dir: dirs.artifacts(),
            machine,
            profile,
        })
    }

    /// Bytes that may be used for segments beside the circuits.
    pub fn segment_budget(&self) -> u64 {
        segment_budget(&self.profile, self.machine.free)
    }
}

/// The largest segment that the profile has circuits for, within reason.
fn largest_segment(profile: &Profile) -> u8 {
    // The circuits' sizes are below 32.
    (profile.sizes[CPU].last() as u8).min(MAX_USEFUL_CPU_LEN_LOG)
}

/// Bytes for segments, of so many bytes of memory.
fn segment_budget(profile: &Profile, memory: u64) -> u64 {
    let circuits = machine::circuits_bytes(profile, TABLES_AT_ONCE.min(profile.table_circuits()));
    ((memory as f64 * HEADROOM) as u64).saturating_sub(circuits)
}

/// Segment size and number of workers that fit into the machine's memory and use its cores.
fn capacity(profile: &Profile, prover: &ProverArgs, machine: Machine) -> anyhow::Result<(u8, usize)> {
    let budget = segment_budget(profile, machine.free);
    // By all the memory, not by what happens to be free: the same command must name the same tasks when it goes on.
    let planned = segment_budget(profile, machine.total);
    let largest = largest_segment(profile);
    let size = match prover.max_cpu_len_log {
        Some(asked) if usize::from(asked) > profile.sizes[CPU].last() => {
            return Err(exit::usage(format!(
                "--max-cpu-len-log {asked}: profile {} has circuits for CPU tables of 2^{} rows at most; set --cpu",
                profile.name,
                profile.sizes[CPU].last()
            )));
        }
        Some(asked) => asked,
        None => {
            (10..=largest).rev().find(|size| machine::full_segment_bytes(*size) <= planned).unwrap_or(largest.min(14))
        }
    };
    let needed = machine::full_segment_bytes(size);
    if needed > budget {
        let circuits = machine::circuits_bytes(profile, TABLES_AT_ONCE.min(profile.table_circuits()));
        let gb = |bytes: u64| bytes as f64 / GB as f64;
        return Err(exit::resources(format!(
            "proving a segment of 2^{size} cycles needs {:.1} GB and the circuits of profile {} {:.1} GB, but {:.1} GB of \
             memory are free; use a smaller --max-cpu-len-log or a smaller --profile",
            gb(needed),
            profile.name,
            gb(circuits),
            gb(machine.free),
        )));
    }
    // A segment alone keeps some 85 % of two cores busy and few of many: two at least, one for each two cores. Memory
    // needs no part in this: segments that do not fit together wait for each other.
    let workers = prover.num_workers.map_or_else(|| machine.cores.div_ceil(2).max(2), |workers| workers.get());
    Ok((size, workers))
}
