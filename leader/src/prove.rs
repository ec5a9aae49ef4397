//! Proving the blocks of a witness, from reading to writing.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Context;
use ops::artifacts::Artifacts;
use ops::digest::Digest;
use ops::exit;
use ops::log::Screen;
use ops::witness::Witness;
use tokio::signal::unix::{SignalKind, signal};

use crate::block::{begin, plan_block};
use crate::config::{Config, Output, Proving};
use crate::prepare::prepare;
use crate::previous::{check_start, read_previous, start_after};
use crate::summary::Summary;
use crate::{output, source};

/// Works until done, or until Ctrl-C or SIGTERM.
pub async fn until_interrupted(
    config: &Config,
    screen: &Screen,
    work: impl Future<Output = anyhow::Result<u8>>,
) -> anyhow::Result<u8> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
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

/// Proves the blocks of a witness, or says what that would take.
pub async fn stdio(config: Arc<Config>, screen: &Screen) -> anyhow::Result<u8> {
    match config.test_only {
        true => plan_only(&config).await,
        false => prove(config, screen).await,
    }
}

/// Says what proving would take, block after block.
async fn plan_only(config: &Config) -> anyhow::Result<u8> {
    let mut blocks = source::open(config.witness.clone());
    while let Some(witness) = blocks.recv().await {
        print_block_plan(config, witness?).await?;
    }
    Ok(exit::OK)
}

/// Says what proving a block would take.
pub async fn print_block_plan(config: &Config, witness: Witness) -> anyhow::Result<()> {
    let gas_used = witness.other_data.b_data.b_meta.block_gas_used.low_u64();
    // Ids are of no use without circuits, so any digest does.
    let (plan, _) = plan_block(config, Digest::of_bytes(&[]), witness).await?;
    output::print_plan(&Summary::new(&plan, gas_used, &config.profile), config.json)
}

async fn prove(config: Arc<Config>, screen: &Screen) -> anyhow::Result<u8> {
    let artifacts = Artifacts::open(&config.artifacts).await?;
    let mut blocks = source::open(config.witness.clone());
    // A witness or a previous proof that cannot be read is known before minutes of preparation.
    let Some(mut first) = blocks.recv().await.transpose()? else { return Ok(exit::OK) };
    let previous = config.previous_proof.as_deref().map(|path| read_previous("--previous-proof", path)).transpose()?;
    if previous.is_none() {
        first = check_start(&config, first).await?;
    }
    let shared = prepare(config, artifacts, screen).await?;
    let (mut link, first_block) = match &previous {
        Some(previous) => {
            let (upon, first_block) = start_after(&shared, previous, &first).await?;
            (Some(upon), first_block)
        }
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
            link = Some(begun.link());
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
