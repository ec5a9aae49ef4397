//! The queue in memory: order, redelivery, dead letters, cancelling, closing, and many takers at once.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ethereum_types::H256;
use ops::digest::Digest;
use ops::queue::memory::Queue;
use ops::queue::{Cause, Delivery, Event, MAX_DELIVERIES, Outcome, Report, Tasks};
use ops::task::{BlockId, Child, FORMAT, Kind, SegmentWork, Task, TaskId, Work};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

/// Nothing here takes longer, unless something is stuck.
const LONG: Duration = Duration::from_secs(10);

fn block(number: u64) -> BlockId {
    BlockId { number, hash: H256::from_low_u64_be(number) }
}

/// A task of a kind; `index` tells those of one kind apart.
pub(crate) fn task(block: BlockId, kind: Kind, index: u32) -> Task {
    let digest = |what: &str| Digest::of(what, &(block, kind, index));
    let child = Child { id: digest("child"), merged: false };
    let work = match kind {
        Kind::Segment => Work::Segment(SegmentWork {
            batch: 0,
            inputs: digest("inputs"),
            index,
            max_cpu_len_log: 17,
            txs: (0, 1),
            memory_mb: 2000,
        }),
        Kind::SegmentMerge => {
            Work::SegmentMerge { batch: 0, segments: (index, index + 1), left: child, right: Some(child) }
        }
        Kind::BatchMerge => Work::BatchMerge { batches: (index, index + 1), left: child, right: child },
        Kind::Block => Work::Block { batches: digest("batches"), previous: None },
    };
    Task { format: FORMAT, id: digest("task"), circuits: digest("circuits"), block, work }
}

fn done() -> Outcome {
    Outcome::Done { reused: false, time: Duration::from_secs(1) }
}

async fn take(queue: &Queue) -> Delivery {
    timeout(LONG, queue.take()).await.expect("there is a task").expect("the queue is open")
}

/// What is told of a task next.
async fn hear(reports: &mut UnboundedReceiver<Report>) -> Report {
    timeout(LONG, reports.recv()).await.expect("there is a report").expect("the queue is there")
}

/// The next end of a task. Beginnings are passed over.
async fn end(reports: &mut UnboundedReceiver<Report>) -> (TaskId, Outcome) {
    loop {
        let report = hear(reports).await;
        if let Event::Ended(outcome) = report.event {
            return (report.id, outcome);
        }
    }
}

/// How many ends of tasks were told and not heard.
fn ends(reports: &mut UnboundedReceiver<Report>) -> usize {
    std::iter::from_fn(|| reports.try_recv().ok()).filter(|report| matches!(report.event, Event::Ended(_))).count()
}

#[tokio::test]
async fn older_blocks_go_first_and_merges_before_segments() {
    let queue = Queue::default();
    let expected = [
        (5, Kind::Block, 0),
        (5, Kind::BatchMerge, 0),
        (5, Kind::SegmentMerge, 0),
        (5, Kind::SegmentMerge, 1),
        (5, Kind::Segment, 0),
        (5, Kind::Segment, 1),
        (5, Kind::Segment, 2),
        (7, Kind::Block, 0),
        (7, Kind::Segment, 0),
        (8, Kind::SegmentMerge, 0),
    ];
    // Any order that keeps those of one kind as they arrive.
    for place in [6, 4, 9, 7, 5, 2, 8, 0, 3, 1] {
        let place = match place {
            6 => 4,
            4 => 5,
            5 => 6,
            other => other,
        };
        let (number, kind, index) = expected[place];
        queue.publish(task(block(number), kind, index));
    }
    assert_eq!(queue.len(), (expected.len(), 0));
    for (number, kind, index) in expected {
        let delivery = take(&queue).await;
        assert_eq!(delivery.task, task(block(number), kind, index));
        assert_eq!(delivery.deliveries, 1);
        delivery.settle(done());
    }
    assert_eq!(queue.len(), (0, 0));
}

#[tokio::test]
async fn an_acknowledged_task_is_reported_and_gone() {
    let queue = Queue::default();
    let mut reports = queue.listen(block(5));
    let published = task(block(5), Kind::Segment, 0);
    queue.publish(published.clone());
    let delivery = take(&queue).await;
    assert_eq!(queue.len(), (0, 1));
    let report = hear(&mut reports).await;
    assert_eq!(report.id, published.id);
    assert!(matches!(report.event, Event::Started) && reports.is_empty(), "{report:?}");
    let outcome = Outcome::Done { reused: true, time: Duration::from_millis(12) };
    delivery.settle(outcome.clone());
    let report = hear(&mut reports).await;
    assert_eq!(report.id, published.id);
    assert!(matches!(&report.event, Event::Ended(told) if *told == outcome), "{report:?}");
    assert_eq!(queue.len(), (0, 0));
    assert!(queue.dead().is_empty());
}

