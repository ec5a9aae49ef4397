//! Why a node did not give what it was asked for, by what is to be done about it.

use alloy::primitives::{Address, B256};

/// A question to a node that was not answered, or not truthfully. Names the node by its host only: paths, queries and
/// user names of such addresses are credentials.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NodeError {
    /// The address cannot be used.
    #[error("the address of the node is none: {0}; http://HOST:PORT or https://… is expected")]
    Address(String),
    /// No connection.
    #[error("no connection to the node at {host}: {reason}")]
    Connect {
        /// The node.
        host: String,
        /// What the system says.
        reason: String,
    },
    /// No answer in time.
    #[error("{host} did not answer {method} within {seconds} s")]
    Timeout {
        /// The node.
        host: String,
        /// What it was asked.
        method: String,
        /// How long was waited.
        seconds: u64,
    },
    /// HTTP says no.
    #[error("{host} answered {method} with HTTP status {status}{}", hint(*status))]
    Status {
        /// The node.
        host: String,
        /// What it was asked.
        method: String,
        /// The status.
        status: u16,
        /// Seconds to wait, if it said so.
        retry_after: Option<u64>,
    },
    /// The answer ended early.
    #[error("{host} broke off its answer to {method}: {reason}")]
    Broken {
        /// The node.
        host: String,
        /// What it was asked.
        method: String,
        /// How it was noticed.
        reason: String,
    },
    /// The answer is larger than allowed.
    #[error(
        "{host} answered {method} with more than {limit} bytes, which is not read; raise the limit if that is meant"
    )]
    TooLarge {
        /// The node.
        host: String,
        /// What it was asked.
        method: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// An error of JSON-RPC.
    #[error("{host} answered {method} with error {code}: {message}")]
    Refused {
        /// The node.
        host: String,
        /// What it was asked.
        method: String,
        /// The code.
        code: i64,
        /// Its text, shortened.
        message: String,
    },
    /// The node does not know the method.
    #[error("{host} does not offer {method} ({message})")]
    Unsupported {
        /// The node.
        host: String,
        /// What it was asked.
        method: String,
        /// What it said, shortened.
        message: String,
    },
    /// The state was pruned.
    #[error(
        "{host} does not have the state of block {block} (any more): {message}; use an archive node, or a block that is more recent"
    )]
    NoState {
        /// The node.
        host: String,
        /// The block whose state was wanted.
        block: u64,
        /// What it said, shortened.
        message: String,
    },
    /// There is no such block.
    #[error("{host} has no block {block}{}", head.map(|head| format!(", its last one is {head}")).unwrap_or_default())]
    NoBlock {
        /// The node.
        host: String,
        /// Number, hash or tag.
        block: String,
        /// The last block that it has.
        head: Option<u64>,
    },
    /// An answer that does not parse.
    #[error("{host} answered {method} with something else than expected: {reason}")]
    Nonsense {
        /// The node.
        host: String,
        /// What it was asked.
        method: String,
        /// What is wrong.
        reason: String,
    },
    /// An answer that was checked and is wrong.
    #[error("{host} gave a wrong answer to {method}: {reason}")]
    Wrong {
        /// The node.
        host: String,
        /// What it was asked.
        method: String,
        /// What was compared.
        reason: String,
    },
    /// A proof of an account or slot that does not lead from the root to it.
    #[error("{host} gave a wrong proof for account {account} at block {block}: {reason}")]
    Proof {
        /// The node.
        host: String,
        /// The account.
        account: Address,
        /// The block whose state it is about.
        block: u64,
        /// Where it fails.
        reason: String,
    },
    /// Code that is not the account's.
    #[error("{host} gave code for account {account} that does not hash to {hash}")]
    Code {
        /// The node.
        host: String,
        /// The account.
        account: Address,
        /// Hash in the account.
        hash: B256,
    },
    /// Another chain than wanted.
    #[error("{host} is on chain {found}, and chain {wanted} is wanted")]
    Chain {
        /// The node.
        host: String,
        /// Its chain id.
        found: u64,
        /// The chain id that is wanted.
        wanted: u64,
    },
}

impl NodeError {
    /// Whether the same question may be answered a moment later.
    pub fn worth_retrying(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Timeout { .. } | Self::Broken { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 520..=529),
            // A node that is behind, or one of several behind one address: of hashes, nobody asks for invented ones.
            Self::NoBlock { block, head, .. } => match block.parse::<u64>() {
                Ok(number) => head.is_some_and(|head| head >= number),
                Err(_) => block.starts_with("0x"),
            },
            Self::Refused { code, message, .. } => is_passing(*code, message),
            _ => false,
        }
    }

    /// Whether the node lacks the method, so that another one may help.
    pub fn is_unsupported(&self) -> bool {
        match self {
            Self::Unsupported { .. } => true,
            // Providers shut out methods by these.
            Self::Status { status, .. } => matches!(status, 401 | 403 | 404 | 405 | 501),
            _ => false,
        }
    }

    /// Seconds that the node asks to be left alone.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => ", it does not let us in: look at the credentials in the address",
        404 => ", so the address may lack a path, or the node's HTTP interface is elsewhere",
        413 => ", the question is too large for it",
        429 => ", it limits how much it may be asked: ask for fewer blocks at a time",
        _ => "",
    }
}

/// Errors that are none of the question: load, limits, a block that has not arrived yet.
fn is_passing(code: i64, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    matches!(code, -32005 | 429)
        || says(&[
            "header not found",
            "header for hash not found",
            "block not found",
            "unknown block",
            "too many requests",
            "rate limit",
            "limit exceeded",
            "capacity",
            "timeout",
            "timed out",
            "try again",
            "temporarily",
            "busy",
            "overloaded",
            "connection reset",
        ])
}

/// Whether a node says that it pruned a state.
pub(crate) fn is_pruned(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "missing trie node",
        "required historical state unavailable",
        "state not available",
        "state is not available",
        "state is pruned",
        "state already pruned",
        "historical state",
        "distance to target block exceeds maximum proof window",
        "proof window",
        "old data not available due to pruning",
        "history has been pruned",
        "no state available",
        "state recreation",
        "world state unavailable",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// Whether a node says that it lacks a method, beyond the code for it (-32601).
pub(crate) fn is_unknown_method(code: i64, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    code == -32601
        || code == -32004
        || ["method not found", "not whitelisted", "method is not available", "is not supported", "unsupported method"]
            .iter()
            .any(|words| message.contains(words))
}
