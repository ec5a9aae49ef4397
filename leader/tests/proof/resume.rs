//! Going on: from what a killed or interrupted run has left, and from the proof of the block before.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use ops::digest::Digest;
use ops::proof::BlockProof;
use ops::witness::Witness;
use serde_json::Value;
use testing::process::Run;
use testing::witness::root;

use crate::chain::{CHAIN, read_proof, scratch, write_json};
use crate::process::{interrupt, leader, leader_with, proved, run, verify};

/// A process that was told to stop does so within this time, on a busy machine too.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_killed_run_is_gone_on_from_and_no_finished_task_is_proved_again() {
    let runs = &CHAIN.runs;
    assert_eq!(runs[0].code, None, "the first run was killed");
    let mut times: HashMap<String, usize> = HashMap::new();
    for task in runs.iter().flat_map(proved) {
        *times.entry(task).or_default() += 1;
    }
    let again: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(again.is_empty(), "proved more than once: {again:?}");

    // Each task was proved by one of the runs. A task that was stored right before the kill has no line in the log.
    let all: usize = (0..2).map(|block| CHAIN.tasks(block).len()).sum();
    assert!(times.len() <= all && times.len() + 2 >= all, "{} of {all} tasks: {times:?}", times.len());
    assert!(!proved(&runs[0]).is_empty() && !proved(&runs[3]).is_empty());
    for run in &runs[1..] {
        assert!(reused(run) > 0, "it does not say how much it reuses:\n{}", run.stderr);
    }
    // What the last run did not reuse it has proved.
    assert_eq!(reused(&runs[3]) + proved(&runs[3]).len(), all, "{}", runs[3].stderr);
}

/// How many tasks a run says it reuses, of all its blocks. A task below one that is there counts as well.
fn reused(run: &Run) -> usize {
    let count = |line: &str| line.split_once("reusing ")?.1.split_once(" finished tasks")?.0.parse::<usize>().ok();
    run.stderr.lines().filter_map(count).sum()
}

#[test]
fn a_signal_stops_a_run_soon_with_a_word_on_how_to_go_on() {
    let word = "finished tasks are kept, the same command goes on from there";
    let [_, terminated, interrupted, _] = &CHAIN.runs;
    for run in [terminated, interrupted] {
        run.expect(130, &[word]);
        assert!(run.stdout.is_empty(), "{}", run.stdout);
        assert!(run.stopping < SOON, "{:?}", run.stopping);
    }
}

#[test]
fn a_signal_stops_the_preparation_of_circuits_too() {
    let folder = scratch();
    let mut command = leader_with(&folder.path().join("circuits"), &folder.path().join("artifacts"));
    command.arg("stdio").arg(root("witnesses/transfer.json"));
    let run = interrupt(&mut command, "Preparing circuits", "TERM");
    run.expect(130, &["finished tasks are kept"]);
    assert!(run.stopping < SOON, "{:?}", run.stopping);
}

#[test]
fn stdout_is_the_proof_array_in_one_line_and_nothing_else() {
    let chain = &*CHAIN;
    let proofs = chain.proofs.each_ref().map(|path| read_proof(path));
    // Everything is proved already: this only reads.
    let last = run(leader(&chain.artifacts).arg("stdio").arg(&chain.witness));
    last.expect(0, &["reusing its proof"]);
    assert_eq!(proved(&last), [""; 0]);
    assert_eq!(array(&last), [as_value(&proofs[1])]);
    let all = run(leader(&chain.artifacts).args(["-k", "stdio"]).arg(&chain.witness));
    assert_eq!(array(&all), proofs.each_ref().map(as_value));
    assert!(!all.stderr.contains("wires_cap"), "a proof is in the log");
}

/// The proofs that a run has printed.
#[track_caller]
fn array(run: &Run) -> Vec<Value> {
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
    assert!(run.stdout.ends_with('\n'));
    let proofs: Vec<Value> = serde_json::from_str(&run.stdout).expect("it is JSON");
    assert!(proofs.iter().all(|proof| proof["b_height"].is_u64() && proof["intern"].is_object()));
    proofs
}

fn as_value(proof: &BlockProof) -> Value {
    serde_json::to_value(proof).expect("it serializes")
}

#[test]
fn the_log_of_a_block_has_the_progress_lines_that_operators_know() {
    let log: String = CHAIN.runs.iter().map(|run| run.stderr.as_str()).collect();
    for witness in &CHAIN.blocks {
        let line = format!("Proving block {} txs_proved=", witness.number());
        let line = log.lines().rev().find(|log| log.contains(&line)).unwrap_or_else(|| panic!("no `{line}`:\n{log}"));
        let txs = witness.transactions();
        for field in [&format!("txs_proved={txs} "), &format!("total_txs={txs} "), "time_spent=", "eta="] {
            assert!(line.contains(field), "`{field}` is missing from {line}");
        }
    }
    for name in ["b_height", "wires_cap"] {
        assert!(!log.contains(name), "a proof is in the log");
    }
}

