//! Two processes give one work the same name: hash maps are in another order in each.

use ops::digest::Digest;
use ops::task::Scope;
use ops::witness::Witness;
use testing::process::{run, this_test};
use testing::witness::{read, shipped};

use crate::support::recorded;

/// Set for the child processes.
const CHILD: &str = "OPS_TEST_PRINT_IDS";

/// Marks the lines that are compared.
const MARK: &str = "id: ";

#[test]
fn two_processes_give_the_same_ids() {
    let home = tempfile::tempdir().expect("a folder");
    let [first, second] = [(); 2].map(|()| {
        let mut child = this_test("determinism::ids_of_one_process", home.path());
        let run = run(child.env(CHILD, "1"), "");
        run.succeeds("a child");
        run.stdout.lines().filter_map(|line| Some(line.split_once(MARK)?.1.to_owned())).collect::<Vec<_>>()
    });
    assert!(first.len() >= 3 * 4, "{first:?}");
    assert_eq!(first, second);
}

/// The child; on its own it shows nothing.
#[test]
#[expect(clippy::print_stdout, reason = "it is what the parent reads")]
fn ids_of_one_process() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let texts = [Some(shipped("chain.json")), Some(shipped("transfer.json")), recorded()];
    for block in texts.into_iter().flatten().flat_map(|text| read(&text).expect("a witness")) {
        for id in ids(&block) {
            println!("\n{MARK}{id}");
        }
    }
}

fn ids(block: &Witness) -> [Digest; 4] {
    let circuits = Digest::of_bytes(b"circuits");
    let scope = Scope { circuits, witness: block.digest(), batch_size: 10, max_cpu_len_log: 17 };
    [block.digest(), scope.inputs(0), scope.segment(0, 0), scope.block(None)]
}
