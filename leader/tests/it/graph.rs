//! The graph of a block's tasks, for every number of batches and many numbers of segments, finished in any order.

use std::collections::{HashMap, HashSet};

use ethereum_types::H256;
use evm_arithmetization::NUM_TABLES;
use fastrand::Rng;
use leader::dispatch::{self, Trust};
use leader::graph::Graph;
use ops::artifacts::Artifacts;
use ops::digest::Digest;
use ops::machine::{MB, segment_bytes};
use ops::plan::{BatchPlan, BlockPlan};
use ops::task::{BlockId, Child, FORMAT, Kind, Scope, Task, TaskId, Work};
use testing::folder::files;
use testing::proof::hollow_proof;

const MOST: u32 = 9;

/// A block with so many segments in each batch; three transactions in each.
fn block(segments: &[u32]) -> BlockPlan {
    let scope = Scope {
        circuits: Digest::of_bytes(b"circuits"),
        witness: Digest::of("witness", segments),
        batch_size: 3,
        max_cpu_len_log: 17,
    };
    let batch = |(index, segments): (u32, &u32)| BatchPlan {
        txs: 3 * index..3 * index + 3,
        segments: (0..*segments).map(|segment| [Some(10 + segment as usize); NUM_TABLES]).collect(),
        statements: Vec::new(),
    };
    let id = BlockId { number: 7, hash: H256::repeat_byte(7) };
    BlockPlan { block: id, scope, batches: (0..).zip(segments).map(batch).collect() }
}

/// Blocks of every number of batches; all alike, and mixed.
fn shapes() -> Vec<Vec<u32>> {
    let mut rng = Rng::with_seed(1);
    let mut shapes = Vec::new();
    for batches in 1..=MOST as usize {
        shapes.extend((1..=MOST).map(|segments| vec![segments; batches]));
        shapes.extend((0..10).map(|_| (0..batches).map(|_| rng.u32(1..=MOST)).collect::<Vec<_>>()));
    }
    shapes
}

/// What a task builds on.
fn below(task: &Task) -> Vec<TaskId> {
    match &task.work {
        Work::Segment(_) => vec![],
        Work::SegmentMerge { left, right, .. } => {
            [Some(left), right.as_ref()].into_iter().flatten().map(|c| c.id).collect()
        }
        Work::BatchMerge { left, right, .. } => vec![left.id, right.id],
        Work::Block { batches, .. } => vec![*batches],
    }
}

fn by_id(graph: &Graph) -> HashMap<TaskId, Task> {
    graph.tasks().map(|task| (task.id, task.clone())).collect()
}

/// A task and everything that it builds on, directly or not.
fn subtree(tasks: &HashMap<TaskId, Task>, root: TaskId) -> HashSet<TaskId> {
    let mut found = HashSet::from([root]);
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        for child in below(&tasks[&id]) {
            assert!(found.insert(child), "a task has two parents");
            open.push(child);
        }
    }
    found
}

fn root_of(graph: &Graph) -> TaskId {
    graph.tasks().last().expect("a graph is never empty").id
}

/// Finishes tasks in random order until the block is proved; the ids in the order in which they were given out.
fn run(graph: &mut Graph, rng: &mut Rng) -> Vec<TaskId> {
    let mut given = Vec::new();
    let mut running = Vec::new();
    loop {
        for task in graph.ready() {
            given.push(task.id);
            running.push(task);
        }
        assert!(graph.ready().is_empty(), "asked again at once, it has something new");
        if running.is_empty() {
            return given;
        }
        let done = running.swap_remove(rng.usize(..running.len()));
        graph.found(&done.id);
    }
}

/// First and last of what a task covers, with the batch for segments, checked against what it is made of.
struct Tree<'a> {
    plan: &'a BlockPlan,
    tasks: HashMap<TaskId, Task>,
}

