//! The leader: witnesses in, block proofs out.
//!
//! [`source`] reads witnesses one block at a time. [`ops::decode`] cuts a block into batches, [`ops::plan`] runs them to
//! find their segments, [`graph`] says which task may run when, [`dispatch`] gives tasks to the workers and follows them,
//! [`output`] writes what is proved; [`mod@queue`] is where tasks go. [`prove`] is the one function that does this in order; [`follow`] does the same for blocks straight
//! from a node. [`circuits`] is what `leader circuits` does, [`operate`] what `leader queue` does, [`scale`] what
//! `leader scale` does.

pub mod block;
pub mod circuits;
pub mod cli;
pub mod config;
pub mod dispatch;
pub mod follow;
pub mod graph;
pub mod metrics;
pub mod operate;
pub mod output;
pub mod prepare;
pub mod previous;
pub mod progress;
pub mod prove;
pub mod queue;
pub mod scale;
pub mod source;
pub mod summary;

use std::sync::Arc;

use anyhow::Context;
use ops::log::Screen;
use ops::monitor::MonitorArgs;
use ops::stack;

use cli::{Cli, Command};
use config::Config;

/// Runs a command line; the result is the exit code.
pub fn run(cli: Cli, screen: &Screen) -> anyhow::Result<u8> {
    let profile = cli.profile.resolve()?;
    cli.legacy.warn();
    // Kernel assembly and proving recurse deeply, on rayon's threads as well.
    stack::prepare_rayon().context("cannot start the threads that prove")?;
    match cli.command {
        Command::Stdio(args) => {
            watched(&cli.monitor)?;
            let config = Arc::new(Config::new(profile, &cli.prover, &cli.dirs, args.witness, args.ends)?);
            let runtime = runtime()?;
            let work = prove::stdio(config.clone(), screen);
            let result = runtime.block_on(prove::until_interrupted(&config, screen, work));
            // Threads that still prove are not waited for: what they had finished is stored.
            runtime.shutdown_background();
            result
        }
        Command::Rpc(args) => {
            watched(&cli.monitor)?;
            let config = Arc::new(Config::new(profile, &cli.prover, &cli.dirs, None, args.ends.clone())?);
            let runtime = runtime()?;
            let work = follow::rpc(config.clone(), args, screen);
            let result = runtime.block_on(prove::until_interrupted(&config, screen, work));
            runtime.shutdown_background();
            result
        }
        Command::Queue(command) => runtime()?.block_on(operate::run(command, profile, &cli.prover, &cli.dirs, screen)),
        Command::Scale(command) => runtime()?.block_on(scale::run(command, &cli.prover)),
        Command::Circuits(command) => circuits::run(command, profile, &cli.dirs, screen),
        Command::CleanArtifacts => {
            runtime()?.block_on(ops::artifacts::clean(&cli.dirs.artifacts()?))?;
            Ok(ops::exit::OK)
        }
        Command::Clean => circuits::clean(&cli.dirs, false),
        Command::Completions { shell } => ops::stdout::completions::<Cli>(shell),
    }
}

/// Begins to tell Prometheus what goes on.
fn watched(monitor: &MonitorArgs) -> anyhow::Result<()> {
    metrics::begin();
    monitor.start("leader", cli::COMMIT)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(stack::BYTES)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}
