//! A block proved by a leader and two worker processes through a real broker states what it states when proved in memory.

use std::time::Duration;

use testing::process::Process;

use crate::chain::{CHAIN, circuits_dir, heavy, read_proof, scratch, write_json};
use crate::process::{leader, proved, verify, worker};

/// A block takes a minute or two.
const PATIENCE: Duration = Duration::from_secs(3600);

#[test]
fn two_workers_prove_the_same_statement() {
    let folder = scratch();
    let node = testing::broker::Broker::start();
    let artifacts = folder.path().join("artifacts");
    let witness = write_json(&folder.path().join("witness.json"), &[&CHAIN.blocks[0]]);
    let proof = folder.path().join("proof.json");
    // Two provers at once.
    let (_heavy, _too) = (heavy(), heavy());
    let args = |name| ["--slots", "1", "--grace", "1", "--name", name];
    let mut workers = ["one", "two"].map(|name| worker(&artifacts, &node.uri(), &args(name)));

    let mut command = leader(&artifacts);
    command.args(["--runtime", "amqp", "--max-cpu-len-log", &CHAIN.max_cpu_len_log().to_string()]);
    command.arg("stdio").arg(&witness).arg("--output-proof-file").arg(&proof).env("AMQP_URI", node.uri());
    Process::start(&mut command).end(PATIENCE).expect(0, &["Proved block"]);

    let circuits = circuits_dir();
    let args = ["--allow-insecure", "--circuits-dir", circuits.to_str().expect("a path in text")];
    verify(&proof, &args).expect(0, &[]);
    let (here, there) = (read_proof(&CHAIN.proofs[0]), read_proof(&proof));
    assert_eq!(there.intern.public_inputs, here.intern.public_inputs);
    assert_eq!(there.circuits, here.circuits);

    workers.iter_mut().for_each(|worker| worker.signal("TERM"));
    let runs = workers.map(|worker| worker.end(PATIENCE));
    let shares = runs.each_ref().map(proved);
    for run in &runs {
        run.expect(0, &["drained"]);
    }
    let (all, mine) = (CHAIN.tasks(0).len(), shares.each_ref().map(Vec::len));
    assert_eq!(mine.iter().sum::<usize>(), all, "each task is proved once: {shares:?}");
    assert!(mine.iter().all(|share| *share > 0), "both work: {shares:?}");
}