impl Tree<'_> {
    fn segments(&self, child: &Child, batch: u32) -> (u32, u32) {
        let task = &self.tasks[&child.id];
        match &task.work {
            Work::Segment(segment) => {
                assert!(!child.merged);
                assert_eq!(segment.batch, batch);
                assert_eq!(task.id, self.plan.scope.segment(batch, segment.index));
                assert_eq!(segment.inputs, self.plan.scope.inputs(batch));
                assert_eq!(segment.max_cpu_len_log, self.plan.scope.max_cpu_len_log);
                assert_eq!(segment.txs, (3 * batch, 3 * batch + 3));
                let heights = &self.plan.batches[batch as usize].segments[segment.index as usize];
                assert_eq!(u64::from(segment.memory_mb), segment_bytes(heights).div_ceil(MB));
                (segment.index, segment.index)
            }
            Work::SegmentMerge { batch: of, segments, left, right } => {
                assert!(child.merged);
                assert_eq!(*of, batch);
                assert_eq!(task.id, self.plan.scope.segment_merge(batch, *segments));
                let left = self.segments(left, batch);
                let covered = match right {
                    Some(right) => {
                        let right = self.segments(right, batch);
                        assert_eq!(left.1 + 1, right.0, "segments {left:?} and {right:?} are no neighbours");
                        (left.0, right.1)
                    }
                    None => {
                        assert_eq!(self.plan.batches[batch as usize].segments.len(), 1, "merged with nothing");
                        left
                    }
                };
                assert_eq!(covered, *segments);
                covered
            }
            other => panic!("a segment merge takes {other:?}"),
        }
    }

    fn batches(&self, child: &Child) -> (u32, u32) {
        let task = &self.tasks[&child.id];
        match &task.work {
            Work::SegmentMerge { batch, .. } => {
                assert!(!child.merged);
                let all = self.plan.batches[*batch as usize].segments.len() as u32;
                assert_eq!(self.segments(&Child { merged: true, ..*child }, *batch), (0, all - 1));
                (*batch, *batch)
            }
            Work::BatchMerge { batches, left, right } => {
                assert!(child.merged);
                assert_eq!(task.id, self.plan.scope.batch_merge(*batches));
                let (left, right) = (self.batches(left), self.batches(right));
                assert_eq!(left.1 + 1, right.0, "batches {left:?} and {right:?} are no neighbours");
                assert_eq!((left.0, right.1), *batches);
                *batches
            }
            other => panic!("a batch merge takes {other:?}"),
        }
    }
}

#[test]
fn merges_are_of_neighbours_and_the_last_task_is_the_block() {
    for shape in shapes() {
        let plan = block(&shape);
        let graph = Graph::new(&plan, None);
        let tree = Tree { plan: &plan, tasks: by_id(&graph) };
        assert_eq!(tree.tasks.len(), graph.len(), "{shape:?}: two tasks with one id");
        let root = &tree.tasks[&root_of(&graph)];
        let Work::Block { batches, previous: None } = root.work else { panic!("{shape:?}: {root:?}") };
        assert_eq!(root.id, plan.scope.block(None));
        let merged = tree.tasks[&batches].work.kind() == Kind::BatchMerge;
        assert_eq!(tree.batches(&Child { id: batches, merged }), (0, shape.len() as u32 - 1), "{shape:?}");
        // Nothing beside the tree.
        assert_eq!(subtree(&tree.tasks, root.id).len(), graph.len(), "{shape:?}");

        let segments: usize = shape.iter().sum::<u32>() as usize;
        let segment_merges = shape.iter().map(|segments| (*segments as usize - 1).max(1)).sum();
        let expected = [
            (Kind::Segment, segments),
            (Kind::SegmentMerge, segment_merges),
            (Kind::BatchMerge, shape.len() - 1),
            (Kind::Block, 1),
        ];
        for (kind, count) in expected {
            assert_eq!(graph.count(kind), (count, 0), "{shape:?}: {kind:?}");
        }
        assert_eq!(plan.segments(), segments);
        for task in graph.tasks() {
            assert_eq!((task.format, task.circuits, task.block), (FORMAT, plan.scope.circuits, plan.block));
        }
    }
}

#[test]
fn a_batch_of_one_segment_has_one_merge_with_nothing() {
    for shape in shapes() {
        let graph = Graph::new(&block(&shape), None);
        for (batch, segments) in (0..).zip(&shape) {
            let merges: Vec<_> = graph
                .tasks()
                .filter_map(|task| match &task.work {
                    Work::SegmentMerge { batch: of, right, .. } if *of == batch => Some(right.is_some()),
                    _ => None,
                })
                .collect();
            match segments {
                1 => assert_eq!(merges, [false], "{shape:?}"),
                _ => assert_eq!(merges, vec![true; *segments as usize - 1], "{shape:?}"),
            }
        }
    }
}

/// A range is cut at the largest power of two, so a range that grows keeps its merges.
#[test]
fn aligned_neighbours_merge() {
    let merges = |segments: u32| -> HashSet<(u32, u32)> {
        let graph = Graph::new(&block(&[segments, 1]), None);
        let of_first = |task: &Task| match &task.work {
            Work::SegmentMerge { batch: 0, segments, .. } => Some(*segments),
            _ => None,
        };
        graph.tasks().filter_map(of_first).collect()
    };
    assert_eq!(merges(4), HashSet::from([(0, 1), (2, 3), (0, 3)]));
    assert_eq!(merges(5), HashSet::from([(0, 1), (2, 3), (0, 3), (0, 4)]));
    assert_eq!(merges(7), HashSet::from([(0, 1), (2, 3), (0, 3), (4, 5), (4, 6), (0, 6)]));
    assert_eq!(merges(8), HashSet::from([(0, 1), (2, 3), (0, 3), (4, 5), (6, 7), (4, 7), (0, 7)]));
}

