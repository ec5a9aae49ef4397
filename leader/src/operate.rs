//! `leader queue …`: looking into the cluster, and changing what it does.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use amqp::connect::Broker;
use amqp::message::{BlockState, DeadMessage, Stage, TaskMessage};
use amqp::operator::{ClusterState, Fate, Operator, RETRY_GROUP};
use anyhow::{Context, bail};
use ops::artifacts::{Artifacts, RunKey};
use ops::circuits::progress::{self, Absent};
use ops::circuits::store::Store;
use ops::cli::Dirs;
use ops::digest::Digest;
use ops::execute::{self, Inputs};
use ops::log::Screen;
use ops::profile::Profile;
use ops::{exit, stack, stdout};

use crate::cli::{DeadCommand, ProverArgs, QueueCommand};

/// Runs a subcommand.
pub async fn run(
    command: QueueCommand,
    profile: Profile,
    prover: &ProverArgs,
    dirs: &Dirs,
    screen: &Screen,
) -> anyhow::Result<u8> {
    let broker = Broker::new(&prover.broker).map_err(|error| exit::usage(error.to_string()))?;
    broker.check().await.map_err(|error| exit::usage(error.to_string()))?;
    let artifacts = Artifacts::open(&dirs.artifacts()?).await?;
    let (profile, folder, absent, screen) = (profile, dirs.circuits(), dirs.absent(), screen.clone());
    let threads = broker.threads();
    let work = async move {
        let operator = Operator::connect(&broker).await.with_context(|| format!("broker {broker}"))?;
        let code = match command {
            QueueCommand::Dead(DeadCommand::Replay { id }) => {
                let letter = find(&operator, &id).await?;
                replay(letter, &artifacts, (Store::new(&folder, profile), absent), screen).await
            }
            command => operate(command, &operator, &artifacts).await,
        };
        operator.close().await;
        code
    };
    threads.spawn(work).await.context("talking to the broker ended")?
}

async fn operate(command: QueueCommand, operator: &Operator, artifacts: &Artifacts) -> anyhow::Result<u8> {
    match command {
        QueueCommand::Status { json } => {
            let state = operator.status().await?;
            match json {
                true => print_json(&state)?,
                false => stdout::print(tree(&state).as_bytes())?,
            }
        }
        QueueCommand::Cancel { block, range, .. } => {
            let blocks = block.map(|block| block..=block).or(range).unwrap_or(0..=u64::MAX);
            let ended = artifacts.end_runs(&blocks).await?;
            operator.cancel(&blocks).await?;
            tracing::info!(blocks = ended, "cancelled");
        }
        QueueCommand::Purge => {
            let purged = operator.purge().await?;
            tracing::info!(tasks = purged, "emptied the queues; leaders put back what they still want");
        }
        QueueCommand::Dead(DeadCommand::List { json }) => {
            let letters = operator.dead(|_| Fate::Keep).await?;
            match json {
                true => print_json(&letters)?,
                false => stdout::print(list(&letters).as_bytes())?,
            }
        }
        QueueCommand::Dead(DeadCommand::Show { id }) => print_json(&find(operator, &id).await?)?,
        QueueCommand::Dead(DeadCommand::Drop { id, .. }) => {
            let id = id.as_deref();
            let mut dropped = 0;
            operator
                .dead(|letter| {
                    let wanted = is(letter, id);
                    dropped += usize::from(wanted);
                    if wanted { Fate::Drop } else { Fate::Keep }
                })
                .await?;
            done("dropped", dropped, id)?;
        }
        QueueCommand::Retry { id, .. } => {
            let id = id.as_deref();
            let mut runs = HashMap::new();
            for letter in operator.dead(|_| Fate::Keep).await? {
                if let Some(message) = letter.message.as_ref().filter(|_| is(&letter, id)) {
                    runs.insert(message.task.id, run_of(message, artifacts).await?);
                }
            }
            let run = |letter: &DeadMessage| runs.get(&letter.message.as_ref()?.task.id);
            operator.dead(|letter| run(letter).map_or(Fate::Keep, |run| Fate::Retry(*run))).await?;
            done("put back into the queue", runs.len(), id)?;
        }
        // Needs circuits, see the caller.
        QueueCommand::Dead(DeadCommand::Replay { .. }) => {}
    }
    Ok(exit::OK)
}

/// Whether a dead letter is the one with this id, or any if there is none.
fn is(letter: &DeadMessage, id: Option<&str>) -> bool {
    let name = letter.message.as_ref().map(|message| message.task.id.to_string());
    id.is_none_or(|id| name.is_some_and(|name| name.starts_with(id)))
}

fn done(what: &str, count: usize, id: Option<&str>) -> anyhow::Result<()> {
    if let (0, Some(id)) = (count, id) {
        return Err(exit::usage(format!("there is no dead task {id}; `leader queue dead list` lists them")));
    }
    tracing::info!(tasks = count, "{what}");
    Ok(())
}

async fn find(operator: &Operator, id: &str) -> anyhow::Result<DeadMessage> {
    let letters = operator.dead(|_| Fate::Keep).await?;
    let found = letters.into_iter().find(|letter| is(letter, Some(id)));
    found.ok_or_else(|| exit::usage(format!("there is no dead task {id}; `leader queue dead list` lists them")))
}

