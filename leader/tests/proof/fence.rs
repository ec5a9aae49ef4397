//! Workers that lie: what is no proof is never built upon, and who returns it is sent away.

use std::time::Duration;

use amqp::connect::{Broker, BrokerArgs};
use amqp::message::{Control, ResultMessage, TaskMessage, decode, encode};
use amqp::session::{Outgoing, Session, publish};
use amqp::topology::{CONTROL, Class, RESULTS, declare_own, task_queues};
use evm_arithmetization::ProofWithPublicValues;
use futures_util::StreamExt;
use lapin::Consumer;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicGetOptions};
use lapin::types::FieldTable;
use ops::artifacts::Artifacts;
use ops::circuits::verifier::Verifier;
use ops::queue::Outcome;
use ops::task::{Kind, SegmentWork, Task, TaskId, Work};
use testing::process::Process;

use crate::chain::{CHAIN, block_on, circuits_dir, scratch, write_json};
use crate::process::{leader, verify};

/// Nothing here is proved, so nothing takes longer.
const LIMIT: Duration = Duration::from_secs(120);

fn output(id: &TaskId) -> ProofWithPublicValues {
    block_on(CHAIN.store().output(id)).expect("it is readable").expect("it is kept")
}

/// A task of a block by its kind, and its proof.
fn proved(block: usize, kind: Kind) -> (Task, ProofWithPublicValues) {
    let task = CHAIN.tasks(block).into_iter().find(|task| task.work.kind() == kind).expect("every block has each kind");
    let proof = output(&task.id);
    (task, proof)
}

/// States something else, of a block or of a part of one.
fn altered(mut proof: ProofWithPublicValues) -> ProofWithPublicValues {
    proof.public_values.extra_block_data.gas_used_after += 1.into();
    proof
}

#[test]
fn every_output_is_checked_for_what_it_is_and_states() {
    let verifier = Verifier::read(&CHAIN.verifier).expect("a verifier file");
    for block in [0, 1] {
        let (plan, _) = CHAIN.plan(block);
        for task in CHAIN.tasks(block) {
            let kind = task.work.kind();
            let wanted = plan.statement(&task.work).expect("it is a task of the plan");
            let check = |proof: &ProofWithPublicValues| verifier.check_output(kind, &wanted, proof);
            let proof = output(&task.id);
            check(&proof).unwrap_or_else(|reason| panic!("{kind:?}: {reason}"));

            for other in Kind::ALL.into_iter().filter(|other| *other != kind) {
                let (_, proof) = proved(block, other);
                check(&proof).expect_err(&format!("a {} as {}", other.name(), kind.name()));
            }
            // The proof itself is good; what lies beside it is what others build on.
            let reason = check(&altered(proof.clone())).expect_err(kind.name());
            assert!(reason.contains("public values"), "{kind:?}: {reason}");
            let (_, of_another_block) = proved(1 - block, kind);
            let borrowed = ProofWithPublicValues { intern: of_another_block.intern, ..proof.clone() };
            check(&borrowed).expect_err("the proof of something else");
            let mut changed = proof.clone();
            let input = changed.intern.public_inputs.first_mut().expect("there are public inputs");
            *input += plonky2::field::types::Field::ONE;
            check(&changed).expect_err("another public input");
            let mut torn = proof;
            torn.intern.public_inputs.pop();
            check(&torn).expect_err("one public input less");
        }
    }
}

/// A proof may be valid, of the right kind, and of another task: of another block, of another batch, of a part of what
/// it should cover.
#[test]
fn a_valid_proof_of_another_task_is_not_taken() {
    let verifier = Verifier::read(&CHAIN.verifier).expect("a verifier file");
    let tasks: Vec<(usize, Task)> =
        [0, 1].into_iter().flat_map(|block| CHAIN.tasks(block).into_iter().map(move |task| (block, task))).collect();
    let plans = [0, 1].map(|block| CHAIN.plan(block).0);
    let mut refused = 0;
    for (block, task) in &tasks {
        let kind = task.work.kind();
        let wanted = plans[*block].statement(&task.work).expect("it is a task of the plan");
        for (_, other) in tasks.iter().filter(|(_, other)| other.work.kind() == kind && other.id != task.id) {
            let name = format!(
                "{} of block {} as {} of block {}",
                other.work, other.block.number, task.work, task.block.number
            );
            let reason = verifier.check_output(kind, &wanted, &output(&other.id)).expect_err(&name);
            assert!(reason.contains("a proof of another task"), "{name}: {reason}");
            refused += 1;
        }
    }
    // Two blocks of two batches at least.
    assert!(refused >= 4 * 3 + 4 * 3 + 2 + 2, "{refused}");
}

/// Somebody at the broker who says that it is a worker.
struct Somebody {
    session: Session,
    control: Consumer,
    store: Artifacts,
}

impl Somebody {
    async fn connect(broker: &Broker, store: Artifacts) -> Self {
        let session = Session::begin(broker, "somebody").await.expect("it connects");
        let own = declare_own(&session.take, "worker", &[CONTROL]).await.expect("it is declared");
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let control = session.take.basic_consume(own, "".into(), options, FieldTable::default()).await;
        Self { session, control: control.expect("it listens"), store }
    }

