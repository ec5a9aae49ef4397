//! What a scenario has to work with: a broker, folders, and processes that end with it.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use amqp::topology::TASKS;
use anyhow::{Context, bail, ensure};
use ops::{env, exit};
use serde_json::Value;
use tempfile::TempDir;
use testing::broker::{Broker, Options};
use testing::relay::Relay;
use testing::{process, witness};

use crate::log::{self, Deed, Line, Part};
use crate::member::{Ended, LOOK, Member};
use crate::wire::Wire;

/// Far longer than anything takes that is not stuck, on a busy machine either.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What processes log: what they do with each task, and nothing of what others have to say of their work.
const FILTER: &str = "warn,leader=info,worker=info,ops=debug,amqp=debug,lapin=off";

/// Kills the processes whose ids it reads, once nobody can write another.
const GUARD: &str = "while read -r pid; do pids=\"$pids $pid\"; done; kill -KILL $pids";

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    leader: PathBuf,
    worker: PathBuf,
}

impl Programs {
    /// Those beside this one.
    pub fn find() -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("this program has no path")?;
        let beside = |name: &str| {
            let path = own.with_file_name(name);
            let absent = || {
                exit::usage(format!(
                    "{} is not there: `cargo build --release -p leader -p worker` builds it",
                    path.display()
                ))
            };
            path.is_file().then(|| path.clone()).ok_or_else(absent)
        };
        Ok(Self { leader: beside("leader")?, worker: beside("worker")? })
    }
}

/// The ground that a scenario stands on.
#[derive(Debug)]
pub struct Ground {
    programs: Programs,
    relay: Option<Relay>,
    broker: Option<Broker>,
    guard: Child,
    pids: ChildStdin,
    started: usize,
    /// Names and logs of the workers so far.
    workers: Vec<(String, PathBuf)>,
    folder: Option<TempDir>,
    path: PathBuf,
    artifacts: PathBuf,
}

/// Processes that keep cores busy. Dropped, they are killed.
#[derive(Debug)]
pub struct Burners(Vec<Child>);

impl Drop for Burners {
    fn drop(&mut self) {
        for burner in &mut self.0 {
            drop(burner.kill().and_then(|()| burner.wait()));
        }
    }
}

