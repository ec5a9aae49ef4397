//! Loads in simulated time: what the chart's settings do, and what hasty ones do.

use std::num::NonZeroU32;

use leader::scale::law::{Mode, Settings};
use leader::scale::simulate::{Arrival, Load, Pace, Simulation, Workers, simulate};

use super::settings;

/// As the chart has it.
const PACE: Pace = Pace { polling: 15, cooldown: 900, window: 600, percent: 25, period: 120 };

/// Workers that a node has to be started for, and that may finish what they have.
const WORKERS: Workers = Workers { slots: 1, start: 180, grace: 3600, idle_first: true, in_flight: u64::MAX };

fn load(arrivals: Vec<Arrival>) -> Load {
    Load { arrivals, blind: None, until: 7 * 24 * 3600 }
}

fn burst(tasks: u32, seconds: f64) -> Load {
    load(vec![Arrival { at: 0, tasks, seconds: (seconds, seconds) }])
}

/// Waves of tasks of 200 to 400 s, with rests between them.
fn waves(tasks: u32, every: usize) -> Load {
    let wave = |at| Arrival { at, tasks, seconds: (200.0, 400.0) };
    load((0..14_400).step_by(every).map(wave).collect())
}

/// All of it was proved, and nothing twice.
fn proved(simulation: &Simulation, what: &str) {
    let summary = simulation.summary;
    assert_eq!(summary.proved, summary.tasks, "{what}: {summary:?}");
    assert!(summary.drain_seconds.is_some(), "{what}: {summary:?}");
}

#[test]
fn our_settings_never_kill_a_running_proof() {
    let loads = [
        ("one", burst(1, 300.0)),
        ("a burst", burst(200, 300.0)),
        ("as long as the grace", burst(40, 3600.0)),
        ("waves", waves(60, 1200)),
        ("waves with long rests", waves(100, 3600)),
        ("blocks", waves(8, 120)),
    ];
    for (name, load) in &loads {
        for mode in [Mode::Queue, Mode::Prometheus] {
            for (slots, min, idle_first, start) in
                [(1, 0, true, 0), (1, 1, false, 180), (2, 0, true, 600), (3, 1, true, 180), (4, 0, false, 60)]
            {
                let workers = Workers { slots, idle_first, start, ..WORKERS };
                let simulation = simulate(&settings(mode, slots, (min, 64)), &PACE, &workers, load);
                let what = format!("{name}, {mode:?}, {workers:?}, from {min}");
                proved(&simulation, &what);
                assert_eq!(simulation.summary.killed, 0, "{what}: {:?}", simulation.summary);
                assert!(simulation.timeline.iter().all(|at| at.replicas >= min && at.replicas <= 64), "{what}");
                assert_eq!(simulation.timeline.last().expect("a moment").replicas, min, "{what}");
            }
        }
    }
}

/// With a slot each, the cost of a busy worker keeps it out of harm altogether: not even the grace is needed.
#[test]
fn no_busy_worker_is_asked_to_go() {
    let workers = Workers { grace: 0, ..WORKERS };
    for mode in [Mode::Queue, Mode::Prometheus] {
        for load in [burst(200, 300.0), waves(60, 1200), waves(100, 3600), waves(8, 120)] {
            let simulation = simulate(&settings(mode, 1, (0, 64)), &PACE, &workers, &load);
            proved(&simulation, &format!("{mode:?}"));
            assert_eq!(simulation.summary.killed, 0, "{mode:?}: {:?}", simulation.summary);
            assert!(simulation.timeline.iter().all(|at| at.draining == 0), "{mode:?}");
        }
    }
}

/// A window of ten seconds, all workers at once, two tasks for a worker of one slot, half a minute to finish: settings
/// that are seen where autoscaling was taken from services that answer requests.
#[test]
fn hasty_settings_kill_running_proofs() {
    let hasty = Pace { window: 10, percent: 100, period: 15, cooldown: 300, polling: 30 };
    let workers = Workers { grace: 30, idle_first: false, ..WORKERS };
    let two = NonZeroU32::new(2).expect("not zero");
    for count_running in [false, true] {
        let careless = Settings { tasks_per_worker: two, count_running, ..settings(Mode::Queue, 1, (0, 64)) };
        let load = waves(60, 600);
        let simulation = simulate(&careless, &hasty, &workers, &load);
        let summary = simulation.summary;
        assert!(summary.killed > 100 && summary.lost_seconds > 10_000, "{summary:?}");
        let ours = simulate(&settings(Mode::Queue, 1, (0, 64)), &PACE, &WORKERS, &load).summary;
        assert_eq!((ours.killed, ours.lost_seconds), (0, 0), "{ours:?}");
        assert!(ours.drain_seconds < summary.drain_seconds || summary.drain_seconds.is_none(), "{summary:?} {ours:?}");
        assert!(ours.longest_wait_seconds < summary.longest_wait_seconds, "{summary:?} {ours:?}");
    }
}

