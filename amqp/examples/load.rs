//! What the queue costs: mock tasks of no work through a real broker to workers with `--mock-prover constant:0`.
//!
//! `load LATENCY_TASKS THROUGHPUT_TASKS` (see `tools/load.sh`) gives tasks out one at a time and prints the time from
//! giving out to the start at a worker and to the result at the leader; then as many as the broker may hold at once, and
//! prints tasks per second and the memory of leader and broker at each tenth of the way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp::connect::{Broker, BrokerArgs};
use amqp::leader::{Config, Handle};
use amqp::message::BlockState;
use amqp::topology::Priority;
use clap::Parser;
use ops::artifacts::Artifacts;
use ops::digest::Digest;
use ops::mock;
use ops::queue::{Event, Report};
use ops::task::{BlockId, Child, FORMAT, Task, TaskId, Work};
use tokio::sync::mpsc::UnboundedReceiver;

/// Messages in the broker at once, as `leader` has by default.
const IN_FLIGHT: usize = 256;

#[derive(Parser)]
struct Args {
    /// Tasks given out one at a time.
    latency_tasks: u64,
    /// Tasks given out together.
    throughput_tasks: u64,
    /// Folder of the workers' artifact store.
    #[arg(long)]
    artifacts_dir: std::path::PathBuf,
    /// The broker's process, for its memory.
    #[arg(long, env = "BROKER_PID")]
    broker_pid: u32,
    #[command(flatten)]
    broker: BrokerArgs,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    tokio::runtime::Runtime::new()?.block_on(run(args))
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::new(&args.broker)?;
    let artifacts = Artifacts::local(&args.artifacts_dir)?;
    let config = Config {
        group: "load".to_owned(),
        priority: Priority::Normal,
        circuits: mock::digest(),
        profile: mock::PROFILE.to_owned(),
        max_in_flight: IN_FLIGHT,
        allow: None,
    };
    let handle = Handle::start(&broker, config);
    let block = BlockId { number: 1, hash: Default::default() };
    artifacts.begin_run(&handle.run_key(block), handle.run).await?;
    let status = move || BlockState {
        block,
        transactions: 0,
        transactions_proved: 0,
        eta: None,
        elapsed: Duration::ZERO,
        tasks: Vec::new(),
    };
    let mut reports = handle.listen(block, Arc::new(status));
    // The first connects, and waits for what an earlier run may have left.
    handle.publish(task(block, 0));
    ended(&mut reports, 1, |_, _| {}).await;
    let bytes = amqp::message::encode(&task(block, 0)).len();
    say(&format!("a task has {bytes} bytes as JSON, without what the message adds"));

    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for number in 1..=args.latency_tasks {
        let begun = Instant::now();
        handle.publish(task(block, number));
        ended(&mut reports, 1, |event, _| match event {
            Event::Started => starts.push(begun.elapsed()),
            _ => ends.push(begun.elapsed()),
        })
        .await;
    }
    say(&format!("one at a time, {} tasks", args.latency_tasks));
    print("given out to start at a worker, as the leader hears it", &mut starts);
    print("given out to result at the leader", &mut ends);

    let memory = |done: u64, begun: Instant| {
        let (leader, broker) = (resident(std::process::id()), resident(args.broker_pid));
        let seconds = begun.elapsed().as_secs_f64();
        say(&format!("{done:>8} tasks {seconds:>8.1} s   leader {leader:>6} MB   broker {broker:>6} MB"));
    };
    say(&format!("together, {} tasks, {IN_FLIGHT} at the broker at once", args.throughput_tasks));
    let begun = Instant::now();
    memory(0, begun);
    let tenth = (args.throughput_tasks / 10).max(1);
    let mut given = 0;
    let mut done = 0;
    while done < args.throughput_tasks {
        // As a leader does with blocks: a few ahead.
        while given < args.throughput_tasks && given < done + 4 * IN_FLIGHT as u64 {
            given += 1;
            handle.publish(task(block, args.latency_tasks + given));
        }
        ended(&mut reports, 1, |_, _| {}).await;
        done += 1;
        if done % tenth == 0 {
            memory(done, begun);
        }
    }
    say(&format!("{:.0} tasks per second", args.throughput_tasks as f64 / begun.elapsed().as_secs_f64()));
    handle.finish(block);
    handle.close().await;
    Ok(())
}

/// A task that a mock need not fetch anything for.
fn task(block: BlockId, number: u64) -> Task {
    let id: TaskId = Digest::of("load", &(number, std::process::id()));
    let child = Child { id, merged: false };
    let work = Work::SegmentMerge { batch: 0, segments: (0, 0), left: child, right: None };
    Task { format: FORMAT, id, circuits: mock::digest(), block, work }
}

/// Waits until so many tasks have ended.
async fn ended(reports: &mut UnboundedReceiver<Report>, count: usize, mut hear: impl FnMut(&Event, TaskId)) {
    let mut left = count;
    while left > 0
        && let Some(report) = reports.recv().await
    {
        hear(&report.event, report.id);
        left -= usize::from(matches!(report.event, Event::Ended(_)));
    }
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
    let [p50, p99] = [at(50), at(99)].map(|time| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3));
    say(&format!("  {what}: p50 {p50:.1} ms, p99 {p99:.1} ms"));
}

/// Resident megabytes of a process (proc_pid_status(5)).
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1000
}

#[expect(clippy::print_stdout, reason = "what this program is for")]
fn say(text: &str) {
    println!("{text}");
}
