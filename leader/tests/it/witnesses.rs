//! Every witness there is, decoded and simulated at several batch and segment sizes: the roots connect from batch to
//! batch and from block to block, and end at those of the header.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Instant;

use ethereum_types::{H256, U256};
use leader::graph::Graph;
use mpt_trie::partial_trie::{HashedPartialTrie, PartialTrie};
use ops::decode::{Batch, decode};
use ops::digest::Digest;
use ops::plan::{BlockPlan, plan};
use ops::profile::{CPU, Profile};
use ops::task::{BlockId, Scope};
use ops::witness::Witness;
use testing::say;
use testing::stack::large_stacks;
use testing::witness::{Header, elsewhere, read, root};

const BATCH_SIZES: [u32; 3] = [1, 3, 10];
const MAX_CPU_LEN_LOGS: [u8; 2] = [17, 19];

/// Name and blocks of a witness file.
type File = (String, Vec<Witness>);

/// All witness files of a folder, and all headers in it by hash.
fn load(folder: &Path) -> (Vec<File>, HashMap<H256, Header>) {
    let mut witnesses = Vec::new();
    let mut headers = HashMap::new();
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).expect("a readable file");
        if name.ends_with("_header") {
            let found: Vec<Header> = serde_json::from_str(&text).expect("headers");
            headers.extend(found.into_iter().map(|header| (header.hash, header)));
        } else {
            let blocks = read(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            witnesses.push((name, blocks));
        }
    }
    (witnesses, headers)
}

fn hash(trie: &HashedPartialTrie) -> H256 {
    trie.hash()
}

/// Checks that the batches of a block follow each other; gives the state roots before and after the block.
fn check_batches(batches: &[Batch], batch_size: u32, transactions: usize, header: Option<&Header>) -> (H256, H256) {
    assert!(batches.len() >= 2, "the block circuit takes two batches at least, not {}", batches.len());
    let empty = hash(&HashedPartialTrie::default());
    let first = &batches[0].inputs;
    assert_eq!((batches[0].txs.start, first.gas_used_before), (0, U256::zero()));
    assert_eq!(hash(&first.tries.transactions_trie), empty);
    assert_eq!(hash(&first.tries.receipts_trie), empty);
    for pair in batches.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert_eq!(before.txs.end, after.txs.start);
        let (roots, tries) = (&before.inputs.trie_roots_after, &after.inputs.tries);
        assert_eq!(roots.state_root, hash(&tries.state_trie), "state between {:?} and {:?}", before.txs, after.txs);
        assert_eq!(roots.transactions_root, hash(&tries.transactions_trie), "after {:?}", before.txs);
        assert_eq!(roots.receipts_root, hash(&tries.receipts_trie), "after {:?}", before.txs);
        assert_eq!(before.inputs.gas_used_after, after.inputs.gas_used_before, "after {:?}", before.txs);
    }
    for batch in batches {
        assert!(batch.txs.len() <= batch_size as usize, "{:?}", batch.txs);
        assert_eq!(batch.txs.len(), batch.inputs.signed_txns.len());
    }
    let last = batches.last().expect("two at least");
    assert_eq!(last.txs.end as usize, transactions);
    let roots = &last.inputs.trie_roots_after;
    if let Some(header) = header {
        assert_eq!(roots.state_root, header.state_root);
        assert_eq!(roots.transactions_root, header.transactions_root);
        assert_eq!(roots.receipts_root, header.receipts_root);
        assert_eq!(last.inputs.gas_used_after, header.gas_used);
    }
    (hash(&first.tries.state_trie), roots.state_root)
}

/// Runs the batches of a block, and looks at what the plan says of them.
fn check_plan(block: &Witness, batches: &[Batch], batch_size: u32, max_cpu_len_log: u8) -> BlockPlan {
    let circuits = Digest::of_bytes(b"circuits");
    let scope = Scope { circuits, witness: block.digest(), batch_size, max_cpu_len_log };
    let plan = plan(BlockId { number: block.number(), hash: block.hash() }, scope, batches)
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(plan.batches.len(), batches.len());
    assert_eq!(plan.transactions() as usize, block.transactions());
    let largest = Profile::named("mainnet").expect("a profile");
    for (batch, planned) in batches.iter().zip(&plan.batches) {
        assert_eq!(batch.txs, planned.txs);
        let cpu: Vec<usize> = planned.segments.iter().map(|heights| heights[CPU].expect("the CPU runs")).collect();
        let (last, full) = cpu.split_last().expect("a segment at least");
        assert!(full.iter().all(|height| *height == usize::from(max_cpu_len_log)), "{cpu:?}");
        assert!(*last <= usize::from(max_cpu_len_log), "{cpu:?}");
        for heights in &planned.segments {
            largest.check(heights).unwrap_or_else(|error| panic!("{error}"));
        }
    }
    let graph = Graph::new(&plan, None);
    let ids: HashSet<_> = graph.tasks().map(|task| task.id).collect();
    assert_eq!(ids.len(), graph.len());
    plan
}

fn check_folder(folder: &Path) {
    large_stacks();
    let (witnesses, headers) = load(folder);
    assert!(!witnesses.is_empty(), "{} holds no witness", folder.display());
    let mut compared = 0;
    for (name, blocks) in &witnesses {
        let start = Instant::now();
        for batch_size in BATCH_SIZES {
            let mut before: Option<H256> = None;
            for block in blocks {
                let header = headers.get(&block.hash());
                compared += usize::from(header.is_some());
                let batches = decode(block.clone(), batch_size)
                    .unwrap_or_else(|error| panic!("{name}, block {}: {error:#}", block.number()));
                let (state_before, after) = check_batches(&batches, batch_size, block.transactions(), header);
                // The first block is to be proved without a previous proof: then it starts from the checkpoint.
                let expected = before.unwrap_or(block.other_data.checkpoint_state_trie_root);
                assert_eq!(state_before, expected, "{name}, block {}", block.number());
                before = Some(after);
                for max_cpu_len_log in MAX_CPU_LEN_LOGS {
                    check_plan(block, &batches, batch_size, max_cpu_len_log);
                }
            }
        }
        say(&format!("{name}: {} blocks in {:.1} s", blocks.len(), start.elapsed().as_secs_f32()));
    }
    assert!(compared > 0, "no block was compared with a header");
}

#[test]
fn shipped_witnesses_connect_and_run() {
    check_folder(&root("witnesses"));
}

#[test]
fn recorded_witnesses_connect_and_run() {
    if let Some(folder) = elsewhere("") {
        check_folder(&folder);
    }
}

/// Two plans of one block, decoded anew, are the same plan.
#[test]
fn planning_again_gives_the_same_tasks() {
    large_stacks();
    let (witnesses, _) = load(&root("witnesses"));
    for (name, blocks) in witnesses {
        for block in &blocks {
            let [first, second] = [(); 2].map(|()| {
                let batches = decode(block.clone(), 3).expect("it decodes");
                let plan = check_plan(block, &batches, 3, 12);
                Graph::new(&plan, None).tasks().cloned().collect::<Vec<_>>()
            });
            assert!(first.len() > 6, "{name}: not cut into segments");
            assert_eq!(first, second, "{name}");
        }
    }
}
