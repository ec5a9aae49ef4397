//! Hashing of several independent things at once, in vector lanes: the leaves and the inner nodes of Merkle trees, and
//! the candidates of a proof of work. Digests and tree layout are those of `merkle_tree.rs`.
//!
//! Only Poseidon over Goldilocks has lanes ([`kernels::poseidon`]); everything else is hashed one by one.

use std::{mem::MaybeUninit, ops::Range, slice};

use plonky2_field::{
    goldilocks_field::GoldilocksField,
    kernels::poseidon::{self, Constants, WIDTH},
    types::Field,
};
use plonky2_maybe_rayon::*;

use crate::{
    hash::{
        hash_types::{HashOut, RichField, NUM_HASH_OUT_ELTS},
        hashing::PlonkyPermutation,
        merkle_tree::leaves::Leaves,
        poseidon::{Poseidon, PoseidonHash, ALL_ROUND_CONSTANTS, SPONGE_RATE},
    },
    plonk::config::Hasher,
};

/// Of the rounds.
pub(crate) const CONSTANTS: Constants = Constants::new(
    &ALL_ROUND_CONSTANTS,
    GoldilocksField::FAST_PARTIAL_FIRST_ROUND_CONSTANT,
    GoldilocksField::FAST_PARTIAL_ROUND_CONSTANTS,
);

/// Leaves of the subtrees that one thread hashes layer by layer; above them trees are divided among threads. Of a
/// subtree this large the layers with fewer nodes than lanes are a small part.
const SUBTREE: usize = 128;
/// Rows that are absorbed side by side: two vectors' worth, whose next part still fits into the first cache.
const ROWS: usize = 16;
/// Candidates of a proof of work that are tried between two looks at whether another thread has found one.
const CANDIDATES: usize = 64;

/// `merkle_tree::fill_digests_buf`: fills in the digests below the cap, and the cap.
pub(crate) fn fill_digests<F: RichField, H: Hasher<F>>(
    digests: &mut [MaybeUninit<H::Hash>],
    cap: &mut [MaybeUninit<H::Hash>],
    leaves: &Leaves<F>,
) {
    let rows = leaves.len() / cap.len();
    let fill = |(at, (digests, cap)): (usize, (&mut [_], &mut MaybeUninit<_>))| {
        cap.write(<H as Subtree<F>>::fill(digests, leaves, at * rows..(at + 1) * rows));
    };
    match digests.len() / cap.len() {
        // All cap.
        0 => cap.par_iter_mut().enumerate().for_each(|(at, cap)| fill((at, (&mut [], cap)))),
        length => digests.par_chunks_exact_mut(length).zip(cap).enumerate().for_each(fill),
    }
}

/// `find_any` over all witnesses: one for which the last element that the sponge gives has enough leading zeros, when
/// the witness is put into `state` at `position` first.
pub(crate) fn grind<F: RichField, H: Hasher<F>>(
    state: H::Permutation,
    position: usize,
    min_leading_zeros: u32,
) -> Option<u64> {
    let enough = |state: &H::Permutation| {
        let response = state.squeeze().last().expect("a rate above zero");
        response.to_canonical_u64().leading_zeros() >= min_leading_zeros
    };
    (0..F::ORDER / CANDIDATES as u64).into_par_iter().find_map_any(|chunk| {
        let first = chunk * CANDIDATES as u64;
        let mut states = [state; CANDIDATES];
        for (candidate, state) in (first..).zip(&mut states) {
            state.set_elt(F::from_canonical_u64(candidate), position);
        }
        <H as Subtree<F>>::permute(&mut states);
        (first..).zip(&states).find(|(_, state)| enough(state)).map(|(candidate, _)| candidate)
    })
}

/// What hashers do one by one unless they have lanes.
trait Subtree<F: RichField>: Hasher<F> {
    /// Fills in the digests below the node above some of the leaves, and returns the node's own.
    fn fill(digests: &mut [MaybeUninit<Self::Hash>], leaves: &Leaves<F>, range: Range<usize>) -> Self::Hash;
    fn permute(states: &mut [Self::Permutation]);
}

impl<F: RichField, H: Hasher<F>> Subtree<F> for H {
    default fn fill(digests: &mut [MaybeUninit<Self::Hash>], leaves: &Leaves<F>, range: Range<usize>) -> Self::Hash {
        match range.len() {
            1 => H::hash_or_noop(&leaves[range.start]),
            _ => fill_halves::<F, H>(digests, leaves, range),
        }
    }

    default fn permute(states: &mut [Self::Permutation]) {
        states.iter_mut().for_each(PlonkyPermutation::permute);
    }
}

