//! Poseidon of width 12 over Goldilocks (<https://eprint.iacr.org/2019/458>, with plonky2's constants and its matrix),
//! as many permutations at once as there are lanes.
//!
//! What makes it fast, against a permutation after the other with the sparse matrices that suit those:
//!
//! - The matrix is circulant but for one entry, and its discrete Fourier transform of size 4 consists of powers of two:
//!   multiplying by it takes shifts and additions only, on the lower and the upper 32 bits of the elements apart.
//! - In the 22 partial rounds eleven of the twelve elements pass through nothing but the matrix. They are reduced
//!   modulo p after four rounds rather than one: their halves grow from 32 to 40.2, 48.1, 56 and 63.9 bits.
//! - Round constants are added to the lower halves before they are reduced.
//! - A partial round raises one element after what the round before made of it, and instructions of one state would wait
//!   for each other: two vectors of states go through the partial rounds side by side.

mod gate;

#[cfg(target_arch = "x86_64")]
use super::lanes::{avx2::Avx2, avx512::Avx512};
use super::{Level, field::Field, lanes::Lanes};

/// Elements of a state.
pub const WIDTH: usize = 12;

/// The first row of the circulant part of the matrix that the kernel multiplies by; [`DIAGONAL`] is added to it.
pub const CIRCULANT: [u64; WIDTH] = [17, 15, 41, 16, 2, 28, 13, 13, 39, 18, 34, 20];
/// The diagonal part of the matrix.
pub const DIAGONAL: [u64; WIDTH] = [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Full rounds before the partial ones, and as many after.
const HALF_FULL_ROUNDS: usize = 4;
/// Rounds that raise only the first element.
const PARTIAL_ROUNDS: usize = 22;
/// Partial rounds until the eleven elements are reduced: a fifth would not fit into 64 bits.
const ROUNDS_PER_REDUCTION: usize = 4;
/// Of any vector.
const MOST_LANES: usize = 8;

/// The constants of the rounds.
#[derive(Debug)]
pub struct Constants {
    before: [[u64; WIDTH]; HALF_FULL_ROUNDS],
    first_partial: [u64; WIDTH],
    partial: [u64; PARTIAL_ROUNDS],
    after: [[u64; WIDTH]; HALF_FULL_ROUNDS],
}

impl Constants {
    /// Of a permutation with 30 rounds: `all` holds the constants by round and element; `first_partial` and `partial`
    /// stand for those of the partial rounds, moved through the matrix so that after the first round only the first
    /// element takes one (`FAST_PARTIAL_FIRST_ROUND_CONSTANT` and `FAST_PARTIAL_ROUND_CONSTANTS` in plonky2).
    ///
    /// # Panics
    ///
    /// Where one is too large to be added without a second reduction, when it is evaluated: in a constant.
    pub const fn new(
        all: &[u64; WIDTH * (2 * HALF_FULL_ROUNDS + PARTIAL_ROUNDS)],
        first_partial: [u64; WIDTH],
        partial: [u64; PARTIAL_ROUNDS],
    ) -> Self {
        const LIMIT: u64 = u64::MAX - (1 << 52);
        let mut constants = Self {
            before: [[0; WIDTH]; HALF_FULL_ROUNDS],
            first_partial,
            partial,
            after: [[0; WIDTH]; HALF_FULL_ROUNDS],
        };
        let mut at = 0;
        while at < HALF_FULL_ROUNDS * WIDTH {
            constants.before[at / WIDTH][at % WIDTH] = all[at];
            constants.after[at / WIDTH][at % WIDTH] = all[at + (HALF_FULL_ROUNDS + PARTIAL_ROUNDS) * WIDTH];
            assert!(
                constants.before[at / WIDTH][at % WIDTH] < LIMIT && constants.after[at / WIDTH][at % WIDTH] < LIMIT
            );
            assert!(first_partial[at % WIDTH] < LIMIT && partial[at % PARTIAL_ROUNDS] < LIMIT);
            at += 1;
        }
        constants
    }
}

/// Permutes states from the front and returns how many: all of them, or none where there are too few for lanes to pay
/// or [`Level::current`] has none, or all but the last few.
pub fn permute_many(states: &mut [[u64; WIDTH]], constants: &Constants) -> usize {
    permute_many_at(Level::current(), states, constants)
}

/// Evaluates the constraints of plonky2's `PoseidonGate` at several points: `wires` holds the value of wire `i` at
/// point `j` in place `i * points + j`, and `constraints` takes that of constraint `i` likewise, in plonky2's order.
/// Returns false, and does nothing, where [`Level::current`] has no lanes or they do not divide the points.
pub fn evaluate_gate(wires: &[u64], points: usize, constraints: &mut [u64], constants: &Constants) -> bool {
    evaluate_gate_at(Level::current(), wires, points, constraints, constants)
}

/// [`evaluate_gate`] with the instructions of `level`, or of [`Level::best`] where that is less.
pub fn evaluate_gate_at(
    level: Level,
    wires: &[u64],
    points: usize,
    constraints: &mut [u64],
    constants: &Constants,
) -> bool {
    assert!(wires.len() >= gate::WIRES * points, "too few wires");
    assert_eq!(constraints.len(), gate::CONSTRAINTS * points);
    match level.min(Level::best()) {
        // SAFETY: the processor has them.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 if points % 8 == 0 => unsafe { gate_avx512(wires, points, constraints, constants) },
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 if points % 4 == 0 => unsafe { gate_avx2(wires, points, constraints, constants) },
        _ => return false,
    }
    true
}

/// [`permute_many`] with the instructions of `level`, or of [`Level::best`] where that is less.
pub fn permute_many_at(level: Level, states: &mut [[u64; WIDTH]], constants: &Constants) -> usize {
    match level.min(Level::best()) {
        // SAFETY: the processor has them.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(states, constants) },
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(states, constants) },
        _ => 0,
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
unsafe fn avx512(states: &mut [[u64; WIDTH]], constants: &Constants) -> usize {
    unsafe {
        let done = in_chunks::<Avx512, 2>(states, constants, 9);
        // Eight permutations take the time of about two single ones.
        done + in_chunks::<Avx512, 1>(&mut states[done..], constants, 3)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(states: &mut [[u64; WIDTH]], constants: &Constants) -> usize {
    unsafe {
        let done = in_chunks::<Avx2, 2>(states, constants, 5);
        done + in_chunks::<Avx2, 1>(&mut states[done..], constants, 2)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
unsafe fn gate_avx512(wires: &[u64], points: usize, constraints: &mut [u64], constants: &Constants) {
    unsafe { gate::evaluate::<Avx512>(wires, points, constraints, constants) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn gate_avx2(wires: &[u64], points: usize, constraints: &mut [u64], constants: &Constants) {
    unsafe { gate::evaluate::<Avx2>(wires, points, constraints, constants) }
}

/// Permutes as many at a time as `GROUPS` vectors hold, one or two, and of a rest as many as are worth `least` or more;
/// returns how many.
#[inline(always)]
unsafe fn in_chunks<L: Lanes, const GROUPS: usize>(
    states: &mut [[u64; WIDTH]],
    constants: &Constants,
    least: usize,
) -> usize {
    const { assert!(GROUPS == 1 || GROUPS == 2) };
    let mut done = 0;
    let mut filled_up = [[0; WIDTH]; 2 * MOST_LANES];
    for chunk in states.chunks_mut(GROUPS * L::COUNT) {
        if chunk.len() < least {
            break;
        }
        let whole = chunk.len() == GROUPS * L::COUNT;
        let rows = if whole {
            chunk.as_mut_ptr()
        } else {
            filled_up[..chunk.len()].copy_from_slice(chunk);
            filled_up.as_mut_ptr()
        };
        unsafe {
            let mut groups = [[L::splat(0); WIDTH]; GROUPS];
            for at in 0..GROUPS {
                groups[at] = load(rows.add(at * L::COUNT).cast());
            }
            permute(&mut groups, constants);
            for at in 0..GROUPS {
                store(&groups[at], rows.add(at * L::COUNT).cast());
            }
        }
        if !whole {
            chunk.copy_from_slice(&filled_up[..chunk.len()]);
        }
        done += chunk.len();
    }
    done
}

/// Element by element what lies in memory state by state. Twelve are one and a half times eight lanes: blocks overlap.
#[inline(always)]
unsafe fn load<L: Lanes>(rows: *const u64) -> [L; WIDTH] {
    unsafe {
        let mut state = [L::splat(0); WIDTH];
        for first in (0..WIDTH).step_by(L::COUNT) {
            let first = first.min(WIDTH - L::COUNT);
            let mut block = [state[0]; MOST_LANES];
            for row in 0..L::COUNT {
                block[row] = L::load(rows.add(row * WIDTH + first));
            }
            L::transpose(&mut block[..L::COUNT]);
            state[first..first + L::COUNT].copy_from_slice(&block[..L::COUNT]);
        }
        state
    }
}

/// The inverse of [`load`].
#[inline(always)]
unsafe fn store<L: Lanes>(state: &[L; WIDTH], rows: *mut u64) {
    unsafe {
        for first in (0..WIDTH).step_by(L::COUNT) {
            let first = first.min(WIDTH - L::COUNT);
            let mut block = [state[0]; MOST_LANES];
            block[..L::COUNT].copy_from_slice(&state[first..first + L::COUNT]);
            L::transpose(&mut block[..L::COUNT]);
            for row in 0..L::COUNT {
                block[row].store(rows.add(row * WIDTH + first));
            }
        }
    }
}

// No closures in what follows: they are functions of their own, compiled without the instructions.
#[inline(always)]
unsafe fn permute<L: Lanes, const GROUPS: usize>(groups: &mut [[L; WIDTH]; GROUPS], constants: &Constants) {
    unsafe {
        let field = Field::<L>::new();
        for state in &mut *groups {
            for (element, constant) in state.iter_mut().zip(&constants.before[0]) {
                *element = field.add_small(*element, L::splat(*constant));
            }
            // The constants of a round are added at the end of the one before it.
            for round in 1..=HALF_FULL_ROUNDS {
                full_round(field, state, constants.before.get(round).unwrap_or(&constants.first_partial));
            }
        }
        partial_rounds(field, groups, constants);
        for state in &mut *groups {
            for round in 1..=HALF_FULL_ROUNDS {
                full_round(field, state, constants.after.get(round).unwrap_or(&[0; WIDTH]));
            }
        }
    }
}

#[inline(always)]
unsafe fn partial_rounds<L: Lanes, const GROUPS: usize>(
    field: Field<L>,
    groups: &mut [[L; WIDTH]; GROUPS],
    constants: &Constants,
) {
    unsafe {
        let (mut low, mut high) = (*groups, *groups);
        let mut first = [groups[0][0]; GROUPS];
        for at in 0..GROUPS {
            (low[at], high[at]) = split(field, &groups[at]);
            first[at] = groups[at][0];
        }
        for (round, constant) in constants.partial.iter().enumerate() {
            if round > 0 && round % ROUNDS_PER_REDUCTION == 0 {
                for at in 0..GROUPS {
                    reduce_rest(field, &mut low[at], &mut high[at]);
                }
            }
            let raised = power_7(field, first);
            // Not a loop: the compiler would leave it one, and nothing of one group would be done beside the other.
            first[0] = partial_round(field, &mut low[0], &mut high[0], raised[0], *constant);
            if GROUPS == 2 {
                let at = GROUPS - 1;
                first[at] = partial_round(field, &mut low[at], &mut high[at], raised[at], *constant);
            }
        }
        for at in 0..GROUPS {
            groups[at] = join_with(field, low[at], high[at], &constants.after[0]);
        }
    }
}

/// What a partial round does after the first element was raised; returns the first element of the next.
#[inline(always)]
unsafe fn partial_round<L: Lanes>(
    field: Field<L>,
    low: &mut [L; WIDTH],
    high: &mut [L; WIDTH],
    raised: L,
    constant: u64,
) -> L {
    unsafe {
        (low[0], high[0]) = field.split(field.add_small(raised, L::splat(constant)));
        *low = times_matrix(*low);
        *high = times_matrix(*high);
        field.join(low[0], high[0])
    }
}

/// Reduces all elements but the first, which every partial round reduces.
#[inline(always)]
unsafe fn reduce_rest<L: Lanes>(field: Field<L>, low: &mut [L; WIDTH], high: &mut [L; WIDTH]) {
    for at in 1..WIDTH {
        unsafe { (low[at], high[at]) = field.split(field.join(low[at], high[at])) };
    }
}

/// A state from its halves after one round, or two since they were reduced, with the constants of the next: there is room
/// for them.
#[inline(always)]
unsafe fn join_with<L: Lanes>(
    field: Field<L>,
    low: [L; WIDTH],
    high: [L; WIDTH],
    constants: &[u64; WIDTH],
) -> [L; WIDTH] {
    let mut state = low;
    for at in 0..WIDTH {
        state[at] = unsafe { field.join_small(low[at].add(L::splat(constants[at])), high[at]) };
    }
    state
}

/// Raises every element to the 7th power, multiplies by the matrix, and adds what the next round begins with.
#[inline(always)]
unsafe fn full_round<L: Lanes>(field: Field<L>, state: &mut [L; WIDTH], next: &[u64; WIDTH]) {
    unsafe {
        // Several elements side by side hide how long a product takes; all twelve would not fit into the registers. A loop
        // would keep what it is not at in memory.
        let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11] = *state;
        let [s0, s1, s2, s3] = power_7(field, [s0, s1, s2, s3]);
        let [s4, s5, s6, s7] = power_7(field, [s4, s5, s6, s7]);
        let [s8, s9, s10, s11] = power_7(field, [s8, s9, s10, s11]);
        let (low, high) = split(field, &[s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11]);
        *state = join_with(field, times_matrix(low), times_matrix(high), next);
    }
}

#[inline(always)]
unsafe fn power_7<L: Lanes, const N: usize>(field: Field<L>, x: [L; N]) -> [L; N] {
    unsafe {
        let (mut x2, mut x3, mut x4, mut x7) = (x, x, x, x);
        for at in 0..N {
            x2[at] = field.square(x[at]);
        }
        for at in 0..N {
            x3[at] = field.mul(x2[at], x[at]);
            x4[at] = field.square(x2[at]);
        }
        for at in 0..N {
            x7[at] = field.mul(x3[at], x4[at]);
        }
        x7
    }
}

/// The lower and the upper halves of a state.
#[inline(always)]
unsafe fn split<L: Lanes>(field: Field<L>, state: &[L; WIDTH]) -> ([L; WIDTH], [L; WIDTH]) {
    let (mut low, mut high) = (*state, *state);
    for at in 0..WIDTH {
        (low[at], high[at]) = unsafe { field.split(state[at]) };
    }
    (low, high)
}

/// The product of the matrix with `v`, as integers modulo 2^64.
///
/// With `X^12 = 1` the circulant part multiplies polynomials. A transform of size 4 over `X^3` splits that into a
/// product modulo `X^3 - 1` with `16 + 32 X + 16 X^2`, one modulo `X^3 + 1` with `-1 - 8 X + 2 X^2`, and one modulo
/// `X^3 - i` with `(2 + i) - (4 + i) X + (16 - i) X^2`: the transform of the first column, divided by 4, and by 2 in
/// the complex part, which counts twice on the way back.
#[inline(always)]
unsafe fn times_matrix<L: Lanes>(v: [L; WIDTH]) -> [L; WIDTH] {
    unsafe {
        let mut sums = [v[0]; 3];
        let mut differences = sums;
        let mut real = sums;
        let mut imaginary = sums;
        for at in 0..3 {
            let (even, odd) = (v[at].add(v[at + 6]), v[at + 3].add(v[at + 9]));
            sums[at] = even.add(odd);
            differences[at] = even.sub(odd);
            real[at] = v[at].sub(v[at + 6]);
            imaginary[at] = v[at + 3].sub(v[at + 9]);
        }

        let total = sums[0].add(sums[1]).add(sums[2]);
        let one = [total.add(sums[2]).shl::<4>(), total.add(sums[0]).shl::<4>(), total.add(sums[1]).shl::<4>()];

        let [d0, d1, d2] = differences;
        let minus = [
            d2.shl::<3>().sub(d1.shl::<1>()).sub(d0),
            L::splat(0).sub(d0.shl::<3>()).sub(d1).sub(d2.shl::<1>()),
            d0.shl::<1>().sub(d1.shl::<3>()).sub(d2),
        ];

        let ([e0, e1, e2], [f0, f1, f2]) = (real, imaginary);
        // Real and imaginary parts.
        let x = [
            e0.shl::<1>().sub(f0).add(e1.sub(f1.shl::<4>())).add(e2.add(f2.shl::<2>())),
            f0.sub(e0.shl::<2>()).add(e1.shl::<1>().sub(f1)).add(e2.sub(f2.shl::<4>())),
            e0.shl::<4>().add(f0).add(f1.sub(e1.shl::<2>())).add(e2.shl::<1>().sub(f2)),
        ];
        let y = [
            e0.add(f0.shl::<1>()).add(e1.shl::<4>().add(f1)).add(f2.sub(e2.shl::<2>())),
            e1.add(f1.shl::<1>()).add(e2.shl::<4>().add(f2)).sub(e0.add(f0.shl::<2>())),
            f0.shl::<4>().sub(e0).sub(e1.add(f1.shl::<2>())).add(e2.add(f2.shl::<1>())),
        ];

        let mut product = v;
        for at in 0..3 {
            let (even, odd) = (one[at].add(minus[at]), one[at].sub(minus[at]));
            product[at] = even.add(x[at]);
            product[at + 3] = odd.add(y[at]);
            product[at + 6] = even.sub(x[at]);
            product[at + 9] = odd.sub(y[at]);
        }
        product[0] = product[0].add(v[0].shl::<3>());
        product
    }
}
