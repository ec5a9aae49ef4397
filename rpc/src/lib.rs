//! Witnesses of a node's blocks.
//!
//! [`node`] asks and believes nothing that can be recomputed. [`native`] makes a witness by running the block again on a
//! state that is proved ([`trie`]), [`jerigon`] takes the one of Polygon Zero's Erigon; [`fetch`] does either for blocks
//! in a row. [`checkpoint`] is where a chain of proofs begins, [`fork`] what is refused, [`convert`] the only place that
//! knows old and new types. [`metrics`] is what Prometheus hears of the node. [`cli`] is what was typed, [`run`](mod@run), [`check`], [`extract`] and [`output`] what is done about it.

pub mod check;
pub mod checkpoint;
pub mod cli;
pub mod convert;
pub mod error;
pub mod extract;
pub mod fetch;
pub mod fork;
pub mod jerigon;
pub mod metrics;
pub mod native;
pub mod node;
pub mod output;
pub mod run;
pub mod trie;

use anyhow::Context;
use ops::log::Screen;
use ops::{exit, stack, stdout};
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Command, ExtractCommand};

/// Runs a command line; the result is the exit code.
pub fn run(cli: Cli, screen: &Screen) -> anyhow::Result<u8> {
    if let Command::Completions { shell } = cli.command {
        return stdout::completions::<Cli>(shell);
    }
    metrics::families();
    cli.monitor.start("rpc", cli::COMMIT)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(stack::BYTES)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(until_interrupted(cli, screen));
    // What is still on its way is not wanted any more.
    runtime.shutdown_background();
    result
}

async fn until_interrupted(cli: Cli, screen: &Screen) -> anyhow::Result<u8> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let result = tokio::select! {
        result = command(cli, screen) => result,
        interrupt = tokio::signal::ctrl_c() => {
            interrupt.context("cannot listen for Ctrl-C")?;
            Err(exit::interrupted("interrupted; files that were written are kept"))
        }
        _ = terminate.recv() => Err(exit::interrupted("terminated; files that were written are kept")),
    };
    screen.end();
    result
}

async fn command(cli: Cli, screen: &Screen) -> anyhow::Result<u8> {
    match cli.command {
        Command::Fetch(args) => {
            let node = run::connect(&cli.node).await?;
            run::fetch(node, cli.node.rpc_type, &args, screen).await
        }
        Command::Check(args) => {
            let node = match run::address(&cli.node)? {
                Some(_) => Some(run::connect(&cli.node).await?),
                None => None,
            };
            check::check(node, &args, screen).await
        }
        Command::Extract(what) => {
            let node = run::connect(&cli.node).await?;
            match what {
                ExtractCommand::Tx { hash } => run::print(&extract::transaction(&node, hash).await?),
                ExtractCommand::Header { block } => run::print(&extract::header(&node, block).await?),
                ExtractCommand::Block { block } => run::print(&extract::block(&node, block).await?),
            }
        }
        Command::Completions { shell } => stdout::completions::<Cli>(shell),
    }
}