/// A subtree of two leaves or more, its halves on two threads.
fn fill_halves<F: RichField, H: Hasher<F>>(
    digests: &mut [MaybeUninit<H::Hash>],
    leaves: &Leaves<F>,
    range: Range<usize>,
) -> H::Hash {
    let middle = range.start + range.len() / 2;
    let (left, right) = digests.split_at_mut(digests.len() / 2);
    if let ([left @ .., left_digest], [right_digest, right @ ..]) = (left, right) {
        let fill = <H as Subtree<F>>::fill;
        let (l, r) = plonky2_maybe_rayon::join(
            || fill(left, leaves, range.start..middle),
            || fill(right, leaves, middle..range.end),
        );
        H::two_to_one(*left_digest.write(l), *right_digest.write(r))
    } else {
        unreachable!("a node has two children");
    }
}

impl Subtree<GoldilocksField> for PoseidonHash {
    fn fill(digests: &mut [MaybeUninit<Digest>], leaves: &Leaves<GoldilocksField>, range: Range<usize>) -> Digest {
        match range.len() {
            1 => <Self as Hasher<GoldilocksField>>::hash_or_noop(&leaves[range.start]),
            ..=SUBTREE => fill_layers(digests, leaves, range),
            _ => fill_halves::<GoldilocksField, Self>(digests, leaves, range),
        }
    }

    fn permute(states: &mut [<Self as Hasher<GoldilocksField>>::Permutation]) {
        let mut arrays: Vec<State> = states.iter().map(|state| state.as_ref().try_into().expect("the width")).collect();
        permute_all(&mut arrays);
        for (state, array) in states.iter_mut().zip(&arrays) {
            state.set_from_slice(array, 0);
        }
    }
}

type Digest = HashOut<GoldilocksField>;
type State = [GoldilocksField; WIDTH];

/// A subtree of two leaves or more, one layer after the other. The pairs of siblings of layer `i` (0: the leaves) lie
/// `2^(i + 2)` digests apart, the first at `2^(i + 1) - 2`.
fn fill_layers(
    digests: &mut [MaybeUninit<Digest>],
    leaves: &Leaves<GoldilocksField>,
    range: Range<usize>,
) -> Digest {
    let place = |layer: u32, node: usize| ((node / 2) << (layer + 2)) + (2 << layer) - 2 + node % 2;
    let mut nodes = hash_leaves(leaves, range);
    let mut layer = 0;
    while nodes.len() > 1 {
        for (at, node) in nodes.iter().enumerate() {
            digests[place(layer, at)].write(*node);
        }
        nodes = hash_pairs(&nodes);
        layer += 1;
    }
    nodes[0]
}

/// `hash_or_noop` of each of some leaves.
fn hash_leaves(leaves: &Leaves<GoldilocksField>, range: Range<usize>) -> Vec<Digest> {
    let width = leaves.width();
    if width <= NUM_HASH_OUT_ELTS {
        return range.map(|at| <PoseidonHash as Hasher<GoldilocksField>>::hash_or_noop(&leaves[at])).collect();
    }
    let mut digests = Vec::with_capacity(range.len());
    for first in range.clone().step_by(ROWS) {
        let mut states = [[GoldilocksField::ZERO; WIDTH]; ROWS];
        let states = &mut states[..ROWS.min(range.end - first)];
        for start in (0..width).step_by(SPONGE_RATE) {
            for (at, state) in (first..).zip(&mut *states) {
                let part = &leaves[at][start..width.min(start + SPONGE_RATE)];
                state[..part.len()].copy_from_slice(part);
            }
            permute_all(states);
        }
        digests.extend(states.iter().map(digest));
    }
    digests
}

/// `two_to_one` of each two neighbours.
fn hash_pairs(nodes: &[Digest]) -> Vec<Digest> {
    let mut states: Vec<State> = nodes
        .chunks_exact(2)
        .map(|pair| {
            let mut state = [GoldilocksField::ZERO; WIDTH];
            state[..NUM_HASH_OUT_ELTS].copy_from_slice(&pair[0].elements);
            state[NUM_HASH_OUT_ELTS..2 * NUM_HASH_OUT_ELTS].copy_from_slice(&pair[1].elements);
            state
        })
        .collect();
    permute_all(&mut states);
    states.iter().map(digest).collect()
}

fn digest(state: &State) -> Digest {
    HashOut { elements: [state[0], state[1], state[2], state[3]] }
}

/// Permutes every state: in lanes, and those that are left over one by one.
fn permute_all(states: &mut [State]) {
    // SAFETY: a field element is a `u64` and nothing else (`repr(transparent)`), and every `u64` is one.
    let integers = unsafe { slice::from_raw_parts_mut(states.as_mut_ptr().cast::<[u64; WIDTH]>(), states.len()) };
    let done = poseidon::permute_many(integers, &CONSTANTS);
    for state in &mut states[done..] {
        *state = GoldilocksField::poseidon(*state);
    }
}
