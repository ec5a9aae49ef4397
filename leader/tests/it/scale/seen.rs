//! What is made of the answers of leaders and workers, whatever they are.

use std::collections::BTreeMap;
use std::time::Duration;

use amqp::message::{BlockState, LeaderState, RunningTask, Stage, TaskState, WorkerState};
use amqp::operator::ClusterState;
use amqp::topology::{Class, task_queues};
use leader::scale::law::{Mode, Statistics};
use leader::scale::live::{Seen, look};
use ops::digest::Digest;
use ops::task::{BlockId, Kind};

use super::settings;

fn id(number: u64) -> Digest {
    Digest::of("task", &number)
}

/// A leader with a block of so many tasks each of a kind and stage, numbered from `first`.
fn leader(first: u64, tasks: &[(Kind, Stage, u64)], eta: Option<u64>) -> LeaderState {
    let all = tasks.iter().flat_map(|(kind, stage, count)| (0..*count).map(|_| (*kind, *stage)));
    let task = |(number, (kind, stage))| TaskState {
        id: id(number),
        kind,
        what: String::new(),
        parent: None,
        stage,
        worker: None,
    };
    let block = BlockState {
        block: BlockId { number: first, hash: Default::default() },
        transactions: 1,
        transactions_proved: 0,
        eta: eta.map(Duration::from_secs),
        elapsed: Duration::ZERO,
        tasks: (first..).zip(all).map(task).collect(),
    };
    let (group, profile) = (first.to_string(), "test".to_owned());
    LeaderState { group, circuits: id(0), profile, waiting: 7, in_flight: 0, blocks: vec![block] }
}

fn worker(classes: &[Class], running: &[(u64, &str)], draining: bool) -> WorkerState {
    let task =
        |(number, what): &(u64, &str)| RunningTask { id: id(*number), block: 1, what: (*what).to_owned(), millis: 0 };
    WorkerState {
        name: "worker".to_owned(),
        circuits: id(0),
        profile: "test".to_owned(),
        classes: classes.to_vec(),
        slots: 1,
        draining,
        running: running.iter().map(task).collect(),
        reply_to: String::new(),
    }
}

fn cluster(leaders: Vec<LeaderState>, workers: Vec<WorkerState>) -> ClusterState {
    let queues: BTreeMap<_, _> = (1..).zip(task_queues(&Class::ALL)).map(|(ready, name)| (name, ready)).collect();
    ClusterState { queues, dead: 0, leaders, workers }
}

fn seen(state: &ClusterState, class: Class, mode: Mode) -> Seen {
    look(state, class, &settings(mode, 1, (0, 64)), &Statistics::default())
}

/// Ten segments are left, two at a time, and the block after them: 5 times a segment and 0.45 times one in 545 s.
const BLOCK: [(Kind, Stage, u64); 4] = [
    (Kind::Segment, Stage::Done, 4),
    (Kind::Segment, Stage::Running, 2),
    (Kind::Segment, Stage::Queued, 8),
    (Kind::Block, Stage::Waiting, 1),
];

#[test]
fn work_is_taken_from_the_time_left_of_all_leaders() {
    let work = |leaders, class| seen(&cluster(leaders, Vec::new()), class, Mode::Prometheus).statistics.work_seconds;
    let near =
        |work: Option<f64>, wanted: f64| assert!(work.is_some_and(|work| (work - wanted).abs() < 1e-6), "{work:?}");
    let one = || leader(100, &BLOCK, Some(545));
    near(work(vec![one()], Class::Segment), 1000.0);
    near(work(vec![one()], Class::Merge), 45.0);
    near(work(vec![one(), leader(200, &BLOCK, Some(1090)), leader(300, &[], None)], Class::Segment), 3000.0);
    near(work(vec![leader(100, &[(Kind::Segment, Stage::Done, 9)], None)], Class::Segment), 0.0);

    // One has measured nothing yet; nobody is there; nobody knows.
    let unmeasured = cluster(vec![one(), leader(200, &BLOCK, None)], Vec::new());
    let unmeasured = seen(&unmeasured, Class::Segment, Mode::Prometheus);
    assert_eq!(unmeasured.statistics.work_seconds, None);
    assert!(unmeasured.notes[0].contains("measured no task yet"), "{:?}", unmeasured.notes);
    let nobody = seen(&cluster(Vec::new(), Vec::new()), Class::Segment, Mode::Prometheus);
    assert!(nobody.notes[0].contains("no leader has answered"), "{:?}", nobody.notes);
    let large = seen(&cluster(vec![one()], Vec::new()), Class::Large, Mode::Prometheus);
    assert_eq!(large.statistics.work_seconds, None);
    assert!(large.notes[0].contains("large"), "{:?}", large.notes);

    // Unless somebody knows better.
    let given = Statistics { work_seconds: Some(9.0), ..Statistics::default() };
    let better =
        look(&cluster(vec![one()], Vec::new()), Class::Segment, &settings(Mode::Prometheus, 1, (0, 64)), &given);
    assert_eq!((better.statistics.work_seconds, better.notes.len()), (Some(9.0), 0));
}

#[test]
fn tasks_in_hand_are_those_of_the_class() {
    // A segment and a block by what leaders say; two that no leader waits for any more; one that was too large.
    let everything = [(104, ""), (114, ""), (1, "batch 0 segment 3"), (2, "batch 0 segments 0..3")];
    let workers = vec![
        worker(&Class::ALL, &everything, false),
        worker(&[Class::Segment], &[(105, "")], true),
        worker(&[Class::Large], &[(106, "")], false),
    ];
    let state = cluster(vec![leader(100, &BLOCK, None)], workers);
    for (class, running, workers, draining) in
        [(Class::Merge, 2, 1, 0), (Class::Segment, 3, 1, 1), (Class::Large, 1, 2, 0)]
    {
        let seen = seen(&state, class, Mode::Queue);
        let found = (seen.statistics.running, seen.workers, seen.draining);
        assert_eq!(found, (Some(running), workers, draining), "{class}");
        // Both queues of the class: high and normal.
        let ready = task_queues(&[class]).iter().map(|queue| u64::from(state.queues[queue])).sum();
        assert_eq!(seen.statistics.ready, Some(ready), "{class}");
        assert!(seen.notes.iter().any(|note| note.contains("several classes")), "{class}: {:?}", seen.notes);
        assert!(seen.notes.iter().any(|note| note.contains("keep back 7 tasks")), "{class}: {:?}", seen.notes);
    }

    let mut state = state;
    state.queues.clear();
    let seen = seen(&state, Class::Segment, Mode::Queue);
    assert_eq!(seen.statistics.ready, None);
    assert!(seen.notes[0].contains("blockproof.tasks.segment.high"), "{:?}", seen.notes);
}