impl Ground {
    /// An empty one.
    pub fn new(programs: Programs) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("scenario-").tempdir().context("a folder")?;
        let path = folder.path().to_owned();
        let artifacts = path.join("artifacts");
        fs::create_dir(&artifacts)?;
        // However this program ends, what it started must not stay. Not in its group: Ctrl-C would end the guard first.
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD]).process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut guard = guard.spawn().context("sh starts")?;
        let pids = guard.stdin.take().context("a pipe")?;
        let (relay, broker, folder) = (None, None, Some(folder));
        Ok(Self { programs, relay, broker, guard, pids, started: 0, workers: Vec::new(), folder, path, artifacts })
    }

    /// Where it writes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the files where they are.
    pub fn keep(&mut self) -> PathBuf {
        if let Some(folder) = self.folder.take() {
            drop(folder.keep());
        }
        self.path.clone()
    }

    /// The artifact store of all processes.
    pub fn artifacts(&self) -> PathBuf {
        self.artifacts.clone()
    }

    /// Processes that start from now on have their artifacts there.
    pub fn store_in(&mut self, folder: &Path) {
        self.artifacts = folder.to_owned();
    }

    /// Tasks that wait in the queues, and those together with the ones in workers' hands.
    pub fn tasks_at_broker(&mut self) -> (usize, usize) {
        let queues = self.broker().queues().into_iter().filter(|queue| queue.name.starts_with(TASKS));
        queues.fold((0, 0), |(ready, all), queue| {
            let waiting = queue.ready as usize;
            (ready + waiting, all + waiting + queue.unacked as usize)
        })
    }

    /// Keeps each core busy so many times over.
    pub fn burn(&mut self, times: usize) -> anyhow::Result<Burners> {
        let mut burners = Burners(Vec::new());
        for _ in 0..times * thread::available_parallelism()?.get() {
            let burner = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().context("sh starts")?;
            writeln!(self.pids, "{}", burner.id()).context("the guard reads")?;
            burners.0.push(burner);
        }
        Ok(burners)
    }

    /// The broker, with the settings that RabbitMQ ships with unless it runs with others.
    pub fn broker(&mut self) -> &mut Broker {
        self.broker_with("")
    }

    /// The broker, started with these lines of `rabbitmq.conf` unless it runs.
    pub fn broker_with(&mut self, conf: &str) -> &mut Broker {
        let options = Options { conf: conf.to_owned(), ..Options::default() };
        self.broker.get_or_insert_with(|| Broker::start_with(&options))
    }

    /// A relay to the broker. Processes that start from now on go through it.
    pub fn relay(&mut self) -> &Relay {
        let port = self.broker().port();
        self.relay.get_or_insert_with(|| Relay::to(port))
    }

    /// A connection of one's own to the broker, past the relay.
    pub fn wire(&mut self) -> anyhow::Result<Wire> {
        Wire::connect(&self.broker().uri())
    }

    /// The witness of `witnesses/transfer.json` with another block number, so that leaders have blocks of their own: 31
    /// tasks with segments of 2^12 cycles, each step in the exponent halves their number or doubles it.
    pub fn block(&self, number: u64) -> anyhow::Result<PathBuf> {
        let mut block = witness::transfer();
        witness::set(&mut block, "/other_data/b_data/b_meta/block_number", Value::String(format!("{number:#x}")));
        self.file(&format!("block-{number}.json"), &serde_json::to_string(&[block])?)
    }

    /// Two blocks in a row, 1 and 2: 31 and 12 tasks with segments of 2^12 cycles.
    pub fn chain(&self) -> anyhow::Result<PathBuf> {
        self.file("chain.json", &witness::shipped("chain.json"))
    }

    fn file(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// Starts a worker with words, separated by spaces.
    pub fn worker(&mut self, name: &str, words: &str) -> anyhow::Result<Member> {
        let program = self.programs.worker.clone();
        let words = format!("--name {name} {words}");
        let (member, log) = self.start(&program, name, words.split_whitespace())?;
        self.workers.push((name.to_owned(), log));
        Ok(member)
    }

    /// Starts a worker that takes so many milliseconds for each task, one at a time.
    pub fn mock(&mut self, name: &str, millis: u64) -> anyhow::Result<Member> {
        self.worker(name, &format!("--mock-prover constant:{millis} --slots 1"))
    }

    /// Starts a leader with words, separated by spaces, on a witness.
    pub fn leader(&mut self, name: &str, words: &str, witness: &Path) -> anyhow::Result<Member> {
        let program = self.programs.leader.clone();
        let words = format!("--runtime amqp --mock-prover constant:0 {words} stdio {}", witness.display());
        Ok(self.start(&program, name, words.split_whitespace())?.0)
    }

    /// Runs `leader queue` with words, separated by spaces, to its end.
    pub fn operate(&mut self, words: &str) -> anyhow::Result<Ended> {
        let program = self.programs.leader.clone();
        let words = format!("queue {words}");
        let (member, _) = self.start(&program, "operator", words.split_whitespace())?;
        member.end(PATIENCE)
    }

    /// The dead letters, as `leader queue dead list` shows them.
    pub fn dead(&mut self) -> anyhow::Result<Vec<Value>> {
        let listed = self.operate("dead list --json")?;
        listed.ended_with(0)?;
        serde_json::from_str(&listed.stdout).context("the dead letters")
    }

    /// The cluster, as `leader queue status` shows it.
    pub fn status(&mut self) -> anyhow::Result<Value> {
        let shown = self.operate("status --json")?;
        shown.ended_with(0)?;
        serde_json::from_str(&shown.stdout).context("the cluster")
    }

    /// Starts a process; also says where its log is.
    fn start<'a>(
        &mut self,
        program: &Path,
        name: &str,
        words: impl Iterator<Item = &'a str>,
    ) -> anyhow::Result<(Member, PathBuf)> {
        let (uri, port) = (self.broker().uri(), self.broker().port());
        let uri = match &self.relay {
            Some(relay) => uri.replace(&format!(":{port}/"), &format!(":{}/", relay.port())),
            None => uri,
        };
        self.started += 1;
        let file = |kind: &str| self.path.join(format!("{:02}-{name}.{kind}", self.started));
        let (stdout, log) = (file("out"), file("log"));
        let mut command = process::clean(program, &self.path);
        command.args(words).current_dir(&self.path);
        command.env(env::AMQP_URI, uri).env(env::ARTIFACTS_DIR, self.artifacts());
        command.env(env::LOG_FORMAT, "json").env(env::RUST_LOG, FILTER);
        let member = Member::start(name, &mut command, stdout, log.clone())?;
        writeln!(self.pids, "{}", member.id()).context("the guard reads")?;
        Ok((member, log))
    }

    fn deeds(&self, deeds: fn(&str, &[Line]) -> Vec<Deed>) -> Vec<Deed> {
        self.workers.iter().flat_map(|(name, log)| deeds(name, &log::read(log))).collect()
    }

    /// What workers have executed to the end so far; what was there already does not count.
    pub fn executed(&self) -> Vec<Deed> {
        self.deeds(log::executed)
    }

    /// What workers have begun so far.
    pub fn taken(&self) -> Vec<Deed> {
        self.deeds(log::taken)
    }

    /// What workers were told to stop, and have stopped so far.
    pub fn stopped(&self) -> Vec<Deed> {
        self.deeds(log::stopped)
    }

    /// What has failed so far, each time.
    pub fn failed(&self) -> Vec<Deed> {
        self.deeds(log::failed)
    }

    /// The tasks that were executed more than once.
    pub fn twice(&self) -> Vec<Part> {
        let times = log::times(&self.executed());
        times.into_iter().filter_map(|(part, times)| (times > 1).then_some(part)).collect()
    }

    /// Fails if some task was executed more than once.
    pub fn nothing_twice(&self) -> anyhow::Result<()> {
        let twice = self.twice();
        ensure!(twice.is_empty(), "executed more than once: {twice:?}");
        Ok(())
    }

    /// Fails if a task was begun and executed after somebody had finished it.
    pub fn none_again(&self) -> anyhow::Result<()> {
        // What was begun is read last: all that was executed by then was begun by then.
        let executed = self.executed();
        let again = log::again(&self.taken(), &executed);
        ensure!(again.is_empty(), "finished before, and executed again: {again:?}");
        Ok(())
    }

    /// The task that a worker has begun and not finished, if there is one.
    pub fn running(&self, worker: &str) -> Option<Part> {
        let of = |deeds: Vec<Deed>| deeds.into_iter().filter(|deed| deed.worker == worker).map(|deed| deed.part);
        // What it has finished is read first: what it finishes meanwhile still counts as running.
        let ended: Vec<_> = of(self.executed()).chain(of(self.stopped())).collect();
        of(self.taken()).next_back().filter(|part| !ended.contains(part))
    }

    /// Waits until this many tasks were executed.
    pub fn until_executed(&self, count: usize) -> anyhow::Result<()> {
        until(&format!("{count} tasks are executed"), || self.executed().len() >= count)
    }

    /// Waits until a worker begins its next task; which one. What is done to it then is done in the middle of the task.
    pub fn until_begun(&self, worker: &str) -> anyhow::Result<Part> {
        let taken = || self.taken().into_iter().filter(|deed| deed.worker == worker).map(|deed| deed.part);
        let before = taken().count();
        let mut part = None;
        until(&format!("{worker} begins a task"), || {
            part = taken().nth(before);
            part.is_some()
        })?;
        part.with_context(|| format!("{worker} has begun no task"))
    }

    /// Waits until a worker has a task in hand; which one.
    pub fn until_running(&self, worker: &str) -> anyhow::Result<Part> {
        let mut part = None;
        until(&format!("{worker} has a task"), || {
            part = self.running(worker);
            part.is_some()
        })?;
        part.with_context(|| format!("{worker} has no task"))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Fails if it has ended, which is as good.
        drop(self.guard.kill().and_then(|()| self.guard.wait()));
    }
}

/// Waits for something. Fails after [`PATIENCE`].
pub fn until(what: &str, mut is: impl FnMut() -> bool) -> anyhow::Result<()> {
    let start = Instant::now();
    while !is() {
        if start.elapsed() > PATIENCE {
            bail!("waited {} s until {what}", PATIENCE.as_secs());
        }
        thread::sleep(LOOK);
    }
    Ok(())
}
