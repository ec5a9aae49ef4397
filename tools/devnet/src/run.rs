//! What the commands of `devnet` do.

use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::consensus::BlockHeader;
use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Command, FAILED, INTERRUPTED, OK, RESOURCES, RecordArgs, RunArgs, USAGE};
use crate::plan::{self, Planned};
use crate::{Chain, DevnetError, Made, Options, traffic};

/// What was typed makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// The exit code of an error.
pub fn code_of(error: &anyhow::Error) -> u8 {
    match error.chain().find_map(|cause| cause.downcast_ref::<DevnetError>()) {
        Some(DevnetError::Missing { .. } | DevnetError::Version { .. }) => RESOURCES,
        Some(DevnetError::Io { .. } | DevnetError::Recording { .. }) => USAGE,
        _ if error.is::<Usage>() => USAGE,
        _ => FAILED,
    }
}

/// Runs a command until it is done or interrupted. Returns the exit code.
///
/// # Errors
///
/// If a node or a file cannot be had.
pub async fn run(command: Command) -> anyhow::Result<u8> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let interrupted = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    match command {
        Command::Run(args) => serve(args, interrupted).await,
        Command::Record(args) => {
            // Whatever is dropped ends its process.
            tokio::select! {
                done = record(args) => done,
                () = interrupted => Ok(INTERRUPTED),
            }
        }
        Command::Plan => list(),
    }
}

/// `devnet run`.
async fn serve(args: RunArgs, interrupted: impl Future<Output = ()>) -> anyhow::Result<u8> {
    let planned = plan::blocks();
    let count = args.blocks.unwrap_or(planned.len());
    if count > planned.len() {
        return Err(
            Usage(format!("{count} blocks are wanted, {} planned: `--interval` makes more", planned.len())).into()
        );
    }
    let options = Options { folder: args.data, port: args.port, ..Options::default() };
    tokio::pin!(interrupted);
    let made = async {
        let mut chain = Chain::start_with(&options).await?;
        make(&mut chain, &planned[..count]).await?;
        anyhow::Ok(chain)
    };
    let mut chain = tokio::select! {
        chain = made => chain?,
        () = &mut interrupted => return Ok(INTERRUPTED),
    };
    print(chain.url())?;
    match args.interval {
        Some(interval) => tracing::info!("a block with random transfers every {interval:?}, until Ctrl-C"),
        None => tracing::info!("serving until Ctrl-C"),
    }
    tokio::select! {
        failed = go_on(&mut chain, args.interval) => failed?,
        () = interrupted => {}
    }
    Ok(OK)
}

/// Makes blocks for ever, or looks after the node.
async fn go_on(chain: &mut Chain, interval: Option<Duration>) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(interval.unwrap_or(Duration::from_secs(1)));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if !chain.geth_mut().running() {
            bail!("geth ended by itself; its log is {}", chain.geth().log().display());
        }
        if interval.is_some() {
            say(&traffic::block(chain).await?, "random transfers");
        }
    }
}

/// `devnet record`.
async fn record(args: RecordArgs) -> anyhow::Result<u8> {
    let planned = plan::blocks();
    let (first, last) = (args.start_block, args.end_block.unwrap_or(planned.len() as u64));
    if first == 0 || first > last || last > planned.len() as u64 {
        return Err(Usage(format!("blocks {first} to {last} are wanted, 1 to {} planned", planned.len())).into());
    }
    let rpc = rpc_program()?;
    let mut chain = Chain::start().await?;
    make(&mut chain, &planned[..usize::try_from(last)?]).await?;
    let mut command = tokio::process::Command::new(&rpc);
    command.args(["fetch", "--rpc-url", chain.url(), "--start-block", &first.to_string()]);
    command.args(["--end-block", &last.to_string()]).arg("--output-dir").arg(&args.folder);
    let status = command.kill_on_drop(true).status().await;
    let status = status.with_context(|| format!("cannot run {}", rpc.display()))?;
    if !status.success() {
        bail!("`{} fetch` failed ({status})", rpc.display());
    }
    tracing::info!("witnesses of blocks {first} to {last} are in {}", args.folder.display());
    Ok(OK)
}

/// `rpc` beside this program, or in `PATH`.
fn rpc_program() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join("rpc")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).map(|folder| folder.join("rpc"));
    let found = here.into_iter().chain(others).find(|program| is_ours(program));
    found.context("there is no program `rpc` here: `cargo build --release -p rpc` makes it")
}

/// Whether it is a program, and not another's of that name.
fn is_ours(program: &Path) -> bool {
    let help = std::process::Command::new(program).args(["fetch", "--help"]).output();
    help.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("--output-dir"))
}

/// Makes the planned blocks that the chain does not have yet.
async fn make(chain: &mut Chain, planned: &[Planned]) -> anyhow::Result<()> {
    let head = chain.head().await?.header.number();
    for (number, planned) in (1..).zip(planned) {
        if number <= head {
            continue;
        }
        let made = chain.block(&planned.spec).await.with_context(|| format!("planned block `{}`", planned.name))?;
        say(&made, planned.name);
    }
    let head = chain.head().await?.header.number();
    Ok(traffic::finalize(chain, head).await?)
}

fn say(made: &Made, name: &str) {
    let Made { number, hash, transactions, gas_used, .. } = made;
    tracing::info!("block {number} {hash}: {} transactions, {gas_used} gas, {name}", transactions.len());
}

/// `devnet plan`: a table in Markdown, which is what the docs have.
fn list() -> anyhow::Result<u8> {
    let mut text = String::from("| block | name | txs | exercises |\n|---|---|---|---|\n");
    for (number, planned) in (1_u64..).zip(plan::blocks()) {
        let Planned { name, about, spec, .. } = planned;
        text += &format!("| {number} | {name} | {} | {about} |\n", spec.transactions.len());
    }
    print(text.trim_end())?;
    Ok(OK)
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("cannot write to stdout")
}
