//! The constraints of a gate that computes a permutation: the inputs of all S-boxes but the first twelve are wires, and
//! each constraint says that one of them is what the rounds before make of the others.
//!
//! Wires: 12 inputs, 12 outputs, whether the first four inputs change places with the next four, what that adds to the
//! first four, then the inputs of S-boxes, round by round. As in plonky2's `gates/poseidon.rs`.

use super::{
    super::{field::Field, lanes::Lanes},
    Constants, HALF_FULL_ROUNDS, PARTIAL_ROUNDS, ROUNDS_PER_REDUCTION, WIDTH, full_round, join_with, partial_round,
    power_7, reduce_rest, split,
};

const OUTPUT: usize = WIDTH;
const SWAP: usize = 2 * WIDTH;
const DELTA: usize = SWAP + 1;
/// Elements that can change places.
const SWAPPED: usize = 4;
const FIRST_FULL: usize = DELTA + SWAPPED;
const PARTIAL: usize = FIRST_FULL + (HALF_FULL_ROUNDS - 1) * WIDTH;
const SECOND_FULL: usize = PARTIAL + PARTIAL_ROUNDS;

/// Wires that the gate looks at.
pub(super) const WIRES: usize = SECOND_FULL + HALF_FULL_ROUNDS * WIDTH;
/// One for each wire that is computed from others, and one for the swap to be 0 or 1.
pub(super) const CONSTRAINTS: usize = WIRES - WIDTH;

/// Where the next constraint goes.
struct Out {
    at: *mut u64,
    points: usize,
}

impl Out {
    #[inline(always)]
    unsafe fn put<L: Lanes>(&mut self, constraint: L) {
        unsafe {
            constraint.store(self.at);
            self.at = self.at.add(self.points);
        }
    }
}

#[inline(always)]
pub(super) unsafe fn evaluate<L: Lanes>(wires: &[u64], points: usize, constraints: &mut [u64], constants: &Constants) {
    unsafe {
        let field = Field::<L>::new();
        for point in (0..points).step_by(L::COUNT) {
            let wires = wires.as_ptr().add(point);
            let out = Out { at: constraints.as_mut_ptr().add(point), points };
            at_points(field, wires, points, out, constants);
        }
    }
}

/// The wire `index` at some points.
#[inline(always)]
unsafe fn wire<L: Lanes>(wires: *const u64, points: usize, index: usize) -> L {
    unsafe { L::load(wires.add(index * points)) }
}

#[inline(always)]
unsafe fn at_points<L: Lanes>(field: Field<L>, wires: *const u64, points: usize, mut out: Out, constants: &Constants) {
    unsafe {
        let swap: L = wire(wires, points, SWAP);
        out.put(field.mul(swap, field.sub_small(swap, L::splat(1))));
        let mut state = [swap; WIDTH];
        for at in 0..WIDTH {
            state[at] = wire(wires, points, at);
        }
        for at in 0..SWAPPED {
            let delta = field.canonical(wire(wires, points, DELTA + at));
            let (left, right) = (state[at], state[at + SWAPPED]);
            let swapped = field.mul(swap, field.sub_small(right, field.canonical(left)));
            out.put(field.sub_small(swapped, delta));
            state[at] = field.add_small(left, delta);
            state[at + SWAPPED] = field.sub_small(right, delta);
        }

        for at in 0..WIDTH {
            state[at] = field.add_small(state[at], L::splat(constants.before[0][at]));
        }
        for round in 0..HALF_FULL_ROUNDS {
            if round > 0 {
                take_wires(field, &mut state, wires, points, FIRST_FULL + (round - 1) * WIDTH, &mut out);
            }
            let next =
                if round + 1 < HALF_FULL_ROUNDS { &constants.before[round + 1] } else { &constants.first_partial };
            full_round(field, &mut state, next);
        }

        let (mut low, mut high) = split(field, &state);
        let mut first = state[0];
        for round in 0..PARTIAL_ROUNDS {
            if round > 0 && round % ROUNDS_PER_REDUCTION == 0 {
                reduce_rest(field, &mut low, &mut high);
            }
            let input: L = wire(wires, points, PARTIAL + round);
            out.put(field.sub_small(first, field.canonical(input)));
            let [raised] = power_7(field, [input]);
            first = partial_round(field, &mut low, &mut high, raised, constants.partial[round]);
        }
        state = join_with(field, low, high, &constants.after[0]);

        for round in 0..HALF_FULL_ROUNDS {
            take_wires(field, &mut state, wires, points, SECOND_FULL + round * WIDTH, &mut out);
            let next = if round + 1 < HALF_FULL_ROUNDS { &constants.after[round + 1] } else { &[0; WIDTH] };
            full_round(field, &mut state, next);
        }
        for at in 0..WIDTH {
            let output = field.canonical(wire(wires, points, OUTPUT + at));
            out.put(field.sub_small(state[at], output));
        }
    }
}

/// A constraint for each element, which is replaced by the wire that it must equal.
#[inline(always)]
unsafe fn take_wires<L: Lanes>(
    field: Field<L>,
    state: &mut [L; WIDTH],
    wires: *const u64,
    points: usize,
    first: usize,
    out: &mut Out,
) {
    unsafe {
        for at in 0..WIDTH {
            let input: L = wire(wires, points, first + at);
            out.put(field.sub_small(state[at], field.canonical(input)));
            state[at] = input;
        }
    }
}