/// The run that a dead task is tried again for.
async fn run_of(message: &TaskMessage, artifacts: &Artifacts) -> anyhow::Result<Digest> {
    let key = RunKey { group: message.group.clone(), block: message.task.block };
    if let Some(run) = artifacts.run(&key).await? {
        return Ok(run);
    }
    // No leader waits for it: its output will be there when one does.
    let run = Digest::of(RETRY_GROUP, &message.task.id);
    artifacts.begin_run(&key, run).await?;
    Ok(run)
}

/// Works on a dead task here.
async fn replay(
    letter: DeadMessage,
    artifacts: &Artifacts,
    (store, absent): (Store, Absent),
    screen: Screen,
) -> anyhow::Result<u8> {
    let task = letter.message.context("the dead letter holds no task")?.task;
    let inputs = Inputs::fetch(artifacts, &task).await.context("what the task works on")?;
    let work = move || {
        let circuits = progress::open(&store, absent, &screen)?;
        tracing::info!(block_number = task.block.number, "working on {}", task.work);
        let prove = || execute::execute(&circuits, &task, inputs, &Arc::new(AtomicBool::new(false)));
        Ok::<_, anyhow::Error>(stack::run(prove).context("proving")??)
    };
    match tokio::task::spawn_blocking(work).await.context("proving ended")? {
        Ok(_) => {
            tracing::info!("it can be proved here; `leader queue retry` puts it back into the queue");
            Ok(exit::OK)
        }
        Err(error) => bail!("it fails here, too: {}", exit::text(&error)),
    }
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    stdout::print(&text)
}

fn list(letters: &[DeadMessage]) -> String {
    let mut text = String::new();
    for DeadMessage { message, cause, reason, from, .. } in letters {
        let (id, what) = match message {
            Some(message) => {
                (message.task.id.short(), format!("block {} {}", message.task.block.number, message.task.work))
            }
            None => ("-".to_owned(), "no task".to_owned()),
        };
        text += &format!("{id:<12}  {what:<34}  {cause:<9}  {from:<24}  {reason}\n");
    }
    if letters.is_empty() {
        text += "no dead tasks\n";
    }
    text
}

/// The cluster as text.
fn tree(state: &ClusterState) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text += &words;
        text.push('\n');
    };
    line("queues (tasks that wait for a worker)".to_owned());
    for (queue, ready) in &state.queues {
        line(format!("  {queue:<36} {ready:>8}"));
    }
    line(format!("  {:<36} {:>8}", "dead", state.dead));
    line(format!("workers: {}", state.workers.len()));
    for worker in &state.workers {
        let classes: Vec<_> = worker.classes.iter().map(ToString::to_string).collect();
        let draining = if worker.draining { ", draining" } else { "" };
        line(format!(
            "  {:<28} {} of {} slots busy, {}, profile {}{draining}",
            worker.name,
            worker.running.len(),
            worker.slots,
            classes.join(" "),
            worker.profile
        ));
        for running in &worker.running {
            line(format!("    block {} {}, for {} s", running.block, running.what, running.millis / 1000));
        }
    }
    line(format!("leaders: {}", state.leaders.len()));
    for leader in &state.leaders {
        line(format!(
            "  {} (profile {}): {} tasks given out, {} kept back",
            leader.group, leader.profile, leader.in_flight, leader.waiting
        ));
        for block in &leader.blocks {
            block_tree(block, &mut line);
        }
    }
    text
}

/// Tasks of one block that are worth a line each: more are counted.
const LINES: usize = 40;

fn block_tree(block: &BlockState, line: &mut impl FnMut(String)) {
    let count = |stage| block.tasks.iter().filter(|task| task.stage == stage).count();
    let eta = block.eta.map_or_else(|| "unknown".to_owned(), |eta| format!("{} s", eta.as_secs()));
    line(format!(
        "    block {} {:?}: {} of {} transactions; tasks: {} done, {} running, {} queued, {} waiting; {} s so far, left: {eta}",
        block.block.number,
        block.block.hash,
        block.transactions_proved,
        block.transactions,
        count(Stage::Done),
        count(Stage::Running),
        count(Stage::Queued),
        count(Stage::Waiting),
        block.elapsed.as_secs(),
    ));
    let mut left = LINES;
    let roots: Vec<_> = (0..block.tasks.len()).filter(|&task| block.tasks[task].parent.is_none()).collect();
    for root in roots {
        subtree(block, root, 3, &mut left, line);
    }
    if left == 0 {
        line("      … (more with --json)".to_owned());
    }
}

/// A task and, unless it is done, what it builds on.
fn subtree(block: &BlockState, index: usize, depth: usize, left: &mut usize, line: &mut impl FnMut(String)) {
    if *left == 0 {
        return;
    }
    *left -= 1;
    let task = &block.tasks[index];
    let stage = match (task.stage, &task.worker) {
        (Stage::Running, Some((worker, millis))) => format!("running on {worker} for {} s", millis / 1000),
        (Stage::Running, None) => "running".to_owned(),
        (Stage::Done, _) => "done".to_owned(),
        (Stage::Queued, _) => "queued".to_owned(),
        (Stage::Waiting, _) => "waiting".to_owned(),
    };
    line(format!("{}{}: {stage}", "  ".repeat(depth), task.what));
    if task.stage != Stage::Done {
        for child in (0..block.tasks.len()).filter(|&child| block.tasks[child].parent == Some(index)) {
            subtree(block, child, depth + 1, left, line);
        }
    }
}
