//! What comes from a worker or from anybody who got hold of its password: a leader goes on whatever it says.

use std::sync::Arc;
use std::time::Duration;

use amqp::leader::{Config, Handle};
use amqp::message::{BlockState, Presence, ResultMessage, WorkerState, encode};
use amqp::session::{Outgoing, Session, publish};
use amqp::topology::{Class, HELLO, Priority, RESULTS, task_queue};
use lapin::options::{BasicAckOptions, BasicGetOptions};
use ops::digest::Digest;
use ops::queue::{Event, Outcome, Report};
use ops::task::{BlockId, Task};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::support::{Vhost, block, segment};

/// Nothing here takes longer, on a busy machine either.
const LIMIT: Duration = Duration::from_secs(60);

fn leader(vhost: &Vhost) -> Handle {
    let config = Config {
        group: "default".to_owned(),
        priority: Priority::Normal,
        circuits: Digest::of_bytes(b"circuits"),
        profile: "test".to_owned(),
        max_in_flight: 10,
        allow: None,
    };
    Handle::start(&vhost.broker, config)
}

fn status(block: BlockId) -> Arc<dyn Fn() -> BlockState + Send + Sync> {
    Arc::new(move || BlockState {
        block,
        transactions: 0,
        transactions_proved: 0,
        eta: None,
        elapsed: Duration::ZERO,
        tasks: Vec::new(),
    })
}

/// Waits for the task to be in its queue, and takes it.
async fn take(session: &Session) {
    let queue = task_queue(Class::Segment, Priority::Normal);
    let taken = async {
        loop {
            if let Some(got) =
                session.take.basic_get(queue.as_str().into(), BasicGetOptions::default()).await.expect("a queue")
            {
                break got.delivery.ack(BasicAckOptions::default()).await.expect("it is acknowledged");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, taken).await.expect("a task is given out");
}

async fn say(session: &Session, exchange: &'static str, key: &str, body: Vec<u8>) {
    let outgoing = Outgoing { exchange, key: key.to_owned(), body, id: String::new(), mandatory: true };
    publish(session.publish.clone(), outgoing).await.expect("a leader listens");
}

async fn report(session: &Session, task: &Task, block: BlockId, outcome: Option<Outcome>) {
    let (id, run, worker) = (task.id, Digest::of_bytes(b"run"), "liar".to_owned());
    let report = ResultMessage { id, task: task.digest(), block, run, worker, outcome, output: None, signature: None };
    say(session, RESULTS, "default", encode(&report)).await;
}

async fn hear(reports: &mut UnboundedReceiver<Report>) -> Report {
    tokio::time::timeout(LIMIT, reports.recv()).await.expect("it is heard").expect("the leader is there")
}

/// A word that cannot even be answered once ended the threads of a leader, and with them all its blocks.
#[test]
fn a_leader_survives_answers_to_queues_that_cannot_be() {
    let vhost = Vhost::new();
    let handle = leader(&vhost);
    let (broker, task) = (vhost.broker.clone(), segment(block(1), 0));
    vhost.run(async move {
        let mut reports = handle.listen(task.block, status(task.block));
        handle.publish(task.clone());
        let session = Session::begin(&broker, "worker").await.expect("it connects");
        // Declared by the leader, once it is there.
        let connected = async {
            while amqp::topology::declare(&session.take).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(LIMIT, connected).await.expect("the broker is there");
        take(&session).await;
        let state = WorkerState {
            name: "liar".repeat(1000),
            circuits: Digest::of_bytes(b"circuits"),
            profile: "test".to_owned(),
            classes: Vec::new(),
            slots: usize::MAX,
            draining: false,
            running: Vec::new(),
            reply_to: "q".repeat(300),
        };
        say(&session, HELLO, "", encode(&Presence::Worker(state))).await;
        for garbage in [b"".to_vec(), b"hello".to_vec(), vec![0xff; 100_000]] {
            say(&session, HELLO, "", garbage.clone()).await;
            say(&session, RESULTS, "default", garbage).await;
        }
        report(&session, &task, task.block, None).await;
        let heard = hear(&mut reports).await;
        assert!(heard.id == task.id && matches!(heard.event, Event::Started), "{heard:?}");
        handle.close().await;
        session.end().await;
    });
}

/// Times are summed up, so one that lasted for ever would overflow; a block that is not the task's must not hear of it.
#[test]
fn a_leader_takes_of_a_report_only_what_it_cannot_know_itself() {
    let vhost = Vhost::new();
    let handle = leader(&vhost);
    let broker = vhost.broker.clone();
    let tasks = [segment(block(1), 0), segment(block(2), 1)];
    vhost.run(async move {
        let mut heard = tasks.each_ref().map(|task| handle.listen(task.block, status(task.block)));
        handle.publish(tasks[0].clone());
        let session = Session::begin(&broker, "worker").await.expect("it connects");
        amqp::topology::declare(&session.take).await.expect("it is declared");
        take(&session).await;
        let done = Outcome::Done { reused: false, time: Duration::MAX };
        report(&session, &tasks[0], tasks[1].block, Some(done)).await;
        let Report { id, worker, event, .. } = hear(&mut heard[0]).await;
        assert_eq!((id, worker.as_str()), (tasks[0].id, "liar"));
        let Event::Ended(Outcome::Done { time, reused: false }) = event else { panic!("{event:?}") };
        assert!(time < Duration::from_secs(1 << 30), "{time:?}");
        assert!(heard[1].try_recv().is_err(), "another block has heard of it");
        handle.close().await;
        session.end().await;
    });
}
