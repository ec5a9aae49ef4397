//! The law: numbers in, workers out.

use leader::scale::law::{Mode, Settings, Statistics, decide};

use super::settings;

fn tasks(ready: u64, running: u64) -> Statistics {
    Statistics { ready: Some(ready), running: Some(running), ..Statistics::default() }
}

fn work(seconds: f64, running: u64) -> Statistics {
    Statistics { ready: Some(0), running: Some(running), work_seconds: Some(seconds), task_seconds: None }
}

const MANY: (u32, u32) = (0, 100_000);

#[test]
fn the_number_of_workers_follows_all_tasks() {
    // Waiting and running tasks, slots, workers allowed, and how many there should be.
    let cases = [
        (1, 0, 1, MANY, 1),
        (100, 0, 1, MANY, 100),
        (10_000, 0, 1, MANY, 10_000),
        (10_000, 0, 4, MANY, 2_500),
        (10_001, 0, 4, MANY, 2_501),
        (12, 3, 2, MANY, 8),
        (0, 100, 1, MANY, 100),
        (0, 0, 1, MANY, 0),
        (0, 0, 1, (3, 10), 3),
        (1, 0, 1, (3, 10), 3),
        (10_000, 0, 1, (0, 64), 64),
        (10_000, 5_000, 8, (1, 64), 64),
        (u64::MAX, u64::MAX, 1, (0, u32::MAX), u32::MAX),
    ];
    for (ready, running, slots, allowed, wanted) in cases {
        // From none: nothing is near enough to be left as it is.
        let decision = decide(&settings(Mode::Queue, slots, allowed), &tasks(ready, running), 0);
        assert_eq!(decision.replicas, wanted, "{}", decision.formula);
        assert_eq!(decision.active, Some(ready > 0 || running > 0), "{}", decision.formula);
        assert!(decision.formula.ends_with(&format!(" → {wanted}")), "{}", decision.formula);
    }
}

#[test]
fn the_number_of_workers_follows_work() {
    // Seconds of work, running tasks, slots, workers allowed, and how many there should be to be done in 600 s.
    let cases = [
        (1.0, 0, 1, MANY, 1),
        (600.0, 0, 1, MANY, 1),
        (601.0, 0, 1, MANY, 2),
        (1e6, 0, 1, MANY, 1_667),
        (1e6, 0, 4, MANY, 417),
        (1e6, 0, 4, (1, 64), 64),
        // Little is left, and many have a part of it in hand.
        (600.0, 20, 1, MANY, 20),
        (600.0, 20, 4, MANY, 5),
        (0.0, 0, 1, MANY, 0),
        (0.0, 0, 1, (2, 10), 2),
        (1e300, 0, 1, (0, u32::MAX), u32::MAX),
    ];
    for (seconds, running, slots, allowed, wanted) in cases {
        let decision = decide(&settings(Mode::Prometheus, slots, allowed), &work(seconds, running), 0);
        assert_eq!(decision.replicas, wanted, "{}", decision.formula);
    }
}

/// What went wrong elsewhere: all busy, nothing queued, and the autoscaler sees nothing to do.
#[test]
fn busy_workers_with_an_empty_queue_stay() {
    for mode in [Mode::Queue, Mode::Prometheus] {
        for slots in [1, 2, 8] {
            for running in (1..200).chain([10_000]) {
                let busy = u32::try_from(running).expect("small").div_ceil(slots);
                for current in [busy, busy + 1, busy * 2] {
                    let decision = decide(&settings(mode, slots, MANY), &work(1.0, running), current);
                    assert!(decision.replicas >= busy, "{current} workers: {}", decision.formula);
                    assert_eq!(decision.active, Some(true), "{}", decision.formula);
                }
            }
        }
    }
    // And so it would go without counting what runs.
    let careless = Settings { count_running: false, ..settings(Mode::Queue, 1, MANY) };
    assert_eq!(decide(&careless, &tasks(0, 100), 100).replicas, 0);
}

/// A statistic that cannot be had is no zero.
#[test]
fn what_is_missing_takes_no_worker_away() {
    let known = |ready, running, work_seconds| Statistics { ready, running, work_seconds, task_seconds: None };
    // Least number allowed, what is known, workers there are, and how many there should be.
    let queue = [
        (0, known(None, None, None), 5, 5),
        (0, known(None, None, None), 0, 0),
        (1, known(None, None, None), 0, 1),
        (0, known(None, None, None), 80, 64),
        (0, known(Some(0), None, None), 5, 5),
        (0, known(None, Some(0), None), 5, 5),
        (0, known(None, Some(2), None), 5, 5),
        // More are wanted, whatever the rest is.
        (0, known(Some(9), None, None), 5, 9),
        (0, known(Some(9), None, None), 0, 9),
        (0, known(None, Some(9), None), 5, 9),
    ];
    let prometheus = [
        (0, known(None, None, None), 5, 5),
        (0, known(None, None, Some(600.0)), 5, 5),
        (0, known(None, None, Some(6000.0)), 5, 10),
        (0, known(None, None, Some(0.0)), 5, 5),
        (0, known(None, Some(3), None), 5, 5),
        (0, known(None, Some(8), None), 5, 8),
        (0, known(None, None, Some(f64::NAN)), 5, 5),
        (0, known(None, None, Some(f64::INFINITY)), 5, 5),
        (0, known(None, None, Some(-1.0)), 5, 5),
        // Nothing was measured yet: one worker does it, and those that are busy stay.
        (0, known(Some(200), Some(0), None), 0, 1),
        (0, known(Some(200), Some(0), Some(0.0)), 0, 1),
        (0, known(Some(200), Some(5), None), 5, 5),
        (0, known(Some(0), Some(0), None), 5, 0),
    ];
    for (mode, cases) in [(Mode::Queue, &queue[..]), (Mode::Prometheus, &prometheus[..])] {
        for (min, statistics, current, wanted) in cases {
            let decision = decide(&settings(mode, 1, (*min, 64)), statistics, *current);
            assert_eq!(decision.replicas, *wanted, "{current} workers: {}", decision.formula);
        }
    }
    let unknown = decide(&settings(Mode::Queue, 1, MANY), &Statistics::default(), 5);
    assert_eq!(unknown.active, None);
    assert!(
        unknown.formula.contains("? waiting") && unknown.formula.contains("not below the 5"),
        "{}",
        unknown.formula
    );
}