#[test]
fn two_builds_are_the_same() {
    for shape in shapes() {
        let (plan, previous) = (block(&shape), Some(Digest::of_bytes(b"previous")));
        let [first, second] = [(); 2].map(|()| Graph::new(&plan, previous).tasks().cloned().collect::<Vec<_>>());
        assert_eq!(first, second);
        // What is below the block does not depend on what it is proved upon.
        let alone: Vec<Task> = Graph::new(&plan, None).tasks().cloned().collect();
        let (block, rest) = first.split_last().expect("a graph is never empty");
        assert_eq!(alone[..alone.len() - 1], *rest);
        assert_ne!(alone[rest.len()].id, block.id);
    }
}

#[test]
fn every_task_is_given_out_once_and_after_what_it_builds_on() {
    for (seed, shape) in (0..).zip(shapes()) {
        let plan = block(&shape);
        let mut graph = Graph::new(&plan, None);
        let tasks = by_id(&graph);
        let mut rng = Rng::with_seed(seed);
        let mut running: Vec<Task> = Vec::new();
        let mut given = HashSet::new();
        let mut done = HashSet::new();
        while !graph.finished() {
            for task in graph.ready() {
                assert!(given.insert(task.id), "{shape:?}: {task:?} was given out twice");
                assert!(below(&task).iter().all(|child| done.contains(child)), "{shape:?}: {task:?} is too early");
                running.push(task);
            }
            // As many as can, and no barrier: whatever has all that it builds on is out.
            let possible = tasks.values().filter(|task| below(task).iter().all(|child| done.contains(child)));
            assert_eq!(possible.count(), given.len(), "{shape:?}: a task that could run is kept back");
            assert!(!running.is_empty(), "{shape:?}: stuck");
            let finished = running.swap_remove(rng.usize(..running.len()));
            assert!(graph.tasks().any(|task| task.id == finished.id));
            graph.found(&finished.id);
            // The word may come twice.
            graph.found(&finished.id);
            done.insert(finished.id);
            let counted: usize = Kind::ALL.iter().map(|kind| graph.count(*kind).1).sum();
            assert_eq!(counted, done.len(), "{shape:?}");
        }
        assert_eq!(given.len(), graph.len(), "{shape:?}");
        assert_eq!(done.len(), graph.len(), "{shape:?}");
        assert_eq!(graph.transactions_proved(), plan.transactions());
        assert!(graph.ready().is_empty());
    }
}

#[test]
fn transactions_count_when_their_batch_is_proved() {
    let mut graph = Graph::new(&block(&[2, 1]), None);
    let scope = block(&[2, 1]).scope;
    graph.ready();
    let steps = [(scope.segment(0, 1), 0), (scope.segment(1, 0), 3), (scope.segment(0, 0), 6)];
    for (id, transactions) in steps {
        graph.found(&id);
        assert_eq!(graph.transactions_proved(), transactions);
    }
}

/// Whatever is found when nothing has run yet: it and all below it is not run, everything else is.
#[test]
fn what_is_below_something_found_is_not_run() {
    for (seed, shape) in (0..).zip(shapes()) {
        let mut rng = Rng::with_seed(seed);
        let plan = block(&shape);
        let tasks = by_id(&Graph::new(&plan, None));
        let ids: Vec<TaskId> = tasks.keys().copied().collect();
        for picks in [1, 1, 2, 5] {
            let mut graph = Graph::new(&plan, None);
            let mut skipped = HashSet::new();
            for _ in 0..picks {
                let pick = ids[rng.usize(..ids.len())];
                graph.found(&pick);
                skipped.extend(subtree(&tasks, pick));
            }
            assert!(skipped.iter().all(|id| !graph.wanted(id)), "{shape:?}");
            let counted: usize = Kind::ALL.iter().map(|kind| graph.count(*kind).1).sum();
            assert_eq!(counted, skipped.len(), "{shape:?}");
            let given = run(&mut graph, &mut rng);
            assert!(graph.finished(), "{shape:?}");
            assert_eq!(given.len() + skipped.len(), graph.len(), "{shape:?}");
            assert!(given.iter().all(|id| !skipped.contains(id)), "{shape:?}");
        }
    }
}

