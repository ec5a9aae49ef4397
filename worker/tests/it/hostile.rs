//! Tasks that no leader has made: a worker goes on, and proves what a leader wants afterwards.

use amqp::message::{TaskMessage, encode};
use amqp::session::Outgoing;
use amqp::topology::{Class, Priority, TASKS, task_queue};
use ops::digest::Digest;
use ops::task::{BlockId, FORMAT, Task, Work};
use testing::process::{Process, run};

use crate::support::{OK, SOON, leader, mock_block, say, vhost, worker};

/// A report to a group whose name cannot be one once ended the threads of a worker.
#[test]
fn a_worker_survives_tasks_that_nobody_can_have_made() {
    let home = worker();
    let (_, address) = vhost();
    let mut working = Process::start(home.command("--mock-prover constant:1").env("AMQP_URI", &address));
    let status = || run(leader(&home, "queue status").env("AMQP_URI", &address), "").stdout;
    status();
    working.wait_for("connected", SOON);
    let key = task_queue(Class::Merge, Priority::High);
    let (long, above) = ("g".repeat(300), "../../nowhere".to_owned());
    // Of a run that nobody has begun, and of one whose workers have vanished too often.
    let groups = [(long.clone(), 0), (above, 0), (String::new(), 0), (long, u32::MAX)];
    for (number, (group, lost)) in groups.into_iter().enumerate() {
        let id = Digest::of("task", &number);
        let block = BlockId { number: number as u64, hash: [1; 32].into() };
        let work = Work::Block { batches: id, previous: None };
        let task = Task { format: FORMAT, id, circuits: ops::mock::digest(), block, work };
        let (run, class, priority) = (id, Class::Merge, Priority::High);
        let failures = u32::MAX;
        let message = TaskMessage { task, run, group, class, priority, failures, lost, sent: u64::MAX };
        let (body, id) = (encode(&message), String::new());
        say(&address, Outgoing { exchange: TASKS, key: key.clone(), body, id, mandatory: true });
    }
    say(&address, Outgoing { exchange: TASKS, key, body: vec![0xff; 1 << 20], id: String::new(), mandatory: true });
    working.wait_for("to the dead letters", SOON);
    run(leader(&home, &mock_block()).env("AMQP_URI", &address), "").expect(OK, &["MOCK, not proved: block 1"]);
    assert!(status().contains("workers: 1"));
    working.signal("TERM");
    let worked = working.end(SOON);
    worked.expect(OK, &["nobody takes a message", "drained"]);
    assert!(!worked.stderr.contains("panic"), "{}", worked.stderr);
}
