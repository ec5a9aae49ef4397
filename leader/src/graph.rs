//! Which task of a block may run when: a state machine without clock, queue or files.
//!
//! The tasks of a block form a tree: segments at the leaves, merges of neighbours above them, the block at the root. A
//! range is always cut at the largest power of two below its length, so aligned neighbours merge as soon as both are
//! done, and every process builds the same tree.

use std::collections::HashMap;

use ops::machine::{self, MB};
use ops::plan::{BatchPlan, BlockPlan};
use ops::task::{Child, FORMAT, Kind, SegmentWork, Task, TaskId, Work};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Some of what it builds on is missing.
    Waiting,
    /// Given out.
    Running,
    /// Its output is there.
    Done,
    /// Not needed: something above it is there already.
    Skipped,
}

/// Where a task stands, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Some of what it builds on is missing.
    Waiting,
    /// Given out.
    GivenOut,
    /// Its output is there, or not needed any more.
    Done,
}

#[derive(Debug)]
struct Node {
    task: Task,
    children: Vec<usize>,
    parent: Option<usize>,
    state: State,
}

/// The tasks of one block.
#[derive(Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    by_id: HashMap<TaskId, usize>,
    /// The block's task waits for this, too.
    previous: Option<TaskId>,
}

impl Graph {
    /// The tasks of a block to be proved on top of `previous`.
    pub fn new(plan: &BlockPlan, previous: Option<TaskId>) -> Self {
        let mut graph = Self { nodes: Vec::new(), by_id: HashMap::new(), previous };
        let batches: Vec<usize> = (0..plan.batches.len()).map(|batch| graph.add_batch(plan, batch)).collect();
        let all = graph.merge_batches(plan, &batches, 0);
        let work = Work::Block { batches: graph.nodes[all].task.id, previous };
        graph.add(plan, plan.scope.block(previous), work, vec![all]);
        graph
    }

    /// All segments of a batch and their merges; the last of these.
    fn add_batch(&mut self, plan: &BlockPlan, batch: usize) -> usize {
        let BlockPlan { scope, batches, .. } = plan;
        let BatchPlan { txs, segments, .. } = &batches[batch];
        let number = batch as u32;
        let leaves: Vec<usize> = (0..)
            .zip(segments)
            .map(|(index, heights)| {
                let work = SegmentWork {
                    batch: number,
                    inputs: scope.inputs(number),
                    index,
                    max_cpu_len_log: scope.max_cpu_len_log,
                    txs: (txs.start, txs.end),
                    memory_mb: machine::segment_bytes(heights).div_ceil(MB) as u32,
                };
                self.add(plan, scope.segment(number, index), Work::Segment(work), vec![])
            })
            .collect();
        match leaves[..] {
            [only] => {
                let work = Work::SegmentMerge {
                    batch: number,
                    segments: (0, 0),
                    left: self.child(only, Kind::SegmentMerge),
                    right: None,
                };
                self.add(plan, scope.segment_merge(number, (0, 0)), work, vec![only])
            }
            _ => self.merge_segments(plan, number, &leaves, 0),
        }
    }

    fn merge_segments(&mut self, plan: &BlockPlan, batch: u32, leaves: &[usize], first: u32) -> usize {
        if let [only] = leaves[..] {
            return only;
        }
        let (left, right) = leaves.split_at(cut(leaves.len()));
        let right_first = first + left.len() as u32;
        let left = self.merge_segments(plan, batch, left, first);
        let right = self.merge_segments(plan, batch, right, right_first);
        let segments = (first, first + leaves.len() as u32 - 1);
        let work = Work::SegmentMerge {
            batch,
            segments,
            left: self.child(left, Kind::SegmentMerge),
            right: Some(self.child(right, Kind::SegmentMerge)),
        };
        self.add(plan, plan.scope.segment_merge(batch, segments), work, vec![left, right])
    }

    fn merge_batches(&mut self, plan: &BlockPlan, leaves: &[usize], first: u32) -> usize {
        if let [only] = leaves[..] {
            return only;
        }
        let (left, right) = leaves.split_at(cut(leaves.len()));
        let right_first = first + left.len() as u32;
        let left = self.merge_batches(plan, left, first);
        let right = self.merge_batches(plan, right, right_first);
        let batches = (first, first + leaves.len() as u32 - 1);
        let work = Work::BatchMerge {
            batches,
            left: self.child(left, Kind::BatchMerge),
            right: self.child(right, Kind::BatchMerge),
        };
        self.add(plan, plan.scope.batch_merge(batches), work, vec![left, right])
    }

