//! A chain at a node, and what a consensus client does to it: blocks, forks, reorganizations, finality.

use alloy::consensus::BlockHeader;
use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::Block;
use alloy::rpc::types::engine::ForkchoiceState;

use crate::build::build;
use crate::geth::Options;
use crate::{DevnetError, FEES, Geth, Tx};

/// What a block is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockSpec {
    /// All of them, and in this order.
    pub transactions: Vec<Tx>,
    /// Recipients and gwei.
    pub withdrawals: Vec<(Address, u64)>,
    /// Who gets the fees.
    pub fees: Address,
    /// Makes blocks of equal content different: it decides, with the number, the block's randomness and beacon root.
    pub salt: String,
}

impl Default for BlockSpec {
    /// An empty block.
    fn default() -> Self {
        Self { transactions: Vec::new(), withdrawals: Vec::new(), fees: FEES, salt: String::new() }
    }
}

impl BlockSpec {
    /// A block of these transactions.
    pub fn of(transactions: impl IntoIterator<Item = Tx>) -> Self {
        Self { transactions: transactions.into_iter().collect(), ..Self::default() }
    }
}

/// A block that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block before.
    pub parent: B256,
    /// The hashes of its transactions.
    pub transactions: Vec<B256>,
    /// The gas that they used.
    pub gas_used: u64,
}

/// What a reorganization did.
#[derive(Debug, Clone)]
pub struct Reorg {
    /// The hashes of the blocks that are no longer on the chain, the lowest first.
    pub orphaned: Vec<B256>,
    /// The blocks that are instead.
    pub made: Vec<Made>,
}

/// A chain, and the node that has it.
#[derive(Debug)]
pub struct Chain {
    geth: Geth,
    options: Options,
    builder: Builder,
    safe: B256,
    finalized: B256,
    /// So many forks were made of it: each is to have blocks of its own.
    forks: u32,
    salt: String,
}

/// Who builds the next block.
#[derive(Debug)]
enum Builder {
    /// The node itself.
    Itself,
    /// Another one: a node that was reorganized has the transactions of the orphaned blocks in its pool again.
    Other(Box<Chain>),
    /// Another one, that is not there yet.
    Unknown,
}

impl Chain {
    /// A fresh node with our genesis block.
    ///
    /// # Errors
    ///
    /// As [`Geth::start`].
    pub async fn start() -> Result<Self, DevnetError> {
        Self::start_with(&Options::default()).await
    }

    /// A node as it is wanted, with the chain that it has.
    ///
    /// # Errors
    ///
    /// As [`Geth::start`].
    pub async fn start_with(options: &Options) -> Result<Self, DevnetError> {
        let geth = Geth::start_with(options).await?;
        let (builder, safe, finalized) = (Builder::Itself, B256::ZERO, B256::ZERO);
        Ok(Self { geth, options: options.clone(), builder, safe, finalized, forks: 0, salt: String::new() })
    }

    /// The node.
    pub fn geth(&self) -> &Geth {
        &self.geth
    }

    /// The node, to stop and start it.
    pub fn geth_mut(&mut self) -> &mut Geth {
        &mut self.geth
    }

    /// The node's URL.
    pub fn url(&self) -> &str {
        self.geth.url()
    }

    /// The last block.
    ///
    /// # Errors
    ///
    /// If the node cannot be reached.
    pub async fn head(&self) -> Result<Block, DevnetError> {
        let wanted = || DevnetError::TooShort { head: 0, wanted: "there is no genesis block".into() };
        let head = self.geth.rpc().provider().get_block_by_number(BlockNumberOrTag::Latest).await;
        head.map_err(|error| self.geth.rpc().error("eth_getBlockByNumber", error))?.ok_or_else(wanted)
    }

    /// The hash of a block of the chain.
    ///
    /// # Errors
    ///
    /// If the chain is shorter, or the node cannot be reached.
    pub async fn hash(&self, number: u64) -> Result<B256, DevnetError> {
        let block = self.geth.rpc().provider().get_block_by_number(number.into()).await;
        match block.map_err(|error| self.geth.rpc().error("eth_getBlockByNumber", error))? {
            Some(block) => Ok(block.header.hash),
            None => {
                let head = self.head().await?.header.number();
                Err(DevnetError::TooShort { head, wanted: format!("there is no block {number}") })
            }
        }
    }

