//! The law's numbers from a running cluster: what waits, by the broker; what runs, by the workers; what is left, by the
//! leaders.

use std::collections::HashMap;

use amqp::message::{BlockState, LeaderState, RunningTask, Stage, WorkerState};
use amqp::operator::ClusterState;
use amqp::topology::{Class, task_queues};
use ops::task::{Kind, TaskId};

use super::law::{Mode, Settings, Statistics};
use crate::progress::guess;

/// What a cluster says of one class.
#[derive(Debug)]
pub struct Seen {
    /// The law's numbers.
    pub statistics: Statistics,
    /// Workers that take tasks of the class.
    pub workers: u32,
    /// Workers that finish what they have and go.
    pub draining: u32,
    /// What is missing, or makes the numbers doubtful; in sentences.
    pub notes: Vec<String>,
}

/// What a cluster says of a class, to be judged by these settings. Seconds that are given, of work or for a task, are
/// taken in place of what leaders say.
pub fn look(state: &ClusterState, class: Class, settings: &Settings, given: &Statistics) -> Seen {
    let mut notes = Vec::new();
    let queues = task_queues(&[class]);
    let ready: Option<Vec<_>> = queues.iter().map(|queue| state.queues.get(queue)).collect();
    if ready.is_none() {
        notes.push(format!("the broker says nothing of {}", queues.join(" or ")));
    }
    let ready = ready.map(|counts| counts.into_iter().map(|count| u64::from(*count)).sum());

    let kinds = kinds(&state.leaders);
    let workers: Vec<_> = state.workers.iter().filter(|worker| worker.classes.contains(&class)).collect();
    let of_class = |worker: &&WorkerState| {
        worker.running.iter().filter(|task| class_of(worker, task, &kinds) == class).count() as u64
    };
    let running = workers.iter().map(of_class).sum();
    let (draining, serving): (Vec<_>, Vec<_>) = workers.into_iter().partition(|worker| worker.draining);
    let others: Vec<_> =
        serving.iter().filter(|worker| worker.slots != settings.tasks_per_worker.get() as usize).collect();
    if let Some(worker) = others.first() {
        let (count, slots, expected) = (others.len(), worker.slots, settings.tasks_per_worker);
        notes.push(format!(
            "{count} workers have other slots than the {expected} of the settings; {} has {slots}",
            worker.name
        ));
    }
    let shared = serving.iter().filter(|worker| worker.classes.len() > 1).count();
    if shared > 0 {
        notes.push(format!("{shared} workers take tasks of several classes, and count in each"));
    }

    let each = |leader| Statistics { work_seconds: work_of(leader, class), ..Statistics::default() };
    let Statistics { mut work_seconds, task_seconds, .. } = *given;
    if work_seconds.or(task_seconds).is_none() {
        work_seconds = Statistics::sum(state.leaders.iter().map(each)).work_seconds;
    }
    if settings.mode == Mode::Prometheus && work_seconds.or(task_seconds).is_none() {
        let reason = match (state.leaders.is_empty(), class) {
            (true, _) => "no leader has answered",
            (_, Class::Large) => "leaders do not tell what of their work is large",
            _ => "a leader has measured no task yet",
        };
        notes.push(format!("{reason}: the work that is left is not known; --work-seconds or --task-seconds gives it"));
    }
    let kept: usize = state.leaders.iter().map(|leader| leader.waiting).sum();
    if settings.mode == Mode::Queue && kept > 0 {
        notes.push(format!("leaders keep back {kept} tasks (--max-in-flight), which mode queue does not see"));
    }

    let statistics = Statistics { ready, running: Some(running), work_seconds, task_seconds };
    Seen { statistics, workers: serving.len() as u32, draining: draining.len() as u32, notes }
}

/// Tasks that leaders wait for.
fn kinds(leaders: &[LeaderState]) -> HashMap<TaskId, Kind> {
    let tasks = leaders.iter().flat_map(|leader| &leader.blocks).flat_map(|block| &block.tasks);
    tasks.map(|task| (task.id, task.kind)).collect()
}

/// The class of a task that a worker has, which does not say from which queue it took it: its only class, or that of
/// the kind of task. A large segment at a worker that takes all classes so counts among the segments.
fn class_of(worker: &WorkerState, task: &RunningTask, kinds: &HashMap<TaskId, Kind>) -> Class {
    match (&worker.classes[..], kinds.get(&task.id)) {
        ([class], _) => *class,
        (_, Some(kind)) => class(*kind),
        // Its leader is gone.
        (_, None) if task.what.contains(" segment ") => Class::Segment,
        _ => Class::Merge,
    }
}

fn class(kind: Kind) -> Class {
    if kind == Kind::Segment { Class::Segment } else { Class::Merge }
}

/// What a leader has left to do of a class, in seconds of one slot; absent before it has measured anything.
fn work_of(leader: &LeaderState, class: Class) -> Option<f64> {
    if class == Class::Large {
        return None;
    }
    leader.blocks.iter().map(|block| block_work(block, class)).sum()
}

/// What is left of a block, from the time that its leader thinks it takes with as many tasks at a time as now.
fn block_work(block: &BlockState, of: Class) -> Option<f64> {
    let count = |kind, stages: &[Stage]| {
        block.tasks.iter().filter(|task| task.kind == kind && stages.contains(&task.stage)).count() as f64
    };
    let left = |kind| count(kind, &[Stage::Waiting, Stage::Queued, Stage::Running]);
    let running = Kind::ALL.into_iter().map(|kind| count(kind, &[Stage::Running])).sum::<f64>().max(1.0);
    let lanes = |kind| if kind == Kind::Block { 1.0 } else { running.min(left(kind)).max(1.0) };
    let time: f64 = Kind::ALL.into_iter().map(|kind| guess(kind) * left(kind) / lanes(kind)).sum();
    let work: f64 = Kind::ALL.into_iter().filter(|kind| class(*kind) == of).map(|kind| guess(kind) * left(kind)).sum();
    if work == 0.0 {
        return Some(0.0);
    }
    Some(block.eta?.as_secs_f64() * work / time)
}
