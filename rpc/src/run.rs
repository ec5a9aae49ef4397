//! What `rpc fetch` does: from blocks as people call them to witnesses in a file or on stdout.

use std::ops::RangeInclusive;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::B256;
use anyhow::{Context, bail};
use ops::exit;
use ops::log::Screen;

use crate::checkpoint::Checkpoint;
use crate::cli::{FetchArgs, NodeArgs, RpcType, Secret};
use crate::convert;
use crate::error::FetchError;
use crate::fetch::Fetcher;
use crate::node::{Node, NodeError, Options, Retries};
use crate::output::Output;

/// The largest answer that is read. The witness of a large block has some 30 MB, its traces may have more.
const LARGEST_ANSWER: u64 = 1 << 30;

/// Larger files hold no address.
const LARGEST_ADDRESS: u64 = 1 << 16;

/// Connects to the node that was given.
pub async fn connect(args: &NodeArgs) -> anyhow::Result<Node> {
    let url = address(args)?;
    let url =
        url.ok_or_else(|| exit::usage("no node is given: set --rpc-url or RPC_URL, --rpc-url-file or RPC_URL_FILE"))?;
    // clap does not look for conflicts between flags before and after a subcommand.
    if args.no_cache && args.cache_dir.is_some() {
        return Err(exit::usage("--no-cache and --cache-dir contradict each other"));
    }
    let cache = || args.cache_dir.clone().unwrap_or_else(|| ops::artifacts::cache_dir().join("rpc"));
    let options = Options {
        timeout: std::time::Duration::from_secs(args.timeout.get()),
        limit: LARGEST_ANSWER,
        concurrency: args.max_concurrent_requests.get(),
        retries: Retries { attempts: args.max_retries, pause: std::time::Duration::from_millis(args.backoff) },
        cache: (!args.no_cache).then(cache),
        chain_id: args.chain_id,
    };
    match Node::connect(&url, options).await {
        Err(NodeError::Address(reason)) => Err(exit::usage(NodeError::Address(reason).to_string())),
        connected => Ok(connected?),
    }
}

/// The address of the node, if one is given.
pub fn address(args: &NodeArgs) -> anyhow::Result<Option<String>> {
    let url = args.rpc_url.as_ref().map(|Secret(url)| url).filter(|url| !url.is_empty());
    let file = args.rpc_url_file.as_deref().filter(|file| !file.as_os_str().is_empty());
    match (url, file) {
        (Some(_), Some(_)) => {
            Err(exit::usage("--rpc-url and --rpc-url-file (or RPC_URL and RPC_URL_FILE) contradict each other"))
        }
        (None, Some(file)) => {
            let text = String::from_utf8(ops::fs::read_limited(file, LARGEST_ADDRESS).context("--rpc-url-file")?);
            let text = text.map_err(|_| exit::usage(format!("--rpc-url-file {} is not text", file.display())))?;
            match text.trim() {
                "" => Err(exit::usage(format!("--rpc-url-file {} is empty", file.display()))),
                address => Ok(Some(address.to_owned())),
            }
        }
        (url, None) => Ok(url.cloned()),
    }
}

/// The blocks that were asked for, as the chain is at this moment.
#[derive(Debug)]
struct Wanted {
    numbers: RangeInclusive<u64>,
    first: B256,
    last: B256,
    checkpoint: Checkpoint,
}

/// Fetches blocks in order and hands on each as soon as it is there.
pub async fn fetch(node: Node, rpc_type: RpcType, args: &FetchArgs, screen: &Screen) -> anyhow::Result<u8> {
    let mut output = Output::new(args.output_dir.clone())?;
    let Wanted { numbers, first, last, checkpoint } = wanted(&node, args).await?;
    let total = numbers.end() - numbers.start() + 1;
    let kept = output.kept(&node, numbers.clone(), &checkpoint).await?;
    if !kept.is_empty() {
        tracing::info!("{} of {total} blocks are there already", kept.len());
    }
    let bar = screen.bar(total, "[{bar:40}] {pos}/{len} blocks {elapsed_precise}, {eta} left {msg}");
    let asker = node.clone();
    let fetcher = Fetcher { node, rpc_type, checkpoint, concurrency: args.max_concurrent_blocks.get() };
    let mut done = kept.len() as u64;
    let missing = numbers.clone().filter(move |number| !kept.contains(number));
    let mut blocks = fetcher.blocks(missing);
    while let Some(witness) = blocks.next().await {
        let witness = witness.map_err(|error| explain(error, rpc_type))?;
        let (number, hash) = (witness.number(), witness.hash());
        let asked = [(*numbers.start(), first), (*numbers.end(), last)];
        if asked.iter().any(|(end, of)| *end == number && convert::hash(*of) != hash) {
            bail!("block {number} is {hash:?} now and was another a moment ago: the chain has changed, fetch it again");
        }
        output.write(&witness)?;
        done += 1;
        tracing::info!(transactions = witness.transactions(), "block {number}: {done} of {total}");
        if let Some(bar) = &bar {
            bar.set_position(done);
        }
    }
    output.end()?;
    tracing::info!(blocks = done, requests = asker.requests(), "fetched");
    Ok(exit::OK)
}

async fn wanted(node: &Node, args: &FetchArgs) -> anyhow::Result<Wanted> {
    let (start, first) = canonical(node, args.start_block).await?;
    let (end, last) = match args.end_block {
        Some(block) => canonical(node, block).await?,
        None => (start, first),
    };
    if start == 0 {
        return Err(exit::usage("--start-block 0: the first block of a chain has no execution to prove; begin with 1"));
    }
    if end < start {
        return Err(exit::usage(format!("--end-block is block {end}, before --start-block, which is block {start}")));
    }
    let checkpoint = args.checkpoint_block.unwrap_or_else(|| BlockId::number(start - 1));
    let (number, hash) = canonical(node, checkpoint).await?;
    if number >= start {
        let message =
            format!("--checkpoint-block is block {number}, and the blocks begin with {start}: it must be before");
        return Err(exit::usage(message));
    }
    Ok(Wanted { numbers: start..=end, first, last, checkpoint: Checkpoint::at(node, hash.into()).await? })
}

/// Number and hash of a block, which must be of the chain as it is.
async fn canonical(node: &Node, block: BlockId) -> anyhow::Result<(u64, B256)> {
    let (number, hash) = node.resolve(block).await?;
    if let BlockId::Hash(_) = block {
        let (_, there) = node.resolve(BlockId::Number(BlockNumberOrTag::Number(number))).await?;
        if there != hash {
            bail!("block {hash} is not of the chain of the node at {}: block {number} there is {there}", node.host());
        }
    }
    Ok((number, hash))
}

/// The way out of what is wrong, where the command line has one.
fn explain(error: FetchError, rpc_type: RpcType) -> anyhow::Error {
    let foreign = rpc_type == RpcType::Jerigon
        && matches!(&error, FetchError::Node(NodeError::Unsupported { method, .. }) if method == "eth_getWitness");
    match foreign {
        true => {
            anyhow::Error::new(error).context("--rpc-type jerigon is for Polygon Zero's Erigon, others take native")
        }
        false => error.into(),
    }
}

/// An answer of the node, printed.
pub fn print(value: &impl serde::Serialize) -> anyhow::Result<u8> {
    let mut line = serde_json::to_vec(value).context("the answer")?;
    line.push(b'\n');
    ops::stdout::print(&line)?;
    Ok(exit::OK)
}
