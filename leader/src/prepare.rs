//! What all blocks of a run share: what proves, where proofs are kept, where tasks go.

use std::sync::Arc;

use anyhow::Context;
use ops::artifacts::Artifacts;
use ops::circuits::Circuits;
use ops::circuits::progress::{self, Absent};
use ops::circuits::store::Store;
use ops::circuits::verifier::Verifier;
use ops::digest::Digest;
use ops::log::Screen;
use ops::profile::Security;
use ops::queue::memory;
use ops::serve::{self, Memory, Prover, Worker};
use ops::{exit, machine};

use crate::config::{Config, Proving};
use crate::dispatch::Trust;
use crate::queue::Queue;

/// What the blocks of one run share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// What was asked for.
    pub config: Arc<Config>,
    /// The circuits.
    pub circuits: Digest,
    /// Absent if nothing is proved.
    pub verifier: Option<Arc<Verifier>>,
    /// How outputs are checked.
    pub trust: Trust,
    /// Where inputs and outputs are.
    pub artifacts: Artifacts,
    /// Where tasks go.
    pub queue: Queue,
    /// Where progress is drawn.
    pub screen: Screen,
}

/// What proves: circuits and workers of this process, or workers elsewhere.
pub async fn prepare(config: Arc<Config>, artifacts: Artifacts, screen: &Screen) -> anyhow::Result<Shared> {
    let (profile, bits) = (&config.profile, config.profile.security.bits());
    let warn = || {
        if profile.security == Security::Test {
            tracing::warn!("profile {} is INSECURE: its proofs have {bits} bit of security", profile.name);
        }
    };
    let (circuits, verifier, trust, queue) = match &config.proving {
        Proving::Here(mock) => {
            let prover = match mock {
                Some(mock) => Prover::Mock(*mock),
                None => {
                    warn();
                    Prover::Real(open_circuits(&config, screen).await?)
                }
            };
            let verifier = match &prover {
                Prover::Real(circuits) => Some(Arc::new(Verifier::new(profile.clone(), &circuits.upper)?)),
                Prover::Mock(_) => None,
            };
            let trust = if mock.is_some() { Trust::Mock } else { Trust::Own };
            let queue = memory::Queue::default();
            start_workers(&config, &queue, &prover, &artifacts);
            (prover.digest(), verifier, trust, Queue::Memory(queue))
        }
        Proving::Cluster { broker, cluster, mock } => {
            broker.check().await.map_err(|error| exit::usage(error.to_string()))?;
            let (circuits, verifier, trust) = match mock {
                true => (ops::mock::digest(), None, Trust::Mock),
                false => {
                    warn();
                    let verifier = Arc::new(find_verifier(&config, screen).await?);
                    (verifier.digest, Some(verifier.clone()), Trust::Verify(verifier))
                }
            };
            let profile = if *mock { ops::mock::PROFILE.to_owned() } else { profile.name.clone() };
            let cluster = amqp::leader::Config { circuits, profile, ..*cluster.clone() };
            (circuits, verifier, trust, Queue::Amqp(amqp::leader::Handle::start(broker, cluster)))
        }
    };
    if matches!(trust, Trust::Mock) {
        tracing::warn!("MOCK: nothing is proved");
    }
    Ok(Shared { circuits, verifier, trust, artifacts, queue, screen: screen.clone(), config })
}

/// What checks proofs that others make. The circuits are needed only if it was never written.
async fn find_verifier(config: &Arc<Config>, screen: &Screen) -> anyhow::Result<Verifier> {
    let store = Store::new(&config.circuits_dir, config.profile.clone());
    if config.absent == Absent::Wait {
        let waiting = store.clone();
        tokio::task::spawn_blocking(move || waiting.wait_until_complete())
            .await
            .context("waiting for circuits ended")?;
    } else if store.digest().is_none() || store.verifier().is_err() {
        tracing::info!("there is no verifier file of profile {} yet: preparing its circuits", config.profile.name);
        drop(open_circuits(config, screen).await?);
    }
    Ok(store.verifier()?)
}

/// Circuits ready to prove. Off the async threads: a signal must not wait for minutes of preparation.
async fn open_circuits(config: &Arc<Config>, screen: &Screen) -> anyhow::Result<Arc<Circuits>> {
    let (config, screen) = (config.clone(), screen.clone());
    let open =
        move || progress::open(&Store::new(&config.circuits_dir, config.profile.clone()), config.absent, &screen);
    Ok(Arc::new(tokio::task::spawn_blocking(open).await.context("preparing circuits ended")??))
}

fn start_workers(config: &Config, queue: &memory::Queue, prover: &Prover, artifacts: &Artifacts) {
    let Config { workers, max_cpu_len_log, batch_size, machine, .. } = config;
    let free_gb = format!("{:.1}", machine.free as f64 / machine::GB as f64);
    tracing::info!(
        workers,
        max_cpu_len_log,
        batch_size,
        cores = machine.cores,
        free_gb = %free_gb,
        circuits = prover.digest().short(),
        "ready to prove"
    );
    let memory = Arc::new(Memory::new(config.segment_budget()));
    for slot in 0..*workers {
        let (tasks, prover, artifacts, memory) = (queue.clone(), prover.clone(), artifacts.clone(), memory.clone());
        tokio::spawn(serve::serve(Worker { tasks, prover, artifacts, memory, threads: None, slot }));
    }
}
