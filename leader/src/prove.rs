//! Proving the blocks of a witness, from reading to writing.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use evm_arithmetization::ProofWithPublicValues;
use mpt_trie::partial_trie::PartialTrie;
use ops::artifacts::Artifacts;
use ops::circuits::store::Store;
use ops::circuits::verifier::Verifier;
use ops::circuits::{Circuits, progress};
use ops::digest::Digest;
use ops::log::Screen;
use ops::mock::MockProof;
use ops::profile::Security;
use ops::proof::{self, AnyProof, BlockProof};
use ops::queue::memory;
use ops::serve::{self, Memory, Prover, Worker};
use ops::task::{BlockId, Scope, TaskId};
use ops::witness::{Link, Witness};
use ops::{exit, machine};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Config, Output, Proving};
use crate::decode::{Batch, decode};
use crate::dispatch::{self, Dispatch, Proved, Trust};
use crate::graph::Graph;
use crate::output::Finished;
use crate::plan::{self, BlockPlan};
use crate::progress::BlockProgress;
use crate::queue::Queue;
use crate::summary::Summary;
use crate::{output, source};

/// Runs until done, or until Ctrl-C or SIGTERM.
pub async fn until_interrupted(config: Config, screen: &Screen) -> anyhow::Result<u8> {
    let config = Arc::new(config);
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let work = async {
        match config.test_only {
            true => plan_only(&config).await,
            false => prove(config.clone(), screen).await,
        }
    };
    let kept = match config.proving {
        Proving::Here(_) => "finished tasks are kept, the same command goes on from there",
        Proving::Cluster { .. } => {
            "finished tasks are kept and workers go on with queued ones; the same command goes on from there, `leader queue \
             cancel` stops them"
        }
    };
    let result = tokio::select! {
        result = work => result,
        interrupt = tokio::signal::ctrl_c() => {
            interrupt.context("cannot listen for Ctrl-C")?;
            Err(exit::interrupted(format!("interrupted; {kept}")))
        }
        _ = terminate.recv() => {
            Err(exit::interrupted(format!("terminated; {kept}")))
        }
    };
    screen.end();
    result
}

/// Says what proving would take, block after block.
async fn plan_only(config: &Config) -> anyhow::Result<u8> {
    let mut blocks = source::open(config.witness.clone());
    while let Some(witness) = blocks.recv().await {
        let witness = witness?;
        let gas_used = witness.other_data.b_data.b_meta.block_gas_used.low_u64();
        // Ids are of no use without circuits, so any digest does.
        let (plan, _) = plan_block(config, Digest::of_bytes(&[]), witness).await?;
        output::print_plan(&Summary::new(&plan, gas_used, &config.profile), config.json)?;
    }
    Ok(exit::OK)
}

/// What the blocks of one run share.
#[derive(Clone)]
struct Shared {
    config: Arc<Config>,
    circuits: Digest,
    /// Absent if nothing is proved.
    verifier: Option<Arc<Verifier>>,
    trust: Trust,
    artifacts: Artifacts,
    queue: Queue,
    screen: Screen,
}

/// A block that is being proved.
struct Begun {
    id: TaskId,
    proved: Proved,
    work: JoinHandle<anyhow::Result<Finished>>,
}

async fn prove(config: Arc<Config>, screen: &Screen) -> anyhow::Result<u8> {
    let artifacts = Artifacts::local(&config.artifacts_dir)?;
    let mut blocks = source::open(config.witness.clone());
    // A witness or a previous proof that cannot be read is known before minutes of preparation.
    let Some(mut first) = blocks.recv().await.transpose()? else { return Ok(exit::OK) };
    let previous = config.previous_proof.as_deref().map(read_previous).transpose()?;
    if previous.is_none() {
        first = check_start(&config, first).await?;
    }
    let shared = prepare(config, artifacts, screen).await?;
    let (mut link, first_block) = match &previous {
        Some(previous) => start_after(&shared, previous, &first).await?,
        None => (None, first.number()),
    };
    let mut next = Some(first);
    let mut unreadable = None;
    let mut pool = VecDeque::new();
    let mut proofs = Vec::new();
    loop {
        // Bounded look-ahead: a range of a thousand blocks keeps no more than a few in memory.
        while let Some(witness) = next.take_if(|_| pool.len() < shared.config.block_pool_size) {
            let begun = begin(&shared, witness, link.take(), first_block);
            link = Some((begun.id, begun.proved.clone()));
            pool.push_back(begun);
            next = match blocks.recv().await.transpose() {
                Ok(next) => next,
                // The blocks before it can still be proved.
                Err(error) => {
                    unreadable = Some(error);
                    None
                }
            };
        }
        let Some(begun) = pool.pop_front() else { break };
        let proof = begun.work.await.context("the task of a block ended")??;
        if let Output::Dir(folder) = &shared.config.output {
            output::write_block(folder, &proof)?;
        }
        if !shared.config.keep_intermediate_proofs {
            proofs.clear();
        }
        proofs.push(proof);
    }
    shared.queue.close().await;
    match unreadable {
        Some(error) => Err(error),
        None => output::write_all(&shared.config.output, &proofs).map(|()| exit::OK),
    }
}

