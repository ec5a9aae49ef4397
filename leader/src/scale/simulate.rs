//! A queue and its workers in simulated time: what settings would do to a recorded or made-up load.
//!
//! There are as many workers as [`super::law`] says, at the pace of KEDA (which brings up the first worker and takes away
//! the last) and of the autoscaler of Kubernetes (everything between, with its window and policies). Time goes in steps of
//! a second. Nothing is left to chance, so the same load and settings always give the same figures.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::ops::RangeInclusive;

use serde::Serialize;

use super::law::{self, Settings, Statistics};

/// Seconds between two looks of the autoscaler of Kubernetes (`--horizontal-pod-autoscaler-sync-period`).
const SYNC: u64 = 15;

/// What the autoscaler may add in [`SYNC`] seconds unless it is told otherwise: as many as there are, or four.
const SCALE_UP: (u32, u32) = (2, 4);

/// Tasks that come at the same time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// When, in seconds from the start.
    pub at: u64,
    /// How many.
    pub tasks: u32,
    /// Seconds that each takes, the shortest and the longest; evenly spread between them.
    pub seconds: (f64, f64),
}

/// How fast the number of workers follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pace {
    /// Seconds between two looks of KEDA.
    pub polling: u64,
    /// Seconds without anything to do before the last workers go, where none is a possible number.
    pub cooldown: u64,
    /// Seconds that fewer workers must have been enough for, before any goes.
    pub window: u64,
    /// Per cent of the workers that may go ...
    pub percent: u32,
    /// ... in so many seconds.
    pub period: u64,
}

/// The workers, and what they run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Workers {
    /// Tasks that each takes at the same time.
    pub slots: u32,
    /// Seconds from the wish for a worker to its first task: a node, an image, circuits.
    pub start: u64,
    /// Seconds that one which is to go has to finish what it has. What is not finished then is lost.
    pub grace: u64,
    /// Whether idle ones go first (by pod-deletion-cost). Otherwise it is the youngest.
    pub idle_first: bool,
    /// Tasks that leaders have at the broker at most; the others wait in the leaders, unseen by mode `queue`.
    pub in_flight: u64,
}

/// A load, and what happens meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// What comes, in any order.
    pub arrivals: Vec<Arrival>,
    /// Seconds during which nobody has statistics.
    pub blind: Option<RangeInclusive<u64>>,
    /// Seconds after which it ends, whatever is left.
    pub until: u64,
}

/// The state at one look of the autoscaler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Since the start.
    pub seconds: u64,
    /// Tasks that wait, at the broker or in leaders.
    pub ready: u64,
    /// Tasks that are being proved.
    pub running: u64,
    /// Workers that the law wants.
    pub desired: u32,
    /// Workers that there are or that start.
    pub replicas: u32,
    /// Workers that finish what they have and go.
    pub draining: u32,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Tasks of the load.
    pub tasks: u64,
    /// Tasks that were proved.
    pub proved: u64,
    /// From the first task's arrival to the last one's end; absent if not all were proved.
    pub drain_seconds: Option<u64>,
    /// The longest that a task waited for a worker, over all its attempts.
    pub longest_wait_seconds: u64,
    /// The most workers at a time, those that finish and go included.
    pub most_workers: u32,
    /// Running proofs that were stopped before their end, because their worker had to go.
    pub killed: u64,
    /// What had been done of them, in seconds of one slot.
    pub lost_seconds: u64,
    /// Seconds of workers that prove, all together.
    pub busy_seconds: u64,
    /// Seconds of workers that start or have nothing to do.
    pub idle_seconds: u64,
}

/// A simulation that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Simulation {
    /// Every look of the autoscaler.
    pub timeline: Vec<Moment>,
    /// The figures.
    pub summary: Summary,
}

/// Runs a load until all is proved and no more workers are there than there must be.
pub fn simulate(settings: &Settings, pace: &Pace, workers: &Workers, load: &Load) -> Simulation {
    let mut arrivals = load.arrivals.clone();
    arrivals.sort_by_key(|arrival| arrival.at);
    let first = arrivals.first().map_or(0, |arrival| arrival.at);
    let mean = mean_seconds(&arrivals);
    let mut arrivals = VecDeque::from(arrivals);

    let mut cluster = Cluster::new(*workers, settings.min);
    cluster.summary.tasks = arrivals.iter().map(|arrival| u64::from(arrival.tasks)).sum();
    let mut scaler = Scaler::default();
    let mut timeline = Vec::new();
    for now in 0..=load.until {
        while let Some(arrival) = arrivals.pop_front_if(|arrival| arrival.at <= now) {
            cluster.arrive(now, &arrival);
        }
        cluster.step(now);
        let blind = load.blind.as_ref().is_some_and(|blind| blind.contains(&now));
        let statistics = if blind { Statistics::default() } else { cluster.statistics(mean) };
        if now.is_multiple_of(pace.polling.max(1)) {
            let decision = law::decide(settings, &statistics, cluster.replicas());
            let target = scaler.zero(settings, pace, now, decision.active, cluster.replicas());
            cluster.scale(now, target);
        }
        if now.is_multiple_of(SYNC) {
            let decision = law::decide(settings, &statistics, cluster.replicas());
            let target = scaler.sync(settings, pace, now, decision.autoscaler, cluster.replicas());
            cluster.scale(now, target);
            timeline.push(cluster.moment(now, decision.replicas));
            if arrivals.is_empty() && cluster.is_done(settings.min) {
                break;
            }
        }
        cluster.pay();
    }
    Simulation { timeline, summary: cluster.summary(first) }
}