/// Proves the second block alone, on top of `previous`, in a copy of the artifact store.
fn second_block_after(previous: &Path, artifacts: &Path, output: &Path) -> Run {
    let witness = write_json(&artifacts.join("second.json"), &[&CHAIN.blocks[1]]);
    run(leader(artifacts).arg("stdio").arg("-f").arg(previous).arg(witness).arg("-o").arg(output))
}

#[test]
fn a_block_is_proved_on_top_of_a_proof_from_a_file() {
    let (artifacts, output) = (CHAIN.copy_of_artifacts(), scratch());
    let run = second_block_after(&CHAIN.proofs[0], artifacts.path(), output.path());
    run.expect(0, &["reusing "]);
    // The task of the block is another, since it builds on a proof of which only the file is known; all below is there.
    let proved = proved(&run);
    assert!(matches!(&proved[..], [only] if only.starts_with("block of ")), "{proved:?}\n{}", run.stderr);
    let expected = read_proof(&CHAIN.proofs[1]);
    let found = read_proof(&output.path().join(CHAIN.proofs[1].file_name().unwrap()));
    assert_eq!(found.first_block, expected.first_block);
    assert_eq!(found.intern.public_inputs, expected.intern.public_inputs);
    let verifier = CHAIN.verifier.display().to_string();
    let file = write_json(&artifacts.path().join("both.zkproof"), &[read_proof(&CHAIN.proofs[0]), found]);
    verify(&file, &["--allow-insecure", "--verifier-circuit", &verifier]).expect(0, &[]);
}

#[test]
fn a_previous_proof_of_another_block_profile_or_circuits_is_refused() {
    let (artifacts, output) = (scratch(), scratch());
    let (first, second) = (read_proof(&CHAIN.proofs[0]), read_proof(&CHAIN.proofs[1]));
    let changed = |change: &dyn Fn(&mut BlockProof)| {
        let mut proof = first.clone();
        change(&mut proof);
        proof.checksum = proof.expected_checksum();
        proof
    };
    let number = CHAIN.blocks[1].number();
    let of_itself = format!("it is of block {number}, and the first block of the witness is {number}");
    let cases = [
        (second, of_itself.as_str()),
        (changed(&|proof| proof.profile = "dev".to_owned()), "profile dev"),
        (changed(&|proof| proof.circuits = Digest::of_bytes(b"others")), "made with circuits"),
        (changed(&|proof| proof.intern.public_inputs[0].0 ^= 1), "the proof does not verify"),
    ];
    for (proof, word) in cases {
        let previous = write_json(&artifacts.path().join("previous.zkproof"), &[proof]);
        let run = second_block_after(&previous, artifacts.path(), output.path());
        run.expect(2, &[word, "previous.zkproof"]);
        assert_eq!(run.stderr.matches("ERROR").count(), 1, "{}", run.stderr);
        assert_eq!(std::fs::read_dir(output.path()).unwrap().count(), 0, "{word}: something was written");
    }
}

#[test]
fn blocks_out_of_order_are_refused_and_no_proof_is_written() {
    let (artifacts, output) = (CHAIN.copy_of_artifacts(), scratch());
    let [first, second] = &CHAIN.blocks;
    let follows =
        |next: &Witness, last: &Witness| format!("block {}: it follows block {}", next.number(), last.number());
    let cases = [
        ("repeated.json", [first, first], follows(first, first)),
        // Either is true: the blocks are out of order, and the first of them does not begin at its checkpoint.
        ("reversed.json", [second, first], format!("block {}", second.number())),
    ];
    for (name, blocks, says) in cases {
        let witness = write_json(&artifacts.path().join(name), &blocks);
        let file = output.path().join("proof.json");
        let run = run(leader(artifacts.path()).arg("stdio").arg(witness).arg("--output-proof-file").arg(&file));
        run.expect(2, &[&says]);
        assert!(run.stdout.is_empty(), "{name}: {}", run.stdout);
        assert_eq!(std::fs::read_dir(output.path()).unwrap().count(), 0, "{name}: something was written");
    }
}

#[test]
fn a_block_that_does_not_begin_at_its_checkpoint_is_refused_before_anything_is_proved() {
    let artifacts = scratch();
    let witness = write_json(&artifacts.path().join("second.json"), &[&CHAIN.blocks[1]]);
    let run = run(leader(artifacts.path()).arg("stdio").arg(witness));
    // What it is missing is the proof of the block before.
    run.expect(2, &[&format!("block {}", CHAIN.blocks[1].number()), "--previous-proof"]);
    assert_eq!(proved(&run), [""; 0]);
}