/// A worker that vanishes, and one that gives up for now: the task comes again, so often and no oftener.
#[tokio::test]
async fn a_task_is_delivered_again_until_it_is_a_dead_letter() {
    type GiveUp = fn(Delivery);
    let cases: [(GiveUp, Cause, &str); 3] = [
        (drop, Cause::Lost, "without a word"),
        (|delivery| delivery.retry(Cause::Transient, "the disk is gone"), Cause::Transient, "the disk is gone"),
        (|delivery| delivery.retry(Cause::Resources, "the disk is full"), Cause::Resources, "the disk is full"),
    ];
    for (give_up, cause, reason) in cases {
        let queue = Queue::default();
        let mut reports = queue.listen(block(5));
        let published = task(block(5), Kind::Segment, 0);
        queue.publish(published.clone());
        for delivery in 1..=MAX_DELIVERIES {
            assert!(queue.dead().is_empty() && ends(&mut reports) == 0);
            let taken = take(&queue).await;
            assert_eq!((&taken.task, taken.deliveries), (&published, delivery));
            give_up(taken);
        }
        assert_eq!(queue.len(), (0, 0));
        let dead = queue.dead();
        assert_eq!(dead.len(), 1);
        assert_eq!((&dead[0].task, dead[0].deliveries, dead[0].cause), (&published, MAX_DELIVERIES, cause));
        assert!(dead[0].reason.contains(reason), "{}", dead[0].reason);
        let failed = Outcome::Failed { cause, reason: dead[0].reason.clone() };
        assert_eq!(end(&mut reports).await, (published.id, failed));
    }
}

/// A worker that stops for reasons of its own: the task loses none of its deliveries.
#[tokio::test]
async fn a_task_that_is_handed_back_costs_nothing() {
    let queue = Queue::default();
    let mut reports = queue.listen(block(5));
    queue.publish(task(block(5), Kind::Segment, 0));
    drop(take(&queue).await);
    for _ in 0..2 * MAX_DELIVERIES {
        let taken = take(&queue).await;
        assert_eq!(taken.deliveries, 2);
        taken.hand_back();
    }
    assert_eq!(queue.len(), (1, 0));
    assert!(ends(&mut reports) == 0 && queue.dead().is_empty());
}

#[tokio::test]
async fn a_redelivered_task_keeps_its_priority() {
    let queue = Queue::default();
    queue.publish(task(block(5), Kind::Segment, 0));
    let first = take(&queue).await;
    queue.publish(task(block(6), Kind::Block, 0));
    drop(first);
    let again = take(&queue).await;
    assert_eq!((again.task.block, again.deliveries), (block(5), 2));
    assert_eq!(take(&queue).await.task.block, block(6));
}

#[tokio::test]
async fn a_task_that_failed_for_good_is_a_dead_letter_at_once() {
    let queue = Queue::default();
    let mut reports = queue.listen(block(5));
    let published = task(block(5), Kind::BatchMerge, 0);
    queue.publish(published.clone());
    let reason = "these batches do not follow each other";
    let failed = Outcome::Failed { cause: Cause::Invalid, reason: reason.to_owned() };
    take(&queue).await.settle(failed.clone());
    let dead = queue.dead();
    assert_eq!(dead.len(), 1);
    assert_eq!((&dead[0].task, dead[0].deliveries, dead[0].cause), (&published, 1, Cause::Invalid));
    assert_eq!(dead[0].reason, reason);
    assert_eq!(end(&mut reports).await, (published.id, failed));
    assert_eq!(queue.len(), (0, 0));
}

#[tokio::test]
async fn reports_go_to_the_listener_of_their_block() {
    let queue = Queue::default();
    let (mut five, mut six) = (queue.listen(block(5)), queue.listen(block(6)));
    for number in [5, 6] {
        queue.publish(task(block(number), Kind::Segment, 0));
        take(&queue).await.settle(done());
    }
    assert_eq!(end(&mut five).await.0, task(block(5), Kind::Segment, 0).id);
    assert_eq!(end(&mut six).await.0, task(block(6), Kind::Segment, 0).id);
    assert!(five.is_empty() && six.is_empty());
    // Nobody listens, or nobody listens any more: no matter.
    drop(five);
    for number in [5, 7] {
        queue.publish(task(block(number), Kind::Segment, 0));
        take(&queue).await.settle(done());
    }
}