/// What a task takes, as leaders measure it.
fn mean_seconds(arrivals: &[Arrival]) -> f64 {
    let tasks: f64 = arrivals.iter().map(|arrival| f64::from(arrival.tasks)).sum();
    let seconds = |arrival: &Arrival| f64::from(arrival.tasks) * f64::midpoint(arrival.seconds.0, arrival.seconds.1);
    if tasks > 0.0 { arrivals.iter().map(seconds).sum::<f64>() / tasks } else { 0.0 }
}

/// KEDA and the autoscaler of Kubernetes: what they remember.
#[derive(Debug, Default)]
struct Scaler {
    active: Option<u64>,
    /// What was wanted, and when.
    wanted: VecDeque<(u64, u32)>,
    /// What was changed, and when: workers that came, workers that went.
    changed: VecDeque<(u64, u32, u32)>,
}

impl Scaler {
    /// KEDA: the first worker, and the last ones.
    fn zero(&mut self, settings: &Settings, pace: &Pace, now: u64, active: Option<bool>, current: u32) -> u32 {
        match active {
            Some(true) => {
                self.active = Some(now);
                if current == 0 { settings.min.max(1).min(settings.max) } else { current }
            }
            Some(false) if settings.min == 0 => {
                let since = self.active.map_or(u64::MAX, |active| now - active);
                if since >= pace.cooldown { 0 } else { current }
            }
            _ => current,
        }
    }

    /// The autoscaler of Kubernetes: everything between.
    fn sync(&mut self, settings: &Settings, pace: &Pace, now: u64, wanted: u32, current: u32) -> u32 {
        if current == 0 {
            return 0;
        }
        if self.wanted.is_empty() {
            self.wanted.push_back((now, current));
        }
        self.wanted.push_back((now, wanted));
        while self.wanted.pop_front_if(|(at, _)| *at + pace.window < now).is_some() {}
        while self.changed.pop_front_if(|(at, ..)| *at + pace.period.max(SYNC) <= now).is_some() {}
        // Fewer only if that was enough all through the window.
        let enough = self.wanted.iter().map(|(_, wanted)| *wanted).max().unwrap_or(wanted);
        let target =
            if wanted > current { self.up(now, wanted, current) } else { self.down(pace, now, enough, current) };
        let target = target.max(settings.min.max(1)).min(settings.max);
        if target != current {
            self.changed.push_back((now, target.saturating_sub(current), current.saturating_sub(target)));
        }
        target
    }

    fn up(&self, now: u64, wanted: u32, current: u32) -> u32 {
        let before = self.before(now, SYNC, current);
        let limit = before.saturating_mul(SCALE_UP.0).max(before.saturating_add(SCALE_UP.1));
        wanted.min(limit.max(current))
    }

    fn down(&self, pace: &Pace, now: u64, enough: u32, current: u32) -> u32 {
        let before = self.before(now, pace.period, current);
        // Rounded down, as Kubernetes does: one at least may go.
        let limit = (f64::from(before) * (1.0 - f64::from(pace.percent) / 1e2)) as u32;
        enough.max(limit).min(current)
    }

    /// Workers that there were so many seconds ago.
    fn before(&self, now: u64, seconds: u64, current: u32) -> u32 {
        let recent = self.changed.iter().filter(|(at, ..)| *at + seconds > now);
        recent.fold(current, |workers, (_, came, went)| workers.saturating_add(*went).saturating_sub(*came))
    }
}

#[derive(Clone, Copy, Debug)]
struct Job {
    seconds: f64,
    /// When it began to wait.
    since: u64,
    waited: u64,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    job: Job,
    start: u64,
}

#[derive(Debug)]
struct Worker {
    /// From when on it takes tasks.
    ready: u64,
    /// When it must be gone.
    leaves: Option<u64>,
    running: Vec<Running>,
}

struct Cluster {
    kind: Workers,
    waiting: VecDeque<Job>,
    workers: Vec<Worker>,
    last_end: u64,
    summary: Summary,
}

