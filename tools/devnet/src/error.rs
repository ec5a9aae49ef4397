//! What can go wrong with a local chain.

use std::path::PathBuf;

use alloy::primitives::B256;

/// Why a node or its chain is not what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevnetError {
    /// A program that runs a node is not installed.
    #[error("there is no {program} here: {way_out}")]
    Missing {
        /// Its name.
        program: &'static str,
        /// What to do.
        way_out: &'static str,
    },
    /// A program is of another version.
    #[error("{} is of version `{found}`, wanted is {wanted}: {way_out}", program.display())]
    Version {
        /// Where it is.
        program: PathBuf,
        /// What it says of itself.
        found: String,
        /// What is wanted.
        wanted: &'static str,
        /// What to do.
        way_out: &'static str,
    },
    /// A node does not start, or ended.
    #[error("{program} {what}; its log is {}{}", log.display(), last_lines(.log))]
    Process {
        /// Its name.
        program: &'static str,
        /// What happened.
        what: String,
        /// What it wrote.
        log: PathBuf,
    },
    /// A file or a process cannot be used.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A call failed.
    #[error("{method} at {url}")]
    Call {
        /// The method.
        method: String,
        /// The node.
        url: String,
        /// Why it failed.
        source: alloy::transports::TransportError,
    },
    /// The node does not take a block, or not as the head.
    #[error("the node does not take block {block}: {why}")]
    Refused {
        /// Its hash.
        block: B256,
        /// What the node says.
        why: String,
    },
    /// The node does not make the block that was asked for.
    #[error("block {number} cannot be made: {why}")]
    NotMade {
        /// The number that it would have.
        number: u64,
        /// What is missing.
        why: String,
    },
    /// Bytes that are no block.
    #[error("these {length} bytes are no block in RLP: {why}")]
    NoBlock {
        /// How many they are.
        length: usize,
        /// What is wrong.
        why: String,
    },
    /// The chain is too short for what was asked for.
    #[error("the chain has {head} blocks: {wanted}")]
    TooShort {
        /// The number of its last block.
        head: u64,
        /// What would need more.
        wanted: String,
    },
    /// A file with recorded answers is not one.
    #[error("{}: {what}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A transaction cannot be signed.
    #[error("transaction {index}: {why}")]
    Transaction {
        /// Its place in the block, from 0.
        index: usize,
        /// Why.
        why: String,
    },
}

impl DevnetError {
    /// For `map_err`: a failure of the operating system, with what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// What a node wrote last, if anything: the log is gone with its folder when a test has failed.
fn last_lines(log: &PathBuf) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().rev().take(8).collect();
    lines.iter().rev().map(|line| format!("\n  {line}")).collect()
}