#[tokio::test]
async fn cancelling_forgets_queued_tasks_and_aborts_running_ones() {
    let queue = Queue::default();
    let mut reports = queue.listen(block(5));
    // Same number, other block: a fork.
    let fork = BlockId { number: 5, hash: H256::repeat_byte(1) };
    for index in 0..5 {
        queue.publish(task(block(5), Kind::Segment, index));
    }
    let running = [take(&queue).await, take(&queue).await];
    queue.publish(task(fork, Kind::Segment, 0));
    queue.publish(task(block(6), Kind::Segment, 0));
    queue.publish(task(block(4), Kind::Segment, 0));
    let older = take(&queue).await;

    assert_eq!(queue.cancel(block(5)), (3, 2));
    assert!(running.iter().all(|delivery| delivery.abort.load(Ordering::Relaxed)));
    assert!(!older.abort.load(Ordering::Relaxed));
    assert_eq!(queue.cancel(block(9)), (0, 0));

    // However the running ones end, they do not come again.
    let [first, second] = running;
    drop(first);
    second.retry(Cause::Transient, "aborted");
    for _ in 0..2 {
        assert_eq!(end(&mut reports).await.1, Outcome::Cancelled);
    }
    assert!(queue.dead().is_empty());
    older.settle(done());
    let left = [take(&queue).await, take(&queue).await];
    assert_eq!(left.each_ref().map(|delivery| delivery.task.block), [fork, block(6)]);
    assert!(left.iter().all(|delivery| !delivery.abort.load(Ordering::Relaxed)));
    assert_eq!(queue.len(), (0, 2));
}

/// A cancelled block may be published again.
#[tokio::test]
async fn a_cancelled_block_can_come_again() {
    let queue = Queue::default();
    queue.publish(task(block(5), Kind::Segment, 0));
    queue.cancel(block(5));
    queue.publish(task(block(5), Kind::Segment, 0));
    let delivery = take(&queue).await;
    assert!(!delivery.abort.load(Ordering::Relaxed));
    assert_eq!(delivery.deliveries, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_wakes_everybody() {
    for asleep in [true, false] {
        let queue = Queue::default();
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move { queue.take().await.is_none() })
            })
            .collect();
        if asleep {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        queue.close();
        for taker in waiting {
            assert!(timeout(LONG, taker).await.expect("it wakes up").expect("it ends"));
        }
        // Closed for good, whatever is in it.
        queue.publish(task(block(5), Kind::Segment, 0));
        assert!(timeout(LONG, queue.take()).await.expect("it does not wait").is_none());
    }
}

/// Waiting for a task and not waiting any more must not swallow the word that one has arrived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taker_that_stops_waiting_loses_nothing() {
    let queue = Queue::default();
    for index in 0..200 {
        let (patient, publisher) = (queue.clone(), queue.clone());
        let patient = tokio::spawn(async move {
            let delivery = take(&patient).await;
            let taken = delivery.task.clone();
            delivery.settle(done());
            taken
        });
        let published = tokio::spawn(async move { publisher.publish(task(block(5), Kind::Segment, index)) });
        // Its delivery, if it gets one in time, is dropped, and delivered again.
        drop(timeout(Duration::from_micros(u64::from(index)), queue.take()).await);
        published.await.expect("it is published");
        let taken = timeout(LONG, patient).await.expect("the patient one gets it").expect("it ends");
        assert_eq!(taken, task(block(5), Kind::Segment, index));
        assert_eq!(queue.len(), (0, 0));
    }
}

/// Many takers, some of which drop what they took: every task is done once, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_takers_lose_nothing_and_get_nothing_twice() {
    const TASKS: u32 = 3000;
    let queue = Queue::default();
    let mut reports = queue.listen(block(5));
    let takers: Vec<_> = (0..16)
        .map(|taker| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                while let Some(delivery) = queue.take().await {
                    taken.push(delivery.task.id);
                    if taken.len() % 7 == taker % 7 && delivery.deliveries == 1 {
                        drop(delivery);
                    } else {
                        delivery.settle(done());
                    }
                    tokio::task::yield_now().await;
                }
                taken
            })
        })
        .collect();
    for index in 0..TASKS {
        queue.publish(task(block(5), Kind::Segment, index));
        if index % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut acknowledged: HashMap<Digest, u32> = HashMap::new();
    for _ in 0..TASKS {
        let (id, outcome) = end(&mut reports).await;
        assert_eq!(outcome, done());
        *acknowledged.entry(id).or_default() += 1;
    }
    queue.close();
    let mut taken = 0;
    for taker in takers {
        taken += timeout(LONG, taker).await.expect("it ends").expect("it ends well").len();
    }
    assert_eq!(acknowledged.len(), TASKS as usize);
    assert!(acknowledged.values().all(|times| *times == 1));
    assert!(taken > TASKS as usize, "nobody dropped anything");
    assert!(ends(&mut reports) == 0 && queue.dead().is_empty());
    assert_eq!(queue.len(), (0, 0));
}