/// What proves: circuits and workers of this process, or workers elsewhere.
async fn prepare(config: Arc<Config>, artifacts: Artifacts, screen: &Screen) -> anyhow::Result<Shared> {
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
    if store.digest().is_none() || store.verifier().is_err() {
        tracing::info!("there is no verifier file of profile {} yet: preparing its circuits", config.profile.name);
        drop(open_circuits(config, screen).await?);
    }
    Ok(store.verifier()?)
}

/// Whether a chain of proofs can start with this block: from the state of its checkpoint.
async fn check_start(config: &Config, mut first: Witness) -> anyhow::Result<Witness> {
    if first.mend_rounded_hash() {
        tracing::warn!(
            "other_data.checkpoint_consolidated_hash was rounded, as jq before 1.7 does to large numbers; using the exact value"
        );
    }
    let checked = first.clone();
    let (number, checkpoint) = (first.number(), first.other_data.checkpoint_state_trie_root);
    let batch_size = config.batch_size;
    let batches = tokio::task::spawn_blocking(move || decode(checked, batch_size)).await.context("decoding ended")?;
    let batches = batches.with_context(|| format!("block {number} does not decode"))?;
    let before = batches.first().map(|batch| batch.inputs.tries.state_trie.hash());
    match before.filter(|before| *before != checkpoint) {
        None => Ok(first),
        Some(before) => Err(exit::usage(format!(
            "block {number} starts from state root {before:?}, and its checkpoint is {checkpoint:?}: it can only be proved \
             on top of the block before it, see --previous-proof"
        ))),
    }
}

/// Circuits ready to prove. Off the async threads: a signal must not wait for minutes of preparation.
async fn open_circuits(config: &Arc<Config>, screen: &Screen) -> anyhow::Result<Arc<Circuits>> {
    let (config, screen) = (config.clone(), screen.clone());
    let open = move || progress::open(&Store::new(&config.circuits_dir, config.profile.clone()), &screen);
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
    let worker = Worker {
        tasks: queue.clone(),
        prover: prover.clone(),
        artifacts: artifacts.clone(),
        memory: Arc::new(Memory::new(config.segment_budget())),
        threads: None,
    };
    for _ in 0..*workers {
        tokio::spawn(serve::serve(worker.clone()));
    }
}

/// The proof to build upon: the last one of a file.
fn read_previous(path: &Path) -> anyhow::Result<(String, AnyProof)> {
    let name = format!("--previous-proof {}", path.display());
    let mut proofs = proof::read(path).with_context(|| name.clone())?;
    let last = proofs.pop().with_context(|| format!("{name} is empty"))?;
    Ok((name, last))
}

/// Checks the previous proof, and that the first block follows it; makes it an artifact that a task can name.
async fn start_after(
    shared: &Shared,
    (name, previous): &(String, AnyProof),
    first: &Witness,
) -> anyhow::Result<(Option<(TaskId, Proved)>, u64)> {
    let wrong = |reason: String| exit::usage(format!("{name}: {reason}"));
    let Some(verifier) = &shared.verifier else { return Err(wrong("a mock builds on no proof".to_owned())) };
    let public_values = proof::verify(previous, &shared.config.profile, shared.circuits, &verifier.data)
        .map_err(|rejected| wrong(rejected.to_string()))?;
    let (height, number) = (public_values.block_metadata.block_number.low_u64(), first.number());
    if height + 1 != number {
        return Err(wrong(format!("it is of block {height}, and the first block of the witness is {number}")));
    }
    let checkpoint = public_values.extra_block_data.checkpoint_state_trie_root;
    Link::new(&public_values.block_metadata, &public_values.block_hashes, checkpoint)
        .check_next(first)
        .map_err(|error| wrong(error.to_string()))?;
    let intern = previous.intern().clone();
    let id = Digest::of("previous proof", &intern);
    shared.artifacts.put_output(&id, &ProofWithPublicValues { public_values, intern }).await?;
    let first_block = match previous {
        AnyProof::Known(proof) => proof.first_block,
        AnyProof::Bare(proof) => proof.b_height,
    };
    let (_, proved) = watch::channel(true);
    Ok((Some((id, proved)), first_block))
}

