//! The chain that all scenarios share: two blocks, proved once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use leader::graph::Graph;
use ops::artifacts::Artifacts;
use ops::circuits::Circuits;
use ops::circuits::store::Store;
use ops::decode::{self, Batch};
use ops::plan::{self, BlockPlan};
use ops::profile::Profile;
use ops::proof::{self, AnyProof, BlockProof};
use ops::task::{BlockId, Scope, Task, TaskId};
use ops::witness::Witness;
use testing::process::Run;
use testing::say;
use testing::stack::{large_stacks, on_a_large_stack};
use testing::witness::{elsewhere, read, root};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::process::{interrupt, leader, run};

/// Transactions per batch, the default of `leader`.
const BATCH_SIZE: u32 = 10;

/// Two blocks and what proving them made.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The blocks.
    pub(crate) blocks: [Witness; 2],
    /// Both, as an array.
    pub(crate) witness: PathBuf,
    /// Their headers, if there are any.
    pub(crate) headers: Option<PathBuf>,
    /// The proof of each.
    pub(crate) proofs: [PathBuf; 2],
    /// Every task's output is here.
    pub(crate) artifacts: PathBuf,
    /// What `leader circuits export-verifier` wrote.
    pub(crate) verifier: PathBuf,
    /// The runs that it took: killed, terminated, interrupted, and the last, to the end.
    pub(crate) runs: [Run; 4],
}

/// Proved when first looked at. If that fails, every scenario does.
pub(crate) static CHAIN: LazyLock<Chain> = LazyLock::new(prove);

/// Circuits to prove with in this process.
pub(crate) static CIRCUITS: LazyLock<Circuits> = LazyLock::new(|| {
    LazyLock::force(&CHAIN);
    open_circuits(&circuits_dir())
});

/// The circuit store of these tests, kept from run to run.
pub(crate) fn circuits_dir() -> PathBuf {
    target_tmp().with_file_name("test-circuits")
}

/// Where tests may write: in the target folder, on the same file system as the circuits.
pub(crate) fn target_tmp() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// An empty folder that vanishes when dropped.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(target_tmp()).expect("the target folder is writable")
}

/// Held by whatever takes gigabytes: there are never more than two of these, however many tests run at once.
pub(crate) fn heavy() -> SemaphorePermit<'static> {
    static HEAVY: Semaphore = Semaphore::const_new(2);
    block_on(HEAVY.acquire()).expect("it is never closed")
}

fn prove() -> Chain {
    large_stacks();
    let folder = target_tmp().join("proof");
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("it is a folder of ours");
    }
    fs::create_dir_all(&folder).expect("the target folder is writable");
    let (blocks, headers) = find_witness();
    let witness = write_json(&folder.join("witness.json"), &blocks);
    let (artifacts, output) = (folder.join("artifacts"), folder.join("proofs"));
    run(leader(&artifacts).args(["circuits", "clean", "--stale"])).expect(0, &[]);

    let prove = || {
        let mut command = leader(&artifacts);
        command.arg("--keep-intermediate-proofs").arg("stdio").arg(&witness).arg("-o").arg(&output);
        command
    };
    say("proof: proving two blocks, which takes some minutes, and one more if circuits must be built");
    let runs = [
        interrupt(&mut prove(), "proved segment ", "KILL"),
        interrupt(&mut prove(), ": proved ", "TERM"),
        interrupt(&mut prove(), "Proving block", "INT"),
        run(&mut prove()),
    ];
    for (run, name) in runs.iter().zip(["killed", "terminated", "interrupted", "last"]) {
        fs::write(folder.join(format!("{name}.log")), &run.stderr).expect("the folder is writable");
    }
    runs[3].expect(0, &[]);
    say("proof: the two blocks are proved");

    let verifier = folder.join("verifier.bin");
    run(leader(&artifacts).args(["circuits", "export-verifier"]).arg(&verifier)).expect(0, &[]);
    let proofs = blocks.each_ref().map(|block| output.join(format!("b{}.zkproof", block.number())));
    Chain { blocks, witness, headers, proofs, artifacts, verifier, runs }
}

