//! Proving straight from a node: a range of blocks, or its chain as it grows.
//!
//! Work is keyed by the hash of a block. Whenever something happens, and at every look at the node, the blocks that are
//! proved or worked on are compared with the chain (`line`); those that left it are cancelled, the others go on. A proof
//! is written in the moment in which the node says that its block is of the chain (`state`), never else.

mod head;
mod line;
mod state;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::B256;
use anyhow::{Context, bail};
use ops::artifacts::Artifacts;
use ops::digest::Digest;
use ops::exit;
use ops::log::Screen;
use ops::proof::AnyProof;
use ops::witness::Witness;
use rpc::checkpoint::Checkpoint;
use rpc::cli::RpcType;
use rpc::error::FetchError;
use rpc::fetch::{self, Fetcher};
use rpc::node::{Node, NodeError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::block::{Upon, begin};
use crate::cli::RpcArgs;
use crate::config::{Config, Output};
use crate::metrics;
use crate::output::{self, Finished, proof_path};
use crate::prepare::{Shared, prepare};
use crate::previous::{check_start, read_previous, start_after};
use crate::prove;

pub use head::Head;
pub use state::{ProvedBlock, State};

use line::{Entry, Line, Stage};

/// What is followed, and how far.
#[derive(Clone, Debug)]
struct Course {
    node: Node,
    rpc_type: RpcType,
    head: Head,
    end: Option<u64>,
    checkpoint: Option<u64>,
    poll: Duration,
}

/// Proves blocks of a node, or says what that would take.
pub async fn rpc(config: Arc<Config>, args: Box<RpcArgs>, screen: &Screen) -> anyhow::Result<u8> {
    let node = rpc::run::connect(&args.node).await?;
    let number = async |block: Option<BlockId>| match block {
        Some(block) => Ok::<_, NodeError>(Some(number(&node, block).await?)),
        None => Ok(None),
    };
    let (start, end) = (number(args.start_block).await?, number(args.end_block).await?);
    let checkpoint = number(args.checkpoint_block).await?;
    let poll = Duration::from_secs_f64(args.poll_interval);
    let course = Course { node, rpc_type: args.node.rpc_type, head: args.head, end, checkpoint, poll };
    check_numbers(start, end, checkpoint)?;
    if config.test_only {
        return plan_only(&config, &course, start).await;
    }
    if end.is_none() && !matches!(config.output, Output::Dir(_)) {
        return Err(exit::usage("without --end-block there is no end: say where proofs go with --proof-output-dir"));
    }
    let previous = config.previous_proof.as_deref().map(|path| read_previous("--previous-proof", path)).transpose()?;
    let artifacts = Artifacts::open(&config.artifacts).await?;
    let shared = prepare(config, artifacts, screen).await?;
    let folder = match &shared.config.output {
        Output::Dir(folder) => Some(folder.as_path()),
        _ => None,
    };
    // Tags mean another block at every start.
    let fixed = matches!(args.start_block, Some(BlockId::Number(BlockNumberOrTag::Number(_))));
    let known = folder.is_some_and(State::exists);
    let begins = start.filter(|_| fixed || !known);
    let state = State::open(folder, course.node.chain_id(), shared.circuits, begins)?;
    let mut follower = Follower::new(shared.clone(), course, state, previous);
    let result = follower.run().await;
    let result = match result {
        Ok(()) => output::write_all(&shared.config.output, &follower.proofs).map(|()| exit::OK),
        Err(error) => Err(error),
    };
    shared.queue.close().await;
    result
}

async fn number(node: &Node, block: BlockId) -> Result<u64, NodeError> {
    match block {
        // It may not be there yet.
        BlockId::Number(BlockNumberOrTag::Number(number)) => Ok(number),
        other => Ok(node.resolve(other).await?.0),
    }
}

fn check_numbers(start: Option<u64>, end: Option<u64>, checkpoint: Option<u64>) -> anyhow::Result<()> {
    match (start, end, checkpoint) {
        (Some(0), ..) => {
            Err(exit::usage("--start-block 0: the first block of a chain has no execution to prove; begin with 1"))
        }
        (Some(start), Some(end), _) if end < start => {
            Err(exit::usage(format!("--end-block is block {end}, before --start-block, which is block {start}")))
        }
        (Some(start), _, Some(checkpoint)) if checkpoint >= start => {
            Err(exit::usage(format!("--checkpoint-block is block {checkpoint}, and must be before block {start}")))
        }
        _ => Ok(()),
    }
}

/// Says what proving the blocks would take.
async fn plan_only(config: &Config, course: &Course, start: Option<u64>) -> anyhow::Result<u8> {
    let (Some(start), Some(end)) = (start, course.end) else {
        return Err(exit::usage("--test-only needs --start-block and --end-block"));
    };
    let checkpoint = Checkpoint::at(&course.node, BlockId::number(course.checkpoint.unwrap_or(start - 1))).await?;
    let Course { node, rpc_type, .. } = course.clone();
    let mut blocks = Fetcher { node, rpc_type, checkpoint, concurrency: 2 }.blocks(start..=end);
    while let Some(witness) = blocks.next().await {
        prove::print_block_plan(config, witness?).await?;
    }
    Ok(exit::OK)
}

/// A witness on its way.
struct Fetch {
    number: u64,
    hash: B256,
    work: JoinHandle<Result<Witness, FetchError>>,
}

/// Nobody waits for it any more.
impl Drop for Fetch {
    fn drop(&mut self) {
        self.work.abort();
    }
}

struct Follower {
    shared: Shared,
    course: Course,
    state: State,
    line: Line,
    /// The proof to build upon that the user has given.
    previous: Option<(String, AnyProof)>,
    checkpoint: Option<Checkpoint>,
    /// Number of the first block that the proofs cover, once there is a proof to build upon.
    covers_from: u64,
    fetch: Option<Fetch>,
    /// No fetch before.
    rest: Option<Instant>,
    /// Whether the node has failed, and that was said.
    away: bool,
    /// When the lag was last measured; number and timestamp of the oldest block that was not proved.
    measured: Option<(Instant, Option<(u64, u64)>)>,
    proofs: Vec<Finished>,
}

impl Follower {
    fn new(shared: Shared, course: Course, state: State, previous: Option<(String, AnyProof)>) -> Self {
        let mut line = Line::default();
        for block in state.proved() {
            line.push(Entry { number: block.number, hash: block.hash, stage: Stage::Proved(None) });
        }
        if let Some(last) = line.last() {
            tracing::info!(block_number = last.number, block_hash = %last.hash, "going on after the last proved block");
        }
        let covers_from = state.first_block();
        let (checkpoint, fetch, rest, away, measured, proofs) = (None, None, None, false, None, Vec::new());
        Self { shared, course, state, line, previous, checkpoint, covers_from, fetch, rest, away, measured, proofs }
    }

    /// Until the last block is proved, if there is one.
    async fn run(&mut self) -> anyhow::Result<()> {
        let mut poll = interval(self.course.poll);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.look().await {
                Ok(()) => self.is_back(),
                Err(error) => self.endure(error)?,
            }
            if self.is_complete() {
                return Ok(());
            }
            let rest = self.rest;
            tokio::select! {
                _ = poll.tick() => {}
                () = until(rest), if rest.is_some() => self.rest = None,
                result = done(&mut self.line) => self.done(result).await?,
                (number, hash, result) = fetched(&mut self.fetch) => {
                    self.fetch = None;
                    self.fetched(number, hash, result).await?;
                }
            }
        }
    }

    fn is_complete(&self) -> bool {
        let last = self.line.last().filter(|entry| matches!(entry.stage, Stage::Proved(_)));
        last.is_some_and(|entry| self.course.end.is_some_and(|end| entry.number >= end))
    }

    /// Compares with the chain, writes what may be written, begins what there is room for.
    async fn look(&mut self) -> Result<(), Trouble> {
        self.compare().await?;
        self.write().await?;
        self.measure().await?;
        if self.fetch.is_none() && self.rest.is_none() && self.line.working() < self.shared.config.block_pool_size {
            self.begin_fetch().await?;
        }
        Ok(())
    }

    /// Blocks that left the chain are cancelled: what was done for them is in vain.
    async fn compare(&mut self) -> Result<(), Trouble> {
        let Some(place) = self.line.first_orphan(&self.course.node).await? else { return Ok(()) };
        if place == 0 {
            // Everything we know of is gone: that may be another chain.
            let found = self.course.node.raw("eth_chainId", serde_json::json!([])).await?;
            let wanted = format!("\"{:#x}\"", self.course.node.chain_id());
            if found.get() != wanted {
                let host = self.course.node.host();
                return Err(Trouble::End(anyhow::anyhow!("the node at {host} has changed to chain {}", found.get())));
            }
            self.checkpoint = None;
        }
        self.fetch = None;
        let entries = self.line.cut(place);
        let (depth, fork) = (entries.len(), self.line.last().map(|entry| entry.number));
        let kept: usize = self.line.iter().map(|entry| counts(entry).0).sum();
        let (mut cancelled, mut lost) = (0, 0);
        let first = entries.first().map(|entry| entry.number);
        for entry in entries {
            let (done, all) = counts(&entry);
            (cancelled, lost) = (cancelled + all - done, lost + done);
            if let Stage::Working(begun) = entry.stage {
                begun.cancel().await;
            }
        }
        let proofs_orphaned = match first {
            Some(first) => {
                self.proofs.retain(|proof| proof.height() < first);
                self.state.orphan(first).map_err(Trouble::End)?
            }
            None => 0,
        };
        metrics::families().reorgs.inc();
        tracing::warn!(
            fork_point = fork.map(tracing::field::display),
            depth,
            tasks_cancelled = cancelled,
            tasks_lost = lost,
            tasks_kept = kept,
            proofs_orphaned,
            "the chain has reorganised"
        );
        Ok(())
    }

    /// Writes the proofs of blocks that are done and, at this moment, of the chain.
    async fn write(&mut self) -> Result<(), Trouble> {
        while let Some(entry) = self.line.first_unwritten()
            && let Stage::Done(..) = entry.stage
        {
            let (number, hash) = (entry.number, entry.hash);
            match self.course.node.resolve(BlockId::number(number)).await {
                Ok((_, found)) if found == hash => {}
                // Reorganised since, or behind: the next look tells.
                Ok(_) | Err(NodeError::NoBlock { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            let Stage::Done(proof, upon) = std::mem::replace(&mut entry.stage, Stage::Proved(None)) else {
                return Ok(());
            };
            entry.stage = Stage::Proved(Some(upon));
            if let Output::Dir(folder) = &self.shared.config.output {
                output::write_block(folder, &proof).map_err(Trouble::End)?;
            } else {
                if !self.shared.config.keep_intermediate_proofs {
                    self.proofs.clear();
                }
                self.proofs.push(*proof);
            }
            self.state.add(ProvedBlock { number, hash }).map_err(Trouble::End)?;
        }
        Ok(())
    }

    /// Says how far the proofs are behind the chain.
    async fn measure(&mut self) -> Result<(), Trouble> {
        if self.measured.is_some_and(|(at, _)| at.elapsed() < self.course.poll) {
            return Ok(());
        }
        let Course { node, head, end, .. } = &self.course;
        let Some(head) = head.number(node).await? else { return Ok(()) };
        let last = end.map_or(head, |end| head.min(end));
        let proved = self.state.proved().last().map_or(self.state.first_block() - 1, |block| block.number);
        let families = metrics::families();
        families.head.set(head as f64);
        families.proved.set(proved as f64);
        families.lag_blocks.set(last.saturating_sub(proved) as f64);
        let known = self.measured.and_then(|(_, oldest)| oldest).filter(|(number, _)| *number == proved + 1);
        let oldest = match known {
            _ if last <= proved => None,
            Some(known) => Some(known),
            None => Some((proved + 1, node.header(BlockId::number(proved + 1)).await?.timestamp)),
        };
        let age = oldest.map_or(0.0, |(_, timestamp)| amqp::message::now() as f64 / 1000.0 - timestamp as f64);
        families.lag_seconds.set(age.max(0.0));
        self.measured = Some((Instant::now(), oldest));
        Ok(())
    }

    /// Begins to fetch the next block, if the node has it.
    async fn begin_fetch(&mut self) -> Result<(), Trouble> {
        let next = self.line.last().map_or(self.state.first_block(), |last| last.number + 1);
        if self.course.end.is_some_and(|end| next > end) {
            return Ok(());
        }
        let Course { node, rpc_type, head, checkpoint, .. } = self.course.clone();
        if head.number(&node).await?.is_none_or(|head| next > head) {
            return Ok(());
        }
        let checkpoint = match self.checkpoint {
            Some(checkpoint) => checkpoint,
            None => {
                let number = checkpoint.unwrap_or(self.state.first_block() - 1);
                *self.checkpoint.insert(Checkpoint::at(&node, BlockId::number(number)).await?)
            }
        };
        let (number, hash) = node.resolve(BlockId::number(next)).await?;
        let work = tokio::spawn(async move { fetch::witness(&node, rpc_type, hash.into(), &checkpoint).await });
        self.fetch = Some(Fetch { number, hash, work });
        Ok(())
    }

    /// A witness is there: the block is begun on top of the one before it.
    async fn fetched(&mut self, number: u64, hash: B256, result: Result<Witness, FetchError>) -> anyhow::Result<()> {
        let witness = match result {
            Ok(witness) => witness,
            Err(error) => {
                let now = self.course.node.resolve(BlockId::number(number)).await;
                // A node proves nothing about blocks that left its chain.
                if now.as_ref().is_ok_and(|(_, now)| *now != hash) {
                    tracing::debug!(block_number = number, "left the chain while it was fetched: {error}");
                    return Ok(());
                }
                if !error.worth_retrying() {
                    return Err(error.into());
                }
                tracing::warn!(block_number = number, "not fetched, trying on: {error}");
                self.rest = Some(Instant::now() + self.course.poll.max(Duration::from_secs(1)));
                return Ok(());
            }
        };
        let parent = self.line.last().map(|last| rpc::convert::hash(last.hash));
        if parent.is_some_and(|parent| parent != witness.parent_hash()) {
            // The next look finds out what has left the chain.
            return Ok(());
        }
        let (witness, upon) = self.upon(witness).await?;
        let begun = begin(&self.shared, witness, upon, self.covers_from);
        tracing::info!(block_number = number, block_hash = %hash, "begun");
        self.line.push(Entry { number, hash, stage: Stage::Working(begun) });
        Ok(())
    }

    /// What a block is proved upon.
    async fn upon(&mut self, witness: Witness) -> anyhow::Result<(Witness, Option<Upon>)> {
        let written = match self.line.last() {
            None => match &self.previous {
                None => return Ok((check_start(&self.shared.config, witness).await?, None)),
                Some(previous) => {
                    let (upon, first_block) = start_after(&self.shared, previous, &witness).await?;
                    self.covers_from = first_block;
                    return Ok((witness, Some(upon)));
                }
            },
            Some(Entry { stage: Stage::Working(begun), .. }) => return Ok((witness, Some(begun.link()))),
            Some(Entry { stage: Stage::Proved(Some(upon)) | Stage::Done(_, upon), .. }) => {
                return Ok((witness, Some(upon.clone())));
            }
            // A mock builds on nothing.
            Some(Entry { stage: Stage::Proved(None), hash, .. }) if self.shared.verifier.is_none() => {
                let (_, proved) = watch::channel(true);
                return Ok((witness, Some((Digest::of("previous mock", hash), proved))));
            }
            Some(Entry { stage: Stage::Proved(None), number, .. }) => *number,
        };
        let Output::Dir(folder) = &self.shared.config.output else {
            bail!("no folder to find the proof of block {written} in")
        };
        let path = proof_path(folder, written);
        let previous = read_previous("the last proof", &path)?;
        let (upon, first_block) = start_after(&self.shared, &previous, &witness).await?;
        self.covers_from = first_block;
        Ok((witness, Some(upon)))
    }

    /// The first block that was worked on is proved, or has failed.
    async fn done(&mut self, result: anyhow::Result<Finished>) -> anyhow::Result<()> {
        let Some(entry) = self.line.first_unwritten() else { return Ok(()) };
        let Stage::Working(begun) = &entry.stage else { return Ok(()) };
        match result {
            Ok(proof) => {
                let upon = begun.link();
                entry.stage = Stage::Done(Box::new(proof), upon);
                Ok(())
            }
            Err(failure) => {
                let hash = entry.hash;
                // Nobody needs a proof of a block that left the chain.
                if let Err(Trouble::End(error)) = self.compare().await {
                    return Err(error);
                }
                match self.line.iter().any(|entry| entry.hash == hash) {
                    true => Err(failure),
                    false => Ok(()),
                }
            }
        }
    }

    /// What may pass is waited for.
    fn endure(&mut self, trouble: Trouble) -> anyhow::Result<()> {
        match trouble {
            Trouble::Node(error) if error.worth_retrying() || matches!(error, NodeError::NoBlock { .. }) => {
                if !std::mem::replace(&mut self.away, true) {
                    tracing::warn!("waiting for the node: {error}");
                }
                Ok(())
            }
            Trouble::Node(error) => Err(error.into()),
            Trouble::End(error) => Err(error),
        }
    }

    fn is_back(&mut self) {
        if std::mem::replace(&mut self.away, false) {
            tracing::info!("the node at {} answers again", self.course.node.host());
        }
    }
}

/// Why a look has failed.
enum Trouble {
    Node(NodeError),
    End(anyhow::Error),
}

impl From<NodeError> for Trouble {
    fn from(error: NodeError) -> Self {
        Self::Node(error)
    }
}

/// Tasks of a block that are done, and all.
fn counts(entry: &Entry) -> (usize, usize) {
    match &entry.stage {
        Stage::Working(begun) => begun.counts.get(),
        Stage::Done(..) | Stage::Proved(_) => (0, 0),
    }
}

/// Waits until the first block that is worked on is done; for ever if none is, or if one before it has to be written.
async fn done(line: &mut Line) -> anyhow::Result<Finished> {
    match line.first_unwritten().map(|entry| &mut entry.stage) {
        Some(Stage::Working(begun)) => (&mut begun.work).await.context("the task of a block ended")?,
        _ => pending().await,
    }
}

async fn fetched(fetch: &mut Option<Fetch>) -> (u64, B256, Result<Witness, FetchError>) {
    let Some(fetch) = fetch else { return pending().await };
    let (number, hash) = (fetch.number, fetch.hash);
    let result = (&mut fetch.work).await;
    let panicked = |error: tokio::task::JoinError| Err(FetchError::Panic { number, reason: error.to_string() });
    (number, hash, result.unwrap_or_else(panicked))
}

async fn until(rest: Option<Instant>) {
    match rest {
        Some(rest) => sleep_until(rest).await,
        None => pending().await,
    }
}
