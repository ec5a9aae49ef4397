//! The STARK proofs of a segment's tables are shrunk side by side: each has a chain of circuits of its own.

use std::sync::Mutex;
use std::time::Instant;

use super::*;
use crate::stages;

/// How many chains are in progress at once: each holds some hundreds of megabytes, and a few keep many cores busy.
const SIDE_BY_SIDE: usize = 4;

type Proof<F, C, const D: usize> = ProofWithPublicInputs<F, C, D>;

/// The shrunk proof of each table that is in use and has circuits.
pub(super) fn all<F, C, const D: usize>(
    all_proof: &AllProof<F, C, D>,
    circuits: &[Option<(&RecursiveCircuitsForTableSize<F, C, D>, u8)>; NUM_TABLES],
    abort_signal: &Option<Arc<AtomicBool>>,
) -> anyhow::Result<[Option<Proof<F, C, D>>; NUM_TABLES]>
where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F> + 'static,
    C::Hasher: AlgebraicHasher<F>,
{
    let proofs = &all_proof.multi_proof.stark_proofs;
    let challenges = &all_proof.multi_proof.ctl_challenges;
    let mut waiting: Vec<_> = (0..NUM_TABLES)
        .filter(|table| all_proof.table_in_use[*table])
        .filter_map(|table| Some((table, circuits[table]?.0, proofs[table].as_ref()?)))
        .collect();
    // The longest last, which is taken first: nothing waits for one that began late.
    waiting.sort_by_key(|(_, chain, _)| (chain.shrinking_wrappers.len(), chain.initial_wrapper.circuit.common.degree()));
    let (waiting, done) = (Mutex::new(waiting), Mutex::new(Vec::new()));

    plonky2_maybe_rayon::rayon::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE.min(plonky2_maybe_rayon::rayon::current_num_threads()) {
            scope.spawn(|_| {
                while let Some((table, chain, proof)) = pop(&waiting) {
                    let start = Instant::now();
                    let shrunk = check_abort_signal(abort_signal.clone()).and_then(|()| chain.shrink(proof, challenges));
                    let failed = shrunk.is_err();
                    if let Ok(mut done) = done.lock() {
                        done.push((table, shrunk, start.elapsed()));
                    }
                    if failed {
                        break;
                    }
                }
            });
        }
    });

    let mut shrunk = core::array::from_fn(|_| None);
    for (table, proof, time) in done.into_inner().expect("a panic ends the scope") {
        stages::add(stages::RECURSION, table, time);
        shrunk[table] = Some(proof?);
    }
    check_abort_signal(abort_signal.clone())?;
    Ok(shrunk)
}

fn pop<T>(waiting: &Mutex<Vec<T>>) -> Option<T> {
    waiting.lock().ok()?.pop()
}