    fn child(&self, node: usize, kind: Kind) -> Child {
        let task = &self.nodes[node].task;
        Child { id: task.id, merged: task.work.kind() == kind }
    }

    fn add(&mut self, plan: &BlockPlan, id: TaskId, work: Work, children: Vec<usize>) -> usize {
        let node = self.nodes.len();
        for &child in &children {
            self.nodes[child].parent = Some(node);
        }
        let task = Task { format: FORMAT, id, circuits: plan.scope.circuits, block: plan.block, work };
        self.nodes.push(Node { task, children, parent: None, state: State::Waiting });
        self.by_id.insert(id, node);
        node
    }

    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none; there always is the block's.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All tasks, each after those it builds on.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.nodes.iter().map(|node| &node.task)
    }

    /// All tasks as [`Self::tasks`], with where they stand and the place of the task that builds on them.
    pub fn states(&self) -> impl Iterator<Item = (&Task, Standing, Option<usize>)> {
        self.nodes.iter().map(|node| {
            let standing = match node.state {
                State::Waiting => Standing::Waiting,
                State::Running => Standing::GivenOut,
                State::Done | State::Skipped => Standing::Done,
            };
            (&node.task, standing, node.parent)
        })
    }

    /// Whether the outcome of a task still matters: nothing above it is there.
    pub fn wanted(&self, id: &TaskId) -> bool {
        self.by_id.get(id).is_some_and(|&node| self.nodes[node].state == State::Waiting)
    }

    /// The output of a task is there. What it was made of is not needed any more.
    pub fn found(&mut self, id: &TaskId) {
        let Some(&node) = self.by_id.get(id) else { return };
        self.nodes[node].state = State::Done;
        let mut below = self.nodes[node].children.clone();
        while let Some(node) = below.pop() {
            if self.nodes[node].state != State::Done {
                self.nodes[node].state = State::Skipped;
            }
            below.extend(self.nodes[node].children.iter().copied());
        }
    }

    /// Another block's proof is there: the one that this block is to be proved upon, maybe.
    pub fn found_previous(&mut self, id: &TaskId) {
        if self.previous == Some(*id) {
            self.previous = None;
        }
    }

    /// Tasks that may run now and were not given out before.
    pub fn ready(&mut self) -> Vec<Task> {
        let root = self.nodes.len() - 1;
        let ready: Vec<usize> = (0..self.nodes.len())
            .filter(|&node| self.nodes[node].state == State::Waiting)
            .filter(|&node| self.nodes[node].children.iter().all(|&child| self.nodes[child].state == State::Done))
            .filter(|&node| node != root || self.previous.is_none())
            .collect();
        ready
            .into_iter()
            .map(|node| {
                self.nodes[node].state = State::Running;
                self.nodes[node].task.clone()
            })
            .collect()
    }

    /// Whether the block is proved.
    pub fn finished(&self) -> bool {
        self.nodes.last().is_some_and(|root| root.state == State::Done)
    }

    /// How many tasks of a kind there are, and how many of these need not run (any more).
    pub fn count(&self, kind: Kind) -> (usize, usize) {
        let of_kind = self.nodes.iter().filter(|node| node.task.work.kind() == kind);
        let (mut all, mut done) = (0, 0);
        for node in of_kind {
            all += 1;
            done += usize::from(matches!(node.state, State::Done | State::Skipped));
        }
        (all, done)
    }

    /// How many transactions are in batches whose segments are all proved.
    pub fn transactions_proved(&self) -> u32 {
        let mut batches: HashMap<u32, (u32, bool)> = HashMap::new();
        for node in &self.nodes {
            if let Work::Segment(SegmentWork { batch, txs, .. }) = &node.task.work {
                let done = matches!(node.state, State::Done | State::Skipped);
                batches.entry(*batch).or_insert((txs.1 - txs.0, true)).1 &= done;
            }
        }
        batches.values().filter_map(|(txs, done)| done.then_some(txs)).sum()
    }
}

/// Where a range of `len` > 1 is cut: at the largest power of two below it.
fn cut(len: usize) -> usize {
    len.next_power_of_two() / 2
}