impl Cluster {
    /// With workers that have been there for long.
    fn new(kind: Workers, workers: u32) -> Self {
        let workers = (0..workers).map(|_| Worker { ready: 0, leaves: None, running: Vec::new() }).collect();
        Self { kind, waiting: VecDeque::new(), workers, last_end: 0, summary: Summary::default() }
    }

    fn arrive(&mut self, now: u64, arrival: &Arrival) {
        let (from, to) = arrival.seconds;
        let place = |task: u32| f64::from(task) / f64::from(arrival.tasks.saturating_sub(1).max(1));
        let job = |task| Job { seconds: from + (to - from) * place(task), since: now, waited: 0 };
        self.waiting.extend((0..arrival.tasks).map(job));
    }

    /// What ends and what begins in this second.
    fn step(&mut self, now: u64) {
        let Self { waiting, summary, .. } = self;
        for worker in &mut self.workers {
            worker.running.retain(|running| {
                let ends = (now - running.start) as f64 >= running.job.seconds;
                summary.proved += u64::from(ends);
                self.last_end = if ends { now } else { self.last_end };
                !ends
            });
            if worker.leaves.is_some_and(|leaves| leaves <= now) {
                for running in worker.running.drain(..) {
                    summary.killed += 1;
                    summary.lost_seconds += now - running.start;
                    waiting.push_front(Job { since: now, ..running.job });
                }
            }
        }
        self.workers.retain(|worker| worker.leaves.is_none() || !worker.running.is_empty());
        let running: usize = self.workers.iter().map(|worker| worker.running.len()).sum();
        let mut given_out = self.kind.in_flight.saturating_sub(running as u64);
        for worker in self.workers.iter_mut().filter(|worker| worker.leaves.is_none()) {
            while worker.ready <= now
                && worker.running.len() < self.kind.slots as usize
                && given_out > 0
                && let Some(mut job) = waiting.pop_front()
            {
                given_out -= 1;
                job.waited += now - job.since;
                summary.longest_wait_seconds = summary.longest_wait_seconds.max(job.waited);
                worker.running.push(Running { job, start: now });
            }
        }
    }

    /// Brings workers up, or lets some go.
    fn scale(&mut self, now: u64, target: u32) {
        let current = self.replicas();
        for _ in current..target {
            self.workers.push(Worker { ready: now + self.kind.start, leaves: None, running: Vec::new() });
        }
        let idle_first = self.kind.idle_first;
        // Kubernetes takes those that are not ready, then the cheapest, then the youngest.
        self.workers.sort_by_key(|worker| {
            let minutes = worker.running.iter().map(|running| (now - running.start) / 60).max();
            let cost = minutes.filter(|_| idle_first).map_or(0, |minutes| 1000 + minutes);
            (worker.leaves.is_some(), worker.ready <= now, cost, Reverse(worker.ready))
        });
        let go = current.saturating_sub(target) as usize;
        for worker in self.workers.iter_mut().take(go) {
            worker.leaves = Some(now + self.kind.grace);
        }
        self.workers.retain(|worker| worker.leaves.is_none() || !worker.running.is_empty());
        self.summary.most_workers = self.summary.most_workers.max(self.workers.len() as u32);
    }

    /// Adds a second of every worker.
    fn pay(&mut self) {
        let busy = self.workers.iter().filter(|worker| !worker.running.is_empty()).count() as u64;
        self.summary.busy_seconds += busy;
        self.summary.idle_seconds += self.workers.len() as u64 - busy;
    }

    fn replicas(&self) -> u32 {
        self.workers.iter().filter(|worker| worker.leaves.is_none()).count() as u32
    }

    fn running(&self) -> u64 {
        self.workers.iter().map(|worker| worker.running.len() as u64).sum()
    }

    /// As the broker and the leaders count.
    fn statistics(&self, mean: f64) -> Statistics {
        let (waiting, running) = (self.waiting.len() as u64, self.running());
        Statistics {
            ready: Some(waiting.min(self.kind.in_flight.saturating_sub(running))),
            running: Some(running),
            work_seconds: Some((waiting + running) as f64 * mean),
            task_seconds: None,
        }
    }

    fn moment(&self, now: u64, desired: u32) -> Moment {
        let (ready, running, replicas) = (self.waiting.len() as u64, self.running(), self.replicas());
        Moment { seconds: now, ready, running, desired, replicas, draining: self.workers.len() as u32 - replicas }
    }

    fn is_done(&self, min: u32) -> bool {
        self.waiting.is_empty() && self.running() == 0 && self.replicas() <= min
    }

    fn summary(&self, first: u64) -> Summary {
        let all = self.summary.proved == self.summary.tasks;
        let drain_seconds = all.then(|| self.last_end.saturating_sub(first));
        Summary { drain_seconds, ..self.summary }
    }
}
