//! What `rpc check` does: runs a witness as a prover would, and compares what comes out with the header.

use std::path::PathBuf;

use anyhow::{Context, bail};
use evm_arithmetization::PublicValues;
use ops::digest::Digest;
use ops::header::{self, Header};
use ops::log::Screen;
use ops::plan;
use ops::task::Scope;
use ops::witness::{self, Link, Witness, WitnessError};
use ops::{exit, fs, stack};
use serde_json::json;

use crate::cli::CheckArgs;
use crate::node::Node;

/// Cycles of a segment: only how the run is cut, and nothing that is compared.
const CPU_LEN_LOG: u8 = 19;

/// Checks the blocks of a file, each of which must be the child of the one before it.
pub async fn check(node: Option<Node>, args: &CheckArgs, screen: &Screen) -> anyhow::Result<u8> {
    stack::prepare_rayon().context("cannot start the threads that run blocks")?;
    let headers =
        args.header.as_deref().map(header::read).transpose().map_err(|error| exit::usage(error.to_string()))?;
    let headers = headers.unwrap_or_default();
    if headers.is_empty() && node.is_none() {
        tracing::warn!("no header to compare with (--header or --rpc-url): a witness may be whole and of no block");
    }
    let (sender, mut blocks) = tokio::sync::mpsc::channel(1);
    let file = args.file.clone();
    let reading = stack_thread(move || read(file, &sender))?;
    let spinner = screen.bar(0, "checking {msg} {elapsed_precise}");
    let mut checked = 0;
    while let Some(witness) = blocks.recv().await {
        let number = witness.number();
        if let Some(spinner) = &spinner {
            spinner.set_message(format!("block {number}"));
        }
        let header = match headers.iter().find(|header| header.hash() == witness.hash()) {
            Some(header) => Some(header.clone()),
            None => match &node {
                Some(node) => Some(from_node(node, &witness).await?),
                None if headers.is_empty() => None,
                None => bail!("block {number}: no header has its hash, {:?}", witness.hash()),
            },
        };
        let batch_size = args.batch_size.get();
        let line = tokio::task::spawn_blocking(move || block(witness, header.as_ref(), batch_size)).await;
        crate::run::print(&line.context("checking ended")??)?;
        checked += 1;
    }
    reading.await.context("reading ended")??;
    tracing::info!(blocks = checked, "checked");
    Ok(exit::OK)
}

/// Runs a block and compares it; what is said of it.
fn block(witness: Witness, header: Option<&Header>, batch_size: u32) -> anyhow::Result<serde_json::Value> {
    let number = witness.number();
    // Ids are of no use without circuits, so any digest does.
    let scope =
        Scope { circuits: Digest::of_bytes(&[]), witness: witness.digest(), batch_size, max_cpu_len_log: CPU_LEN_LOG };
    let data = &witness.other_data.b_data;
    let (block_metadata, block_hashes) = (data.b_meta.clone(), data.b_hashes.clone());
    let (plan, batches) = plan::of_witness(witness, scope)?;
    let last = batches.last().context("there are two batches at least")?;
    let trie_roots_after = last.inputs.trie_roots_after.clone();
    let state_root = trie_roots_after.state_root;
    if let Some(header) = header {
        let found = PublicValues { trie_roots_after, block_metadata, block_hashes, ..Default::default() };
        let differ = header.compare(&found).into_iter();
        let differ: Vec<_> = differ
            .map(|field| {
                format!("{} is {} in the header and {} by the witness", field.field, field.header, field.proof)
            })
            .collect();
        if !differ.is_empty() {
            bail!("block {number}: {}", differ.join("; "));
        }
    }
    Ok(json!({
        "block": number,
        "hash": plan.block.hash,
        "transactions": plan.transactions(),
        "batches": plan.batches.len(),
        "segments": plan.segments(),
        "state_root": state_root,
        "header": header.is_some(),
    }))
}

async fn from_node(node: &Node, witness: &Witness) -> anyhow::Result<Header> {
    let hash = format!("{:?}", witness.hash());
    let text = node.raw("eth_getBlockByHash", json!([hash, false])).await?;
    let number = witness.number();
    if text.get() == "null" {
        bail!("block {number}: the node at {} knows no block {hash}", node.host());
    }
    let headers = header::parse(text.get().as_bytes(), &format!("the answer of {}", node.host()))?;
    let header = headers.into_iter().next().with_context(|| format!("block {number}: no header"))?;
    match header.hash() == witness.hash() {
        true => Ok(header),
        false => bail!("block {number}: {} gave another header than that of {hash}", node.host()),
    }
}

fn read(file: Option<PathBuf>, sender: &tokio::sync::mpsc::Sender<Witness>) -> anyhow::Result<()> {
    let mut last: Option<Link> = None;
    let each = |witness: Witness| {
        if let Some(last) = &last {
            last.check_next(&witness)?;
        }
        last = Some(witness.link());
        sender.blocking_send(witness).map_err(|_| WitnessError::Stopped)
    };
    let name = file.as_ref().map_or_else(|| "stdin".to_owned(), |file| file.display().to_string());
    let result = match &file {
        Some(path) => witness::read(fs::open(path)?, each),
        None => witness::read(std::io::stdin().lock(), each),
    };
    match result {
        Ok(_) | Err(WitnessError::Stopped) => Ok(()),
        Err(error) => Err(anyhow::Error::new(error).context(name)),
    }
}

/// Witnesses are nested deeply.
fn stack_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<tokio::sync::oneshot::Receiver<T>> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let run = move || {
        if sender.send(work()).is_err() {
            tracing::debug!("nobody waits for it any more");
        }
    };
    std::thread::Builder::new()
        .name("witness".to_owned())
        .stack_size(stack::BYTES)
        .spawn(run)
        .context("cannot start a thread")?;
    Ok(receiver)
}
