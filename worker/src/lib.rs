//! The worker: takes tasks from the broker, proves them, stores the outputs.
//!
//! The work itself is [`ops::serve`]'s and the broker is [`amqp::worker`]'s; here they are put together by what the
//! machine has, and stopped in good order.

pub mod cli;
pub mod pod;

use std::sync::Arc;
use std::time::Duration;

use amqp::connect::Broker;
use amqp::sign::SecretKey;
use amqp::worker::{Config, End};
use anyhow::{Context, bail};
use ops::artifacts::Artifacts;
use ops::circuits::progress;
use ops::circuits::store::Store;
use ops::log::Screen;
use ops::machine::{self, Machine};
use ops::metrics;
use ops::profile::{Profile, Security};
use ops::serve::{Memory, Prover, Worker, serve};
use ops::{exit, stack, stdout};
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Command};
use pod::Pod;

/// Cores that a segment keeps busy most of the time.
const CORES_PER_SLOT: usize = 8;

/// Runs a command line; the result is the exit code.
pub fn run(cli: Cli, screen: &Screen) -> anyhow::Result<u8> {
    match &cli.command {
        Some(Command::Completions { shell }) => return stdout::completions::<Cli>(*shell),
        Some(Command::Keygen { file }) => {
            if file.exists() {
                return Err(exit::usage(format!("{} exists; a key is not written over", file.display())));
            }
            let key = SecretKey::generate()?;
            key.write(file)?;
            stdout::print(format!("{}\n", key.public()).as_bytes())?;
            return Ok(exit::OK);
        }
        None => {}
    }
    cli.legacy.warn();
    let profile = cli.profile.resolve()?;
    stack::prepare_rayon().context("cannot start the threads that prove")?;
    metrics::tasks::families();
    amqp::metrics::families();
    cli.monitor.start("worker", cli::COMMIT)?;
    let broker = Broker::new(&cli.broker).map_err(|error| exit::usage(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(stack::BYTES)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(work(cli, profile, broker, screen));
    // Threads that still prove are not waited for: their tasks were handed back, or will be delivered to others.
    runtime.shutdown_background();
    result
}

async fn work(cli: Cli, profile: Profile, broker: Broker, screen: &Screen) -> anyhow::Result<u8> {
    let mut signals = Signals::listen()?;
    let pod = Pod::here(&cli.pod)?;
    let place = cli.dirs.artifacts()?;
    let artifacts = tokio::select! {
        opened = Artifacts::open(&place) => opened?,
        () = signals.next() => return Err(exit::interrupted("stopped before it took any task")),
    };
    // Known before minutes of preparation.
    let key = cli.work.signing_key.as_deref().map(SecretKey::read).transpose();
    let key = key.map_err(|error| exit::usage(format!("--signing-key: {error}")))?;
    let prepared = async {
        broker.check().await.map_err(|error| exit::usage(error.to_string()))?;
        prepare(&cli, &profile, screen).await
    };
    // Before circuits take their part, which is reckoned with.
    let machine = Machine::look();
    let prover = tokio::select! {
        prover = prepared => prover?,
        () = signals.next() => return Err(exit::interrupted("stopped before it took any task")),
    };
    let memory = match prover {
        Prover::Real(_) => machine::segment_budget(&profile, machine.free),
        Prover::Mock(_) => u64::MAX,
    };
    let slots = slots(&cli, &machine, memory);
    let config = config(&cli, &prover, slots, key);
    tracing::info!(slots, cores = machine.cores, profile = prover.profile(), "ready to prove");
    let (tasks, mut node) = amqp::worker::start(&broker, config, artifacts.clone());
    if let Some(pod) = pod {
        let oldest = node.oldest();
        tokio::spawn(pod::keep(pod, move || oldest.age()));
    }
    let memory = Arc::new(Memory::new(memory));
    for slot in 0..slots {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads((machine.cores / slots).max(1))
            .stack_size(stack::BYTES)
            .build()
            .context("cannot start the threads that prove")?;
        let (tasks, prover, artifacts, memory) = (tasks.clone(), prover.clone(), artifacts.clone(), memory.clone());
        tokio::spawn(serve(Worker { tasks, prover, artifacts, memory, threads: Some(Arc::new(threads)), slot }));
    }
    let mut told = false;
    let end = loop {
        tokio::select! {
            end = node.ended() => break end,
            () = signals.next() => {
                if told {
                    return Err(exit::interrupted("stopped at once; the broker gives its tasks to others"));
                }
                told = true;
                node.drain(Duration::from_secs(cli.work.grace));
            }
        }
    };
    match end {
        End::Drained { finished, handed_back } => {
            tracing::info!(finished, handed_back, "drained");
            Ok(exit::OK)
        }
        End::Refused(reason) => bail!("of no use here: {reason}"),
        End::Fenced(reason) => bail!("fenced by a leader: {reason}"),
    }
}

/// What proves.
async fn prepare(cli: &Cli, profile: &Profile, screen: &Screen) -> anyhow::Result<Prover> {
    if let Some(mock) = cli.work.mock_prover {
        tracing::warn!("MOCK: nothing is proved");
        return Ok(Prover::Mock(mock));
    }
    if profile.security == Security::Test {
        tracing::warn!(
            "profile {} is INSECURE: its proofs have {} bit of security",
            profile.name,
            profile.security.bits()
        );
    }
    let (store, screen) = (Store::new(&cli.dirs.circuits(), profile.clone()), screen.clone());
    let absent = cli.dirs.absent();
    let open = move || progress::open(&store, absent, &screen);
    Ok(Prover::Real(Arc::new(tokio::task::spawn_blocking(open).await.context("preparing circuits ended")??)))
}

/// Tasks at the same time.
fn slots(cli: &Cli, machine: &Machine, memory: u64) -> usize {
    let by_memory = (memory / machine::full_segment_bytes(17)).max(1);
    let by_cores = (machine.cores / CORES_PER_SLOT).max(1);
    cli.work.slots.map_or(by_cores.min(usize::try_from(by_memory).unwrap_or(usize::MAX)), usize::from)
}

fn config(cli: &Cli, prover: &Prover, slots: usize, key: Option<SecretKey>) -> Config {
    let work = &cli.work;
    let mut classes: Vec<_> = work.class.iter().flat_map(|class| class.classes()).collect();
    classes.sort();
    classes.dedup();
    Config {
        name: work
            .name
            .clone()
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| format!("{}-{}", machine::host_name(), std::process::id())),
        classes,
        slots,
        circuits: prover.digest(),
        profile: prover.profile().to_owned(),
        key,
        task_timeout: Duration::from_secs(work.task_timeout.get()),
    }
}

/// Ctrl-C and SIGTERM.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
