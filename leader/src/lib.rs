//! The leader: witnesses in, block proofs out.
//!
//! [`source`] reads witnesses one block at a time. [`decode`] cuts a block into batches, [`plan`] runs them to find
//! their segments, [`graph`] says which task may run when, [`dispatch`] gives tasks to the workers and follows them,
//! [`output`] writes what is proved. [`prove`] is the one function that does this in order; [`circuits`] is what
//! `leader circuits` does.

pub mod circuits;
pub mod cli;
pub mod config;
pub mod decode;
pub mod dispatch;
pub mod graph;
pub mod output;
pub mod plan;
pub mod progress;
pub mod prove;
pub mod source;
pub mod summary;

use anyhow::Context;
use ops::log::Screen;

use cli::{Cli, Command};

/// Runs a command line; the result is the exit code.
pub fn run(cli: Cli, screen: &Screen) -> anyhow::Result<u8> {
    let profile = cli.profile.resolve()?;
    cli.legacy.warn();
    // Kernel assembly and proving recurse deeply, on rayon's threads as well.
    rayon::ThreadPoolBuilder::new()
        .stack_size(ops::serve::STACK_BYTES)
        .build_global()
        .context("cannot start the threads that prove")?;
    match cli.command {
        Command::Stdio(args) => {
            let config = config::Config::new(profile, &cli.prover, &cli.dirs, args)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_stack_size(ops::serve::STACK_BYTES)
                .enable_all()
                .build()
                .context("cannot start the runtime")?;
            let result = runtime.block_on(prove::until_interrupted(config, screen));
            // Threads that still prove are not waited for: what they had finished is stored.
            runtime.shutdown_background();
            result
        }
        Command::Circuits(command) => circuits::run(command, profile, &cli.dirs, screen),
        Command::CleanArtifacts => {
            ops::artifacts::clean(&cli.dirs.artifacts())?;
            Ok(ops::exit::OK)
        }
        Command::Clean => circuits::clean(&cli.dirs, false),
        Command::Completions { shell } => output::completions(shell),
    }
}