    /// The next task, acknowledged, unless the leader ends.
    async fn take(&self, ended: &mut impl FnMut() -> bool) -> Option<TaskMessage> {
        while !ended() {
            for queue in task_queues(&Class::ALL) {
                let got = self.session.take.basic_get(queue.as_str().into(), BasicGetOptions::default()).await;
                let Some(got) = got.expect("the queue is there") else { continue };
                got.delivery.ack(BasicAckOptions::default()).await.expect("it is acknowledged");
                return Some(decode(&got.delivery.data).expect("a task"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// Stores an output and says that it is the one.
    async fn answer(&self, worker: &str, message: &TaskMessage, output: &ProofWithPublicValues) {
        let TaskMessage { task: Task { id, block, .. }, run, group, .. } = message;
        self.store.put_output(id, output).await.expect("it is stored");
        let outcome = Some(Outcome::Done { reused: false, time: Duration::from_secs(1) });
        let (worker, output, signature) = (worker.to_owned(), None, None);
        let report = ResultMessage {
            id: *id,
            task: message.task.digest(),
            block: *block,
            run: *run,
            worker,
            outcome,
            output,
            signature,
        };
        let (key, body, id) = (group.clone(), encode(&report), id.to_string());
        let report = Outgoing { exchange: RESULTS, key, body, id, mandatory: true };
        publish(self.session.publish.clone(), report).await.expect("the leader listens");
    }

    /// The next worker that is sent away, and why.
    async fn fenced(&mut self) -> (String, String) {
        let heard = async {
            loop {
                let word = self.control.next().await.expect("it listens").expect("it is connected");
                if let Ok(Control::Fence { worker, reason }) = decode(&word.data) {
                    return (worker, reason);
                }
            }
        };
        tokio::time::timeout(LIMIT, heard).await.expect("somebody is fenced")
    }
}

/// What a liar returns for a task: of every kind something else that is not its proof.
fn lie(task: &Task) -> ProofWithPublicValues {
    match task.work.kind() {
        Kind::Segment => proved(1, Kind::Segment).1,
        Kind::SegmentMerge => proved(0, Kind::Segment).1,
        Kind::BatchMerge => proved(0, Kind::SegmentMerge).1,
        Kind::Block => altered(output(&task.id)),
    }
}

/// What somebody may ask for under the name of a segment.
fn other_work(task: &Task) -> Work {
    match &task.work {
        Work::Segment(segment) => Work::Segment(SegmentWork { index: segment.index + 1, ..segment.clone() }),
        other => panic!("{other} is given out first"),
    }
}

/// For a task of each kind a liar is first: it is fenced, and the task is given out again. The block is proved by whoever
/// does not lie. One that was asked for something else under the task's name is no liar.
#[test]
fn liars_are_fenced_and_their_tasks_given_out_again() {
    let folder = scratch();
    let node = testing::broker::Broker::start();
    let artifacts = folder.path().join("artifacts");
    let witness = write_json(&folder.path().join("witness.json"), &[&CHAIN.blocks[0]]);
    let proof = folder.path().join("proof.json");
    let mut command = leader(&artifacts);
    command.args(["--runtime", "amqp", "--max-cpu-len-log", &CHAIN.max_cpu_len_log().to_string()]);
    command.arg("stdio").arg(&witness).arg("--output-proof-file").arg(&proof).env("AMQP_URI", node.uri());
    let process = Process::start(&mut command);
    process.wait_for("connected", LIMIT);

    let args = BrokerArgs {
        amqp_uri: node.uri().parse().ok(),
        amqp_username_file: None,
        amqp_password_file: None,
        amqp_ca_file: None,
        amqp_cert_file: None,
        amqp_key_file: None,
    };
    let broker = Broker::new(&args).expect("an address");
    let store = Artifacts::local(&artifacts).expect("a store");
    let written = proof.clone();
    let mut ended = move || written.exists();
    let threads = broker.threads();
    let worked = threads.spawn(async move {
        let mut somebody = Somebody::connect(&broker, store).await;
        let (mut lied, mut forged) = (Vec::new(), false);
        while let Some(message) = somebody.take(&mut ended).await {
            let kind = message.task.work.kind();
            let task = message.task.clone();
            if !forged {
                forged = true;
                let other = TaskMessage { task: Task { work: other_work(&task), ..task.clone() }, ..message.clone() };
                let lie = tokio::task::block_in_place(|| lie(&task));
                somebody.answer("honest", &other, &lie).await;
                continue;
            }
            if !lied.contains(&kind) {
                lied.push(kind);
                let (liar, lie) = (format!("liar {}", kind.name()), tokio::task::block_in_place(|| lie(&task)));
                somebody.answer(&liar, &message, &lie).await;
                let (worker, reason) = somebody.fenced().await;
                assert_eq!(worker, liar);
                let named = [format!("{} of block {}", task.work, task.block.number), "is not its proof".to_owned()];
                assert!(named.iter().all(|part| reason.contains(part)), "{reason}");
                // What it says now is not heard, even if it were true.
                let truth = tokio::task::block_in_place(|| output(&task.id));
                somebody.answer(&liar, &message, &truth).await;
                somebody.store.remove_output(&task.id).await.expect("it is removed");
                continue;
            }
            let truth = tokio::task::block_in_place(|| output(&task.id));
            somebody.answer("honest", &message, &truth).await;
        }
        somebody.session.end().await;
        lied
    });
    let lied = threads.block_on(async { tokio::time::timeout(5 * LIMIT, worked).await });
    let lied = lied.expect("the block is proved").expect("it does not panic");
    assert_eq!(lied.len(), Kind::ALL.len(), "{lied:?}");
    let run = process.end(LIMIT);
    let forged = "that of a task which somebody else has given out under its name, giving it out again";
    run.expect(0, &["fencing a worker", "not heard: this worker is fenced", forged, "Proved block"]);
    assert_eq!(run.stderr.matches("fencing a worker").count(), Kind::ALL.len(), "{}", run.stderr);
    let circuits = circuits_dir();
    let args = ["--allow-insecure", "--circuits-dir", circuits.to_str().expect("a path in text")];
    verify(&proof, &args).expect(0, &[]);
}
