//! The blocks that a follower has proved or works on, each the child of the one before it.

use std::collections::VecDeque;

use alloy::eips::BlockId;
use alloy::primitives::B256;
use rpc::node::{Node, NodeError};

use crate::block::{Begun, Upon};
use crate::output::Finished;

/// Proved blocks that are remembered, for what is proved on top of them.
const REMEMBERED: usize = 256;

/// A block.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) hash: B256,
    pub(super) stage: Stage,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// Its proof is written. What is proved on top of it needs the second; absent if an earlier run has proved it.
    Proved(Option<Upon>),
    /// Its proof is to be written as soon as the node has the block.
    Done(Box<Finished>, Upon),
    /// On the way.
    Working(Begun),
}

#[derive(Debug, Default)]
pub(super) struct Line {
    entries: VecDeque<Entry>,
}

impl Line {
    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
        while self.entries.len() > REMEMBERED && matches!(self.entries[0].stage, Stage::Proved(_)) {
            self.entries.pop_front();
        }
    }

    pub(super) fn last(&self) -> Option<&Entry> {
        self.entries.back()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Blocks that are worked on.
    pub(super) fn working(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.stage, Stage::Working(_))).count()
    }

    /// The first block that is not written yet.
    pub(super) fn first_unwritten(&mut self) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| !matches!(entry.stage, Stage::Proved(_)))
    }

    /// Takes out the blocks from this place on.
    pub(super) fn cut(&mut self, place: usize) -> Vec<Entry> {
        self.entries.drain(place..).collect()
    }

    /// The place of the first block that is not of the node's chain. Each is the child of the one before, so if a block is
    /// of the chain, those before it are. Of a node that is behind, on the same chain, nothing can be said.
    pub(super) async fn first_orphan(&self, node: &Node) -> Result<Option<usize>, NodeError> {
        if self.entries.is_empty() {
            return Ok(None);
        }
        let newest = node.head().await?;
        let there = self.entries.iter().take_while(|entry| entry.number <= newest).count();
        let mut stays = there;
        while let Some(entry) = stays.checked_sub(1).map(|index| &self.entries[index]) {
            match node.resolve(BlockId::number(entry.number)).await {
                Ok((_, hash)) if hash == entry.hash => break,
                Ok(_) => stays -= 1,
                // It went back since it was asked for its newest block. It will be asked again.
                Err(NodeError::NoBlock { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok((stays < there).then_some(stays))
    }
}