#[test]
fn the_numbers_of_several_leaders_add_up() {
    let leaders = [work(600.0, 2), work(1200.0, 3), work(0.0, 0)];
    assert_eq!(Statistics::sum(leaders), work(1800.0, 5));
    let decision = decide(&settings(Mode::Prometheus, 1, MANY), &Statistics::sum(leaders), 0);
    assert_eq!(decision.replicas, 5, "{}", decision.formula);

    // What a task takes stands in for work that was not counted.
    let estimated = Statistics { task_seconds: Some(60.0), ..tasks(8, 2) };
    assert_eq!(Statistics::sum([estimated, work(400.0, 0)]), Statistics { ready: Some(8), ..work(1000.0, 2) });

    // One that has measured nothing: the sum of the others would be too small.
    let partial = Statistics::sum([work(600.0, 2), tasks(100, 0)]);
    assert_eq!((partial.ready, partial.running, partial.work_seconds), (Some(100), Some(2), None));
    assert_eq!(Statistics::sum([]), Statistics::default());
}

/// As Kubernetes does it: a tenth more or less is left as it is.
#[test]
fn small_differences_are_left_alone() {
    for (ready, current, wanted) in [(11, 10, 10), (9, 10, 10), (12, 10, 12), (8, 10, 8), (10, 10, 10), (2, 1, 2)] {
        let decision = decide(&settings(Mode::Queue, 1, MANY), &tasks(ready, 0), current);
        assert_eq!(decision.replicas, wanted, "{}", decision.formula);
    }
}

#[test]
fn formulas_show_their_numbers() {
    let queue = settings(Mode::Queue, 2, (0, 4));
    let prometheus = settings(Mode::Prometheus, 2, (1, 64));
    let cases = [
        (queue, tasks(3, 2), 1, "ceil((3 waiting + 2 running) / 2 per worker) = 3 → 3"),
        (queue, tasks(30, 2), 1, "ceil((30 waiting + 2 running) / 2 per worker) = 16; allowed: 0 to 4 → 4"),
        (
            queue,
            tasks(0, 0),
            1,
            "ceil((0 waiting + 0 running) / 2 per worker) = 0; nothing to do: 0 after the cooldown → 0",
        ),
        (Settings { count_running: false, ..queue }, tasks(3, 9), 1, "ceil(3 waiting / 2 per worker) = 2 → 2"),
        (
            prometheus,
            work(6000.0, 3),
            1,
            "max(ceil(6000 s of work / 600 s / 2 per worker) = 5, ceil(3 running / 2 per worker) = 2) = 5 → 5",
        ),
        (
            settings(Mode::Queue, 1, (0, 64)),
            tasks(19, 2),
            20,
            "ceil((19 waiting + 2 running) / 1 per worker) = 21, within 10 % of the 20 there are → 20",
        ),
    ];
    for (settings, statistics, current, formula) in cases {
        assert_eq!(decide(&settings, &statistics, current).formula, formula);
    }
}

/// Whatever the numbers: workers that prove are never told to go, and what is not known takes none away.
#[test]
fn no_numbers_take_busy_workers_away() {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..100_000 {
        let mode = if random.bool() { Mode::Queue } else { Mode::Prometheus };
        let (slots, min) = (random.u32(1..=8), random.u32(0..=3));
        let max = random.u32(min.max(1)..=200);
        let count = |random: &mut fastrand::Rng| random.bool().then(|| random.u64(0..500));
        let (ready, running) = (count(&mut random), count(&mut random));
        let work_seconds = random.bool().then(|| random.f64() * 1e5);
        let statistics = Statistics { ready, running, work_seconds, task_seconds: None };
        let current = random.u32(0..=250);
        let decision = decide(&settings(mode, slots, (min, max)), &statistics, current);
        let (replicas, text) = (decision.replicas, format!("{current} workers: {}", decision.formula));
        assert!((min..=max).contains(&replicas), "{text}");
        if let Some(running) = running.filter(|running| *running > 0) {
            let busy = u32::try_from(running).expect("small").div_ceil(slots);
            assert!(replicas >= 1.min(max) && decision.active == Some(true), "{text}");
            assert!(replicas >= busy.min(current).min(max), "{text}");
        }
        let unknown = match mode {
            Mode::Queue => ready.is_none() || running.is_none(),
            Mode::Prometheus => running.is_none() || (work_seconds.is_none() && ready.is_none()),
        };
        assert!(!unknown || replicas >= current.min(max), "{text}");
    }
}
