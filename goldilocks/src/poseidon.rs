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

mod gate;

#[cfg(target_arch = "x86_64")]
use super::lanes::{Pair, avx2::Avx2, avx512::Avx512};
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
    // Eight permutations take the time of about two single ones.
    unsafe { in_chunks::<Avx512, 8>(states, constants, 3) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(states: &mut [[u64; WIDTH]], constants: &Constants) -> usize {
    unsafe {
        let done = in_chunks::<Pair<Avx2>, 8>(states, constants, 5);
        done + in_chunks::<Avx2, 4>(&mut states[done..], constants, 2)
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

/// Permutes `COUNT` at a time, and of a rest as many as are worth `least` or more; returns how many.
#[inline(always)]
unsafe fn in_chunks<L: Lanes, const COUNT: usize>(
    states: &mut [[u64; WIDTH]],
    constants: &Constants,
    least: usize,
) -> usize {
    const { assert!(COUNT == L::COUNT) };
    let mut done = 0;
    for chunk in states.chunks_mut(COUNT) {
        if chunk.len() < least {
            break;
        }
        let mut columns = [[0; COUNT]; WIDTH];
        for (lane, state) in chunk.iter().enumerate() {
            for (column, value) in columns.iter_mut().zip(state) {
                column[lane] = *value;
            }
        }
        unsafe {
            let mut lanes = [L::splat(0); WIDTH];
            for at in 0..WIDTH {
                lanes[at] = L::load(columns[at].as_ptr());
            }
            permute(&mut lanes, constants);
            for at in 0..WIDTH {
                lanes[at].store(columns[at].as_mut_ptr());
            }
        }
        for (lane, state) in chunk.iter_mut().enumerate() {
            for (column, value) in columns.iter().zip(state) {
                *value = column[lane];
            }
        }
        done += chunk.len();
    }
    done
}

// No closures in what follows: they are functions of their own, compiled without the instructions.
#[inline(always)]
unsafe fn permute<L: Lanes>(state: &mut [L; WIDTH], constants: &Constants) {
    unsafe {
        let field = Field::<L>::new();
        for (element, constant) in state.iter_mut().zip(&constants.before[0]) {
            *element = field.add_small(*element, L::splat(*constant));
        }
        // The constants of a round are added at the end of the one before it.
        for round in 1..=HALF_FULL_ROUNDS {
            full_round(field, state, constants.before.get(round).unwrap_or(&constants.first_partial));
        }

        let (mut low, mut high) = split(field, state);
        let mut first = state[0];
        for (round, constant) in constants.partial.iter().enumerate() {
            if round > 0 && round % ROUNDS_PER_REDUCTION == 0 {
                for at in 1..WIDTH {
                    (low[at], high[at]) = field.split(field.join(low[at], high[at]));
                }
            }
            let [raised] = power_7(field, [first]);
            (low[0], high[0]) = field.split(field.add_small(raised, L::splat(*constant)));
            low = times_matrix(low);
            high = times_matrix(high);
            first = field.join(low[0], high[0]);
        }
        // Two rounds after the last reduction there is room for a constant.
        for at in 0..WIDTH {
            state[at] = field.join_small(low[at].add(L::splat(constants.after[0][at])), high[at]);
        }

        for round in 1..=HALF_FULL_ROUNDS {
            full_round(field, state, constants.after.get(round).unwrap_or(&[0; WIDTH]));
        }
    }
}

/// Raises every element to the 7th power, multiplies by the matrix, and adds what the next round begins with.
#[inline(always)]
unsafe fn full_round<L: Lanes>(field: Field<L>, state: &mut [L; WIDTH], next: &[u64; WIDTH]) {
    unsafe {
        // Several elements side by side hide how long a product takes; all twelve would not fit into the registers.
        for group in state.as_chunks_mut::<4>().0 {
            *group = power_7(field, *group);
        }
        let (low, high) = split(field, state);
        let (low, high) = (times_matrix(low), times_matrix(high));
        for at in 0..WIDTH {
            state[at] = field.join_small(low[at].add(L::splat(next[at])), high[at]);
        }
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