    /// Makes a block, and makes it the head.
    ///
    /// # Errors
    ///
    /// If it cannot be made as wanted, which leaves its transactions in the node's pool: the chain cannot go on then.
    pub async fn block(&mut self, spec: &BlockSpec) -> Result<Made, DevnetError> {
        if matches!(self.builder, Builder::Unknown) {
            self.builder = Builder::Other(Box::new(self.copy(0).await?));
        }
        if let Builder::Other(other) = &mut self.builder {
            let made = Box::pin(other.block(spec)).await?;
            let raw = other.raw(made.hash).await?;
            self.geth.engine().import(&raw).await?;
            self.choose(made.hash).await?;
            return Ok(made);
        }
        let made = self.sibling(spec).await?;
        self.choose(made.hash).await?;
        Ok(made)
    }

    /// Makes a block on the head, without making it the head: it stays an orphan unless [`Chain::switch`] is called.
    ///
    /// # Errors
    ///
    /// As [`Chain::block`].
    pub async fn sibling(&mut self, spec: &BlockSpec) -> Result<Made, DevnetError> {
        let head = self.head().await?;
        let salt = format!("{}{}", self.salt, spec.salt);
        build(&self.geth, &head, spec, &salt, self.state(head.header.hash)).await
    }

    /// Makes empty blocks.
    ///
    /// # Errors
    ///
    /// As [`Chain::block`].
    pub async fn empty(&mut self, count: u64) -> Result<Vec<Made>, DevnetError> {
        let mut made = Vec::new();
        for _ in 0..count {
            made.push(self.block(&BlockSpec::default()).await?);
        }
        Ok(made)
    }

    /// Makes blocks of [`crate::plan`] until the chain has `count` of them. Returns those that were missing.
    ///
    /// # Errors
    ///
    /// As [`Chain::block`].
    pub async fn plan(&mut self, count: usize) -> Result<Vec<Made>, DevnetError> {
        let done = usize::try_from(self.head().await?.header.number()).unwrap_or(usize::MAX);
        let mut made = Vec::new();
        for planned in crate::plan::blocks().iter().take(count).skip(done) {
            made.push(self.block(&planned.spec).await?);
        }
        Ok(made)
    }

    /// Takes blocks in RLP that follow on each other, the last of which becomes the head. Returns its hash.
    ///
    /// # Errors
    ///
    /// If a block is not one, or the node does not take it.
    pub async fn import(&mut self, blocks: impl IntoIterator<Item: AsRef<[u8]>>) -> Result<B256, DevnetError> {
        let mut head = None;
        for raw in blocks {
            head = Some(self.geth.engine().import(raw.as_ref()).await?);
        }
        match head {
            Some(head) => {
                self.choose(head).await?;
                Ok(head)
            }
            None => Ok(self.head().await?.header.hash),
        }
    }

    /// Says which blocks are final and safe, by their numbers.
    ///
    /// # Errors
    ///
    /// If there are no such blocks, or finality would go back.
    pub async fn finalize(&mut self, finalized: u64, safe: u64) -> Result<(), DevnetError> {
        (self.finalized, self.safe) = (self.hash(finalized).await?, self.hash(safe).await?);
        let head = self.head().await?.header.hash;
        self.geth.engine().forkchoice(self.state(head), None).await.map(|_| ())
    }

    /// Another node with the same chain but for the last `depth` blocks. What is made there differs from what is made
    /// here. It can serve as a node that is behind, too.
    ///
    /// # Errors
    ///
    /// If the chain is shorter, or the other node does not start.
    pub async fn fork(&mut self, depth: u64) -> Result<Self, DevnetError> {
        let mut fork = self.copy(depth).await?;
        self.forks += 1;
        fork.salt = format!("{}fork {} ", self.salt, self.forks);
        Ok(fork)
    }

