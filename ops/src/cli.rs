//! Flags that several binaries have.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::artifacts::{self, Place};
use crate::circuits::progress::Absent;
use crate::{env, exit};

/// Where things are kept.
#[derive(Args, Debug)]
pub struct Dirs {
    /// Prepared circuits. [default: blockproof/circuits in the user's cache folder]
    #[arg(long, global = true, value_name = "DIR", env = env::CIRCUITS_DIR, value_hint = ValueHint::DirPath, help_heading = "Folders")]
    pub circuits_dir: Option<PathBuf>,
    /// Do not prepare circuits: wait until somebody else has put them into their folder, which is only read.
    #[arg(long, global = true, env = env::WAIT_FOR_CIRCUITS, help_heading = "Folders")]
    pub wait_for_circuits: bool,
    /// Batch inputs and finished tasks, from which an interrupted run goes on: a folder, gs://BUCKET/PREFIX or
    /// s3://BUCKET/PREFIX, with credentials from the environment. [default: blockproof/artifacts in the user's cache folder]
    #[arg(long, global = true, value_name = "PLACE", env = env::ARTIFACTS_DIR, value_hint = ValueHint::DirPath, help_heading = "Folders")]
    pub artifacts_dir: Option<PathBuf>,
}

impl Dirs {
    /// The folder of the circuit store.
    pub fn circuits(&self) -> PathBuf {
        self.circuits_dir.clone().unwrap_or_else(|| artifacts::cache_dir().join("circuits"))
    }

    /// What to do where there are no circuits yet.
    pub fn absent(&self) -> Absent {
        if self.wait_for_circuits { Absent::Wait } else { Absent::Build }
    }

    /// Where the artifact store is.
    pub fn artifacts(&self) -> anyhow::Result<Place> {
        match &self.artifacts_dir {
            Some(place) => {
                Place::parse(place.as_os_str()).map_err(|error| exit::usage(format!("--artifacts-dir: {error}")))
            }
            None => Ok(Place::Folder(artifacts::cache_dir().join("artifacts"))),
        }
    }
}

/// Flags that zero-bin has and that mean nothing here: accepted, with one line of warning for all.
#[derive(Args, Debug)]
pub struct LegacyArgs {
    /// Circuits are always read on demand.
    #[arg(long, global = true, hide = true)]
    load_strategy: Option<String>,
    /// Circuits are always kept on disk.
    #[arg(long, global = true, hide = true)]
    persistence: Option<String>,
    /// Tasks have one serialization.
    #[arg(long, short = 's', global = true, hide = true)]
    serializer: Option<String>,
    /// Merges always go before segments.
    #[arg(long, global = true, hide = true)]
    worker_run_mode: Option<String>,
    /// Every block is chained to the one before.
    #[arg(long, global = true, hide = true)]
    block_batch_size: Option<usize>,
    /// A chain cannot go on past a block that fails.
    #[arg(long, short = 'K', global = true, hide = true)]
    keep_going: bool,
}

impl LegacyArgs {
    /// Names the flags that were given and do nothing.
    pub fn warn(&self) {
        let given = [
            ("--load-strategy", self.load_strategy.is_some()),
            ("--persistence", self.persistence.is_some()),
            ("--serializer", self.serializer.is_some()),
            ("--worker-run-mode", self.worker_run_mode.is_some()),
            ("--block-batch-size", self.block_batch_size.is_some()),
            ("--keep-going", self.keep_going),
        ];
        let given: Vec<_> = given.into_iter().filter_map(|(name, given)| given.then_some(name)).collect();
        if !given.is_empty() {
            tracing::warn!("accepted for scripts of zero-bin, without effect: {}", given.join(", "));
        }
    }
}