#[test]
fn workers_go_slowly_and_come_fast() {
    let simulation = simulate(&settings(Mode::Queue, 1, (1, 64)), &PACE, &WORKERS, &burst(200, 300.0));
    let timeline = &simulation.timeline;
    let replicas: Vec<_> = timeline.iter().map(|at| at.replicas).collect();
    // Four more or twice as many in 15 s, which is what Kubernetes does unless it is told otherwise.
    assert_eq!(replicas[..6], [5, 10, 20, 40, 64, 64]);

    let most = replicas.iter().copied().max().expect("a moment");
    let fewer = timeline.iter().find(|at| at.seconds > 60 && at.replicas < most).expect("they go");
    let enough = timeline.iter().find(|at| at.seconds > 60 && at.desired < most).expect("fewer are enough");
    assert!(fewer.seconds >= enough.seconds + PACE.window, "{enough:?} {fewer:?}");
    for (index, at) in timeline.iter().enumerate().filter(|(_, at)| at.seconds > 60) {
        let before = timeline[..index].iter().rev().take_while(|then| then.seconds + PACE.period > at.seconds);
        let before = before.map(|then| then.replicas).max().unwrap_or(at.replicas);
        assert!(at.replicas >= before * 3 / 4, "{before} workers, then {at:?}");
    }
}

#[test]
fn the_last_workers_go_after_the_cooldown() {
    let second = Arrival { at: 4000, tasks: 5, seconds: (100.0, 100.0) };
    let first = Arrival { at: 600, tasks: 5, seconds: (100.0, 100.0) };
    let simulation = simulate(&settings(Mode::Queue, 1, (0, 10)), &PACE, &WORKERS, &load(vec![second, first]));
    proved(&simulation, "two bursts");
    let timeline = &simulation.timeline;
    assert!(timeline.iter().filter(|at| at.seconds < 600).all(|at| at.replicas == 0));
    for from in [600, 4000] {
        let after = || timeline.iter().filter(move |at| at.seconds >= from);
        let done = after().find(|at| at.seconds > from && at.ready + at.running == 0).expect("it is done");
        let gone = after().find(|at| at.seconds > from && at.replicas == 0).expect("they go");
        let rest = gone.seconds - done.seconds;
        assert!((PACE.cooldown - 15..=PACE.cooldown + 30).contains(&rest), "{rest} s");
    }
}

#[test]
fn without_statistics_all_stay() {
    let load = Load { blind: Some(400..=5000), ..burst(64, 300.0) };
    let simulation = simulate(&settings(Mode::Queue, 1, (0, 64)), &PACE, &WORKERS, &load);
    proved(&simulation, "an outage");
    let blind = || simulation.timeline.iter().filter(|at| (405..=5000).contains(&at.seconds));
    assert!(blind().all(|at| at.replicas == 64) && blind().any(|at| at.running == 0));
    // Nobody knows that there is something to do, and nothing is done.
    let load = Load { blind: Some(0..=3000), ..burst(10, 300.0) };
    let simulation = simulate(&settings(Mode::Queue, 1, (0, 64)), &PACE, &WORKERS, &load);
    assert!(simulation.timeline.iter().all(|at| at.seconds <= 3000 || at.replicas > 0 || at.ready == 0));
    assert!(simulation.timeline.iter().all(|at| at.seconds > 3000 || at.replicas == 0));
    proved(&simulation, "an outage at the start");
}

/// What leaders keep back is not in the queue.
#[test]
fn only_work_shows_what_leaders_keep_back() {
    let workers = Workers { in_flight: 256, ..WORKERS };
    let most = |mode| {
        let simulation = simulate(&settings(mode, 1, (1, 1000)), &PACE, &workers, &burst(1000, 300.0));
        proved(&simulation, &format!("{mode:?}"));
        let wanted = simulation.timeline.iter().map(|at| at.desired).max().expect("a moment");
        assert!(simulation.timeline.iter().all(|at| at.running <= 256), "{mode:?}");
        wanted
    };
    assert_eq!(most(Mode::Queue), 256);
    // 1000 tasks of 300 s in 600 s.
    assert_eq!(most(Mode::Prometheus), 500);
}

#[test]
fn figures_add_up_and_repeat() {
    let settings = settings(Mode::Queue, 1, (1, 64));
    let simulation = simulate(&settings, &PACE, &WORKERS, &burst(200, 300.0));
    let summary = simulation.summary;
    assert_eq!((summary.tasks, summary.proved, summary.busy_seconds), (200, 200, 200 * 300));
    assert_eq!(summary.most_workers, 64);
    assert_eq!(simulation, simulate(&settings, &PACE, &WORKERS, &burst(200, 300.0)));
    // One task with a worker that is there already.
    let one = simulate(&settings, &PACE, &WORKERS, &burst(1, 300.0)).summary;
    assert_eq!((one.drain_seconds, one.longest_wait_seconds, one.most_workers), (Some(300), 0, 1));

    let load = Load { until: 600, ..burst(10_000, 300.0) };
    let cut = simulate(&settings, &PACE, &WORKERS, &load);
    assert_eq!((cut.summary.tasks, cut.summary.drain_seconds), (10_000, None));
    assert!(cut.summary.proved < 10_000 && cut.timeline.last().is_some_and(|at| at.seconds == 600));
}
