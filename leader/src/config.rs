//! What the program uses, checked: the command line against the machine and the profile.

use std::path::PathBuf;

use amqp::connect::Broker;
use amqp::sign::AllowList;
use anyhow::Context;
use ops::artifacts::Place;
use ops::circuits::progress::Absent;
use ops::cli::Dirs;
use ops::digest::Digest;
use ops::exit;
use ops::machine::{self, GB, Machine};
use ops::mock::Mock;
use ops::profile::{CPU, Profile};

use crate::cli::{EndsArgs, ProverArgs, Runtime};

/// Bytes of memory of a worker that proves segments, which a leader does not see: what the chart gives one.
const WORKER_MEMORY: u64 = 16 << 30;

/// Logarithm of a segment's CPU cycles where none fits: the way to the message that says what is missing.
const FALLBACK_CPU_LEN_LOG: u8 = 14;

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
    /// What to do where there are no circuits yet.
    pub absent: Absent,
    /// Where the artifact store is.
    pub artifacts: Place,
    /// The machine.
    pub machine: Machine,
    /// Where tasks are worked on.
    pub proving: Proving,
}

/// Where tasks are worked on.
#[derive(Debug)]
pub enum Proving {
    /// In this process; by nothing, if a mock.
    Here(Option<Mock>),
    /// By workers at a broker.
    Cluster {
        /// The broker.
        broker: Broker,
        /// What this leader is there; circuits and profile are known later.
        cluster: Box<amqp::leader::Config>,
        /// Whether nothing is proved.
        mock: bool,
    },
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
    pub fn new(
        profile: Profile,
        prover: &ProverArgs,
        dirs: &Dirs,
        witness: Option<PathBuf>,
        ends: EndsArgs,
    ) -> anyhow::Result<Self> {
        let machine = Machine::look();
        let output = match (ends.output_proof_file, prover.proof_output_dir.clone()) {
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
        if let Some(file) = &witness {
            ops::fs::open(file).context("witness")?;
        }
        let proving = Proving::new(prover)?;
        let (max_cpu_len_log, workers) = match &proving {
            // Nothing is proved: neither circuits nor tables take memory.
            _ if prover.test_only => {
                (prover.max_cpu_len_log.unwrap_or(machine::largest_useful_segment(&profile)), machine.cores)
            }
            Proving::Here(_) => capacity(&profile, prover, machine)?,
            Proving::Cluster { .. } => {
                (prover.max_cpu_len_log.unwrap_or_else(|| segment_size(&profile, WORKER_MEMORY)), machine.cores)
            }
        };
        Ok(Self {
            batch_size: prover.batch_size.get(),
            max_cpu_len_log,
            workers,
            block_pool_size: prover.block_pool_size.get(),
            test_only: prover.test_only,
            json: ends.json,
            save_inputs_on_error: prover
                .save_inputs_on_error
                .then(|| prover.proof_output_dir.clone().unwrap_or_else(|| PathBuf::from("."))),
            keep_intermediate_proofs: prover.keep_intermediate_proofs,
            witness,
            previous_proof: ends.previous_proof,
            output,
            circuits_dir: dirs.circuits(),
            absent: dirs.absent(),
            artifacts: dirs.artifacts()?,
            machine,
            proving,
            profile,
        })
    }

    /// Bytes that may be used for segments beside the circuits; workers elsewhere look after their own.
    pub fn segment_budget(&self) -> u64 {
        match self.proving {
            Proving::Here(_) => machine::segment_budget(&self.profile, self.machine.free),
            Proving::Cluster { .. } => u64::MAX,
        }
    }

    /// Tasks that are worked on at the same time, if that is decided here.
    pub fn lanes(&self) -> Option<usize> {
        matches!(self.proving, Proving::Here(_)).then_some(self.workers)
    }
}

impl Proving {
    fn new(prover: &ProverArgs) -> anyhow::Result<Self> {
        if let Runtime::InMemory = prover.runtime {
            return Ok(Self::Here(prover.mock_prover));
        }
        let broker = Broker::new(&prover.broker).map_err(|error| exit::usage(error.to_string()))?;
        let allow = prover.worker_keys.as_deref().map(AllowList::read).transpose();
        let allow = allow.map_err(|error| exit::usage(format!("--worker-keys: {error}")))?;
        let cluster = Box::new(amqp::leader::Config {
            group: prover.group.clone(),
            priority: prover.priority,
            circuits: Digest::of_bytes(&[]),
            profile: String::new(),
            max_in_flight: prover.max_in_flight.get(),
            allow,
        });
        Ok(Self::Cluster { broker, cluster, mock: prover.mock_prover.is_some() })
    }
}

/// Logarithm of the CPU cycles per segment on a machine with so much memory.
fn segment_size(profile: &Profile, memory: u64) -> u8 {
    machine::largest_segment(profile, memory)
        .unwrap_or_else(|| machine::largest_useful_segment(profile).min(FALLBACK_CPU_LEN_LOG))
}

/// Segment size and number of workers that fit into the machine's memory and use its cores.
fn capacity(profile: &Profile, prover: &ProverArgs, machine: Machine) -> anyhow::Result<(u8, usize)> {
    let budget = machine::segment_budget(profile, machine.free);
    let size = match prover.max_cpu_len_log {
        Some(asked) if usize::from(asked) > profile.sizes[CPU].last() => {
            return Err(exit::usage(format!(
                "--max-cpu-len-log {asked}: profile {} has circuits for CPU tables of 2^{} rows at most; set --cpu",
                profile.name,
                profile.sizes[CPU].last()
            )));
        }
        Some(asked) => asked,
        // By all the memory, not by what happens to be free: the same command must name the same tasks when it goes on.
        None => segment_size(profile, machine.total),
    };
    let needed = machine::full_segment_bytes(size);
    if needed > budget {
        let circuits = machine::used_circuits_bytes(profile);
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