    /// Takes the chain of another node over, by importing what is missing here. Returns the hashes of the blocks that
    /// are orphaned by that, the lowest first.
    ///
    /// # Errors
    ///
    /// If the chains have nothing in common, or this node does not reorganize so deep: never below a final block.
    pub async fn adopt(&mut self, other: &Self) -> Result<Vec<B256>, DevnetError> {
        let mut number = other.head().await?.header.number();
        let head = self.head().await?.header.number();
        let mut missing = Vec::new();
        loop {
            let hash = other.hash(number).await?;
            if number <= head && self.hash(number).await? == hash {
                break;
            }
            missing.push(other.raw(hash).await?);
            number = number.checked_sub(1).ok_or_else(|| DevnetError::TooShort {
                head,
                wanted: format!("{} has another genesis block", other.url()),
            })?;
        }
        let mut orphaned = Vec::new();
        for number in number + 1..=head {
            orphaned.push(self.hash(number).await?);
        }
        if !missing.is_empty() {
            self.import(missing.iter().rev()).await?;
            self.builder = Builder::Unknown;
        }
        Ok(orphaned)
    }

    /// Replaces the last `depth` blocks by others, all at once, as a reorganization does. For it to be one, there
    /// are to be at least as many blocks as were, but a node takes fewer, too.
    ///
    /// # Errors
    ///
    /// If the chain is shorter, a block cannot be made, or a final one would be lost.
    pub async fn reorg(&mut self, depth: u64, blocks: &[BlockSpec]) -> Result<Reorg, DevnetError> {
        let mut fork = self.fork(depth).await?;
        let mut made = Vec::new();
        for spec in blocks {
            made.push(fork.block(spec).await?);
        }
        let orphaned = self.adopt(&fork).await?;
        if !made.is_empty() {
            self.builder = Builder::Other(Box::new(fork));
        }
        Ok(Reorg { orphaned, made })
    }

    /// Makes a block the head that the node knows and that is not an ancestor of the head: such as an orphaned one.
    ///
    /// # Errors
    ///
    /// If the node refuses it.
    pub async fn switch(&mut self, head: B256) -> Result<(), DevnetError> {
        self.choose(head).await?;
        self.builder = Builder::Unknown;
        Ok(())
    }

    /// A block in RLP, orphaned or not.
    ///
    /// # Errors
    ///
    /// If the node does not know it.
    pub async fn raw(&self, hash: B256) -> Result<Bytes, DevnetError> {
        self.geth.rpc().call("debug_getRawBlock", (hash,)).await
    }

    async fn choose(&self, head: B256) -> Result<(), DevnetError> {
        self.geth.engine().forkchoice(self.state(head), None).await?;
        let is = self.head().await?;
        if is.header.hash == head {
            return Ok(());
        }
        let why = format!("as a head: it is an ancestor of block {}, which stays the head", is.header.number());
        Err(DevnetError::Refused { block: head, why })
    }

    fn state(&self, head_block_hash: B256) -> ForkchoiceState {
        ForkchoiceState { head_block_hash, safe_block_hash: self.safe, finalized_block_hash: self.finalized }
    }

    /// Another node with the same chain but for the last `depth` blocks.
    async fn copy(&self, depth: u64) -> Result<Self, DevnetError> {
        let head = self.head().await?.header.number();
        let wanted = || DevnetError::TooShort { head, wanted: format!("it cannot be forked {depth} blocks back") };
        let last = head.checked_sub(depth).ok_or_else(wanted)?;
        let options = Options { folder: None, port: 0, ..self.options.clone() };
        let mut copy = Box::pin(Self::start_with(&options)).await?;
        for number in 1..=last {
            let raw = self.raw(self.hash(number).await?).await?;
            copy.geth.engine().import(&raw).await?;
        }
        if last > 0 {
            copy.choose(self.hash(last).await?).await?;
        }
        copy.salt.clone_from(&self.salt);
        Ok(copy)
    }
}

/// What is random in a block, made of its number and what distinguishes it.
pub(crate) fn random(what: &str, number: u64, salt: &str) -> B256 {
    keccak256(format!("{what} {number} {salt}"))
}