/// Two blocks in a row: real ones where a folder of witnesses lies beside the repository, else our own with headers.
fn find_witness() -> ([Witness; 2], Option<PathBuf>) {
    let (path, headers) = match elsewhere("witness_b3_b6.json") {
        Some(real) => (real, None),
        None => (root("witnesses/chain.json"), Some(root("witnesses/chain_header.json"))),
    };
    say(&format!("proof: the witness is {}", path.display()));
    let mut blocks = read(&fs::read_to_string(&path).expect("it is there")).expect("it is a witness");
    blocks.truncate(2);
    (blocks.try_into().expect("there are two blocks at least"), headers)
}

/// Writes a value and returns the path.
pub(crate) fn write_json(path: &Path, value: &impl serde::Serialize) -> PathBuf {
    fs::write(path, serde_json::to_vec(value).expect("it serializes")).expect("the folder is writable");
    path.to_owned()
}

/// The proof of a file, which holds one.
pub(crate) fn read_proof(path: &Path) -> BlockProof {
    let mut proofs = proof::read(path).expect("it is a proof file");
    match (proofs.pop(), proofs.is_empty()) {
        (Some(AnyProof::Known(proof)), true) => *proof,
        other => panic!("{}: {other:?}", path.display()),
    }
}

/// Circuits of a store, whose preparation wants a large stack.
pub(crate) fn open_circuits(root: &Path) -> Circuits {
    let store = Store::new(root, profile());
    let _heavy = heavy();
    on_a_large_stack(|| store.open(&|_| {}).expect("the circuits are there"))
}

/// The profile of these tests.
pub(crate) fn profile() -> Profile {
    Profile::named("test").expect("it is one of the profiles")
}

/// Waits for something of the artifact store.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there is a runtime").block_on(future)
}

impl Chain {
    /// The artifact store.
    pub(crate) fn store(&self) -> Artifacts {
        Artifacts::local(&self.artifacts).expect("it is there")
    }

    /// A copy of the artifact store for a run that changes it.
    pub(crate) fn copy_of_artifacts(&self) -> tempfile::TempDir {
        let copy = scratch();
        copy_dir(&self.artifacts, copy.path());
        copy
    }

    /// The plan of a block as `leader` made it.
    pub(crate) fn plan(&self, block: usize) -> (BlockPlan, Vec<Batch>) {
        let witness = self.blocks[block].clone();
        let scope = Scope {
            circuits: read_proof(&self.proofs[block]).circuits,
            witness: witness.digest(),
            batch_size: BATCH_SIZE,
            max_cpu_len_log: self.max_cpu_len_log(),
        };
        let id = BlockId { number: witness.number(), hash: witness.hash() };
        on_a_large_stack(|| {
            let batches = decode::decode(witness, BATCH_SIZE).expect("it decodes");
            (plan::plan(id, scope, &batches).expect("it runs"), batches)
        })
    }

    /// The tasks of a block, in the order of its graph: segments, merges, the block.
    pub(crate) fn tasks(&self, block: usize) -> Vec<Task> {
        let previous: Option<TaskId> = (block > 0).then(|| self.tasks(block - 1).last().expect("there is one").id);
        Graph::new(&self.plan(block).0, previous).tasks().cloned().collect()
    }

    /// What `leader` chose for this machine.
    pub(crate) fn max_cpu_len_log(&self) -> u8 {
        let log = &self.runs[3].stderr;
        let (_, rest) = log.split_once("max_cpu_len_log=").expect("the log says it");
        rest.split_whitespace().next().and_then(|value| value.parse().ok()).expect("it is a number")
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder is writable");
    for entry in fs::read_dir(from).expect("it is there").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("the folder is writable");
        }
    }
}
