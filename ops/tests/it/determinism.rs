//! Two processes give one work the same name: hash maps are in another order in each.

use std::process::Command;

use ops::digest::Digest;
use ops::task::Scope;
use ops::witness::Witness;

use crate::support::{elsewhere, read, shipped};

/// Set for the child processes.
const CHILD: &str = "OPS_TEST_PRINT_IDS";

/// Marks the lines that are compared.
const MARK: &str = "id: ";

#[test]
fn two_processes_give_the_same_ids() {
    let program = std::env::current_exe().expect("this program");
    let [first, second] = [(); 2].map(|()| {
        let arguments = ["--exact", "determinism::ids_of_one_process", "--nocapture"];
        let output = Command::new(&program).args(arguments).env(CHILD, "1").output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().filter_map(|line| Some(line.split_once(MARK)?.1.to_owned())).collect::<Vec<_>>()
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
    let texts = [Some(shipped("chain.json")), Some(shipped("transfer.json")), elsewhere("witness_b3_b6.json")];
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
