//! `leader scale explain` at a real broker, with leaders and workers that prove nothing.

use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::Parser;
use serde_json::Value;
use testing::broker::Broker;
use testing::home::Home;
use testing::process::{LIMIT, Process, run, this_test};
use testing::witness::root;

use crate::support::leader;

/// Where [`worker`] puts the command line for [`worker_process`].
const ARGS: &str = "SCALE_TEST_WORKER_ARGS";

/// A task that does not end while the test runs.
const MOCK: &str = "--mock-prover constant:3600000";

/// `worker` with these words: its library in a process of its own, which is this test program once more. A binary of
/// another package need not have been built, or be of the same sources.
fn worker(home: &Home, address: &str, words: &str) -> Process {
    let line: Vec<_> = ["worker"].into_iter().chain(words.split_whitespace()).collect();
    let mut command = this_test("scale::live::worker_process", &home.path(""));
    command.env(ARGS, serde_json::to_string(&line).expect("strings are JSON"));
    Process::start(command.env("AMQP_URI", address))
}

/// No scenario: what the process started by [`worker`] does.
#[test]
#[expect(clippy::exit, reason = "it is a process's whole work, and its exit code what the tests look at")]
fn worker_process() {
    let Ok(line) = std::env::var(ARGS) else { return };
    let line: Vec<String> = serde_json::from_str(&line).expect("a command line");
    let cli = worker::cli::Cli::try_parse_from(line).unwrap_or_else(|error| error.exit());
    let screen = ops::log::init(&cli.log);
    let exit = ops::exit::report(worker::run(cli, &screen));
    std::process::exit((0..=u8::MAX).find(|code| ExitCode::from(*code) == exit).expect("a code").into())
}

/// A home for all, and their broker.
struct Ground {
    home: Home,
    node: Broker,
}

impl Ground {
    fn leader(&self, words: &str) -> Command {
        let mut command = self.home.command(words);
        command.env("AMQP_URI", self.node.uri());
        command
    }

    /// A leader that gives out the segments of a block.
    fn proves(&self, group: &str, priority: &str) -> Process {
        let witness = root("witnesses/transfer.json");
        let words = format!(
            "--runtime amqp {MOCK} --group {group} --priority {priority} --profile test -b 1 -m 13 stdio {}",
            witness.display()
        );
        let mut process = Process::start(&mut self.leader(&words));
        process.feed("");
        process
    }

    /// What it says of segments, once it is as wanted.
    fn explain(&self, flags: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + LIMIT;
        loop {
            let run = run(&mut self.leader(&format!("scale explain --class segment --json {flags}")), "");
            run.succeeds(flags);
            let answers: Value = serde_json::from_str(&run.stdout).expect("JSON");
            if wanted(&answers[0]) {
                return answers[0].clone();
            }
            assert!(Instant::now() < end, "it does not become as wanted: {}", run.stdout);
        }
    }

    /// Waiting and unacknowledged tasks of segments, as the broker counts them and KEDA sees them.
    fn counts(&self) -> (u64, u64) {
        let queues = self.node.queues();
        let queues = queues.iter().filter(|queue| queue.name.starts_with("blockproof.tasks.segment."));
        queues.fold((0, 0), |(ready, unacked), queue| (ready + queue.ready, unacked + queue.unacked))
    }
}

#[test]
fn the_formula_is_explained_with_the_numbers_of_the_broker() {
    let ground = Ground { home: leader(), node: Broker::start() };
    // Nobody is there.
    let nobody = ground.explain("", |_| true);
    assert_eq!((&nobody["workers"], &nobody["decision"]["replicas"]), (&0.into(), &1.into()));
    assert_eq!(nobody["decision"]["formula"], "ceil((0 waiting + 0 running) / 1 per worker) = 0; allowed: 1 to 10 → 1");

    // Two leaders, whose tasks are in two queues, and two workers that are busy from now on.
    let _leaders = [ground.proves("one", "normal"), ground.proves("two", "high")];
    let words = |name| format!("{MOCK} --class segment --slots 1 --grace 600 --name {name}");
    let first = worker(&ground.home, &ground.node.uri(), &words("first"));
    let mut second = worker(&ground.home, &ground.node.uri(), &words("second"));
    let both = |answer: &Value| {
        let leaders = ["normal", "high"].map(|priority| format!("blockproof.tasks.segment.{priority}"));
        leaders.iter().all(|name| ground.node.queues().iter().any(|queue| queue.name == *name && queue.ready > 0))
            && answer["statistics"]["running"] == 2
    };
    ground.explain("", both);
    let answer = ground.explain("", |_| true);
    let (ready, unacked) = ground.counts();
    assert!(ready > 0 && unacked == 2, "{ready} {unacked}");
    assert_eq!((&answer["statistics"]["ready"], &answer["statistics"]["running"]), (&ready.into(), &unacked.into()));
    assert_eq!((&answer["workers"], &answer["draining"]), (&2.into(), &0.into()));
    let wanted = (ready + unacked).min(10);
    assert_eq!(answer["decision"]["replicas"], wanted, "{answer}");

    // Two tasks for a worker; and by work, of which nothing was measured yet.
    let answer = ground.explain("--slots 2 --max-replicas 100", |_| true);
    assert_eq!(answer["decision"]["replicas"], (ready + unacked).div_ceil(2), "{answer}");
    assert!(answer["notes"].to_string().contains("other slots than the 2"), "{answer}");
    let answer = ground.explain("--mode prometheus", |_| true);
    assert_eq!(answer["decision"]["replicas"], 2, "{answer}");
    assert!(answer["notes"].to_string().contains("measured no task yet"), "{answer}");
    let answer = ground.explain("--mode prometheus --work-seconds 9000", |_| true);
    assert_eq!((&answer["decision"]["replicas"], answer["notes"].to_string()), (&5.into(), "[]".to_owned()));

    // One that is to go and has not finished yet still counts with what it has.
    second.signal("TERM");
    let answer = ground.explain("", |answer| answer["draining"] == 1);
    assert_eq!((&answer["workers"], &answer["statistics"]["running"]), (&1.into(), &2.into()), "{answer}");

    // As people read it: all classes.
    let run = run(&mut ground.leader("scale explain"), "");
    run.succeeds("scale explain");
    let text = format!("segment: ceil(({ready} waiting + 2 running) / 1 per worker) = {}", ready + 2);
    for part in [text.as_str(), "1, and 1 that finish and go; more are wanted", "merge: ceil(", "large: ceil("] {
        assert!(run.stdout.contains(part), "`{part}` is missing from\n{}", run.stdout);
    }
    drop((first, second));
}