#[test]
fn a_block_that_is_found_is_finished() {
    for shape in shapes() {
        let plan = block(&shape);
        for previous in [None, Some(Digest::of_bytes(b"previous"))] {
            let mut graph = Graph::new(&plan, previous);
            let root = root_of(&graph);
            graph.found(&root);
            assert!(graph.finished() && graph.ready().is_empty(), "{shape:?}");
            assert_eq!(graph.transactions_proved(), plan.transactions());
        }
    }
}

/// A task whose parent is found while it runs: its word comes late, and changes nothing.
#[test]
fn a_late_word_changes_nothing() {
    let plan = block(&[4, 2]);
    let mut graph = Graph::new(&plan, None);
    let running = graph.ready();
    graph.found(&plan.scope.segment_merge(0, (0, 3)));
    for task in running {
        graph.found(&task.id);
    }
    graph.found(&Digest::of_bytes(b"a task of nobody"));
    let next: Vec<TaskId> = graph.ready().iter().map(|task| task.id).collect();
    assert_eq!(next, [plan.scope.segment_merge(1, (0, 1))]);
    assert!(!graph.wanted(&Digest::of_bytes(b"a task of nobody")));
}

#[test]
fn the_block_waits_for_the_one_before() {
    let previous = Digest::of_bytes(b"previous");
    for (seed, shape) in (0..).zip(shapes()) {
        let mut rng = Rng::with_seed(seed);
        let mut graph = Graph::new(&block(&shape), Some(previous));
        let root = root_of(&graph);
        let given = run(&mut graph, &mut rng);
        assert_eq!(given.len(), graph.len() - 1, "{shape:?}: everything but the block");
        assert!(!graph.finished() && !given.contains(&root));
        graph.found_previous(&Digest::of_bytes(b"another block"));
        assert!(graph.ready().is_empty(), "{shape:?}: released by another block");
        graph.found_previous(&previous);
        let ready = graph.ready();
        assert_eq!(ready.len(), 1);
        assert!(matches!(&ready[0].work, Work::Block { previous: Some(id), .. } if *id == previous), "{ready:?}");
        graph.found(&root);
        assert!(graph.finished());
    }
}

/// The block before may be there first.
#[test]
fn the_block_before_may_come_at_any_time() {
    let previous = Digest::of_bytes(b"previous");
    let mut graph = Graph::new(&block(&[3, 2]), Some(previous));
    graph.found_previous(&previous);
    let given = run(&mut graph, &mut Rng::with_seed(5));
    assert!(graph.finished());
    assert_eq!(given.len(), graph.len());
    assert_eq!(given.last(), Some(&root_of(&graph)));
}

/// What a former run left in the artifact store is not run again, and what is damaged there is.
#[tokio::test]
async fn a_restart_goes_on_from_what_is_stored() {
    let mut rng = Rng::with_seed(3);
    for shape in [vec![1, 1], vec![3, 1, 4], vec![9, 9, 9, 9, 9]] {
        let folder = tempfile::tempdir().expect("a folder");
        let artifacts = Artifacts::local(folder.path()).expect("a store");
        let plan = block(&shape);
        let mut graph = Graph::new(&plan, None);
        let tasks = by_id(&graph);
        assert_eq!(dispatch::resume(&mut graph, &plan, &artifacts, &Trust::Own).await.expect("it looks"), 0);

        let ids: Vec<TaskId> = graph.tasks().map(|task| task.id).filter(|id| *id != root_of(&graph)).collect();
        let stored: Vec<TaskId> = (0..3).map(|_| ids[rng.usize(..ids.len())]).collect();
        let mut skipped = HashSet::new();
        for id in &stored {
            artifacts.put_output(id, &hollow_proof()).await.expect("it is put");
            skipped.extend(subtree(&tasks, *id));
        }
        assert_eq!(
            dispatch::resume(&mut graph, &plan, &artifacts, &Trust::Own).await.expect("it looks"),
            skipped.len(),
            "{shape:?}"
        );
        let given = run(&mut graph, &mut rng);
        assert_eq!(given.len(), graph.len() - skipped.len(), "{shape:?}");
        assert!(given.iter().all(|id| !skipped.contains(id)), "{shape:?}");

        damage(folder.path());
        let mut again = Graph::new(&plan, None);
        assert_eq!(
            dispatch::resume(&mut again, &plan, &artifacts, &Trust::Own).await.expect("it looks"),
            0,
            "{shape:?}"
        );
        assert_eq!(run(&mut again, &mut rng).len(), again.len(), "{shape:?}");
    }
}

/// Cuts the last byte off every file.
fn damage(folder: &std::path::Path) {
    for path in files(folder) {
        let bytes = std::fs::read(&path).expect("a file");
        std::fs::write(&path, &bytes[..bytes.len() - 1]).expect("it is cut");
    }
}