/// Starts to prove a block on top of the one before it.
fn begin(shared: &Shared, witness: Witness, previous: Option<(TaskId, Proved)>, first_block: u64) -> Begun {
    let scope = scope(&shared.config, shared.circuits, &witness);
    let id = scope.block(previous.as_ref().map(|(id, _)| *id));
    let (done, proved) = watch::channel(false);
    let shared = shared.clone();
    let work = tokio::spawn(async move {
        let saved = shared.config.save_inputs_on_error.as_ref().map(|folder| (folder.clone(), witness.clone()));
        let number = witness.number();
        match prove_block(&shared, witness, scope, previous).await {
            Ok(proof) => {
                // Nobody may be waiting: it was the last block.
                done.send_replace(true);
                let Shared { config, circuits, .. } = &shared;
                Ok(match proof {
                    Some(proof) => {
                        Finished::Proof(Box::new(BlockProof::new(&config.profile, *circuits, first_block, &proof)))
                    }
                    None => Finished::Mock(MockProof::new(number)),
                })
            }
            Err(error) => {
                if let Some((folder, witness)) = saved {
                    output::save_witness(&folder, &witness)?;
                }
                Err(error)
            }
        }
    });
    Begun { id, proved, work }
}

/// Proves a block: plan, dispatch, check. The result is absent if nothing is proved.
async fn prove_block(
    shared: &Shared,
    witness: Witness,
    scope: Scope,
    previous: Option<(TaskId, Proved)>,
) -> anyhow::Result<Option<ProofWithPublicValues>> {
    let Shared { config, artifacts, queue, screen, verifier, trust, .. } = shared;
    let id = scope.block(previous.as_ref().map(|(id, _)| *id));
    let (meta, hashes) = (witness.other_data.b_data.b_meta.clone(), witness.other_data.b_data.b_hashes.clone());
    let number = witness.number();
    if let (Some(proof), Some(verifier)) = (artifacts.output(&id).await?, verifier) {
        match proof::verify_intern(&proof.intern, &verifier.data) {
            Ok(_) => {
                tracing::info!(block_number = number, "the block was proved before, reusing its proof");
                return Ok(Some(proof));
            }
            Err(reason) => {
                tracing::warn!(block_number = number, "not reusing the stored proof of the block: {reason}");
                artifacts.remove_output(&id).await?;
            }
        }
    }
    let (plan, batches) = plan_block(config, shared.circuits, witness).await?;
    if verifier.is_some() {
        plan::check(&plan, &config.profile, config.segment_budget())?;
    }
    let mut graph = Graph::new(&plan, previous.as_ref().map(|(id, _)| *id));
    let reused = dispatch::resume(&mut graph, artifacts, trust).await?;
    if reused > 0 {
        tracing::info!(block_number = number, "reusing {reused} finished tasks of {}", graph.len());
    }
    for (index, batch) in batches.iter().enumerate() {
        artifacts.put_inputs(&plan.scope.inputs(index as u32), &batch.inputs).await?;
    }
    drop(batches);
    let tasks: Vec<TaskId> = graph.tasks().map(|task| task.id).collect();
    let mut progress = BlockProgress::new(&plan, config.lanes(), graph.len(), screen);
    let result = Dispatch::new(&plan, graph, queue, artifacts, trust, &mut progress).run(previous).await;
    progress.finish();
    result?;

    let proof = match verifier {
        None => None,
        Some(verifier) => {
            let proof = artifacts.output(&id).await?;
            let proof = proof.context("the proof of the block has vanished from the artifact store")?;
            let proved = proof::verify_intern(&proof.intern, &verifier.data)?;
            if proved.block_metadata != meta || proved.block_hashes != hashes {
                bail!("block {number}: the proof states other block metadata or hashes than the witness");
            }
            Some(proof)
        }
    };
    let gas_used = meta.block_gas_used.low_u64();
    tracing::info!(
        total_txs = plan.transactions(),
        gas_used,
        time_spent = %format!("{}s", progress.elapsed().as_secs()),
        "{} block {number}",
        if proof.is_some() { "Proved" } else { "MOCK, not proved:" }
    );
    if !config.keep_intermediate_proofs {
        for intermediate in tasks.iter().filter(|task| **task != id) {
            artifacts.remove_output(intermediate).await?;
            if proof.is_none() {
                artifacts.remove_mock(intermediate).await?;
            }
        }
        for batch in 0..plan.batches.len() {
            artifacts.remove_inputs(&plan.scope.inputs(batch as u32)).await?;
        }
    }
    Ok(proof)
}

/// Decodes and plans a block, off the async threads.
async fn plan_block(config: &Config, circuits: Digest, witness: Witness) -> anyhow::Result<(BlockPlan, Vec<Batch>)> {
    let number = witness.number();
    let block = BlockId { number, hash: witness.hash() };
    let scope = scope(config, circuits, &witness);
    let batch_size = config.batch_size;
    let work = move || {
        let batches = decode(witness, batch_size).context("it does not decode")?;
        let plan = plan::plan(block, scope, &batches)?;
        Ok::<_, anyhow::Error>((plan, batches))
    };
    tokio::task::spawn_blocking(work).await.context("planning ended")?.with_context(|| format!("block {number}"))
}

fn scope(config: &Config, circuits: Digest, witness: &Witness) -> Scope {
    let Config { batch_size, max_cpu_len_log, .. } = *config;
    Scope { circuits, witness: witness.digest(), batch_size, max_cpu_len_log }
}
