//! The discrete Fourier transform, in place, from natural to bit-reversed order: the value at `w^i` comes to lie where
//! the bits of `i`, read backwards, say. That is the order of the leaves of a Merkle tree in plonky2, and the transform
//! of each coset of a low-degree extension gives a contiguous part of it.
//!
//! Decimation in frequency, two layers a pass, the largest first; parts that fit into the first cache are finished
//! before the next is begun.

use std::{sync::OnceLock, vec::Vec};

#[cfg(target_arch = "x86_64")]
use super::lanes::{avx2::Avx2, avx512::Avx512};
use super::{
    Level,
    field::{Field, ORDER},
    lanes::Lanes,
};

/// An element of order 2^32, whose powers are plonky2's primitive roots of unity.
pub const TWO_ADIC_GENERATOR: u64 = 7_277_203_076_849_721_926;
/// The logarithm of its order.
const TWO_ADICITY: u32 = 32;

/// The logarithm of how many elements the first cache holds, with their roots: 16 KiB of 32 or 48.
const LOG_CACHED: u32 = 11;

/// Transforms `values`, a power of two of them. Returns false, and does nothing, where they are too few or
/// [`Level::current`] has no lanes.
pub fn forward(values: &mut [u64]) -> bool {
    forward_at(Level::current(), values)
}

/// [`forward`] with the instructions of `level`, or of [`Level::best`] where that is less.
pub fn forward_at(level: Level, values: &mut [u64]) -> bool {
    assert!(values.len().is_power_of_two(), "{} values have no transform here", values.len());
    match level.min(Level::best()) {
        // SAFETY: the processor has them.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 if values.len() >= 64 => unsafe { avx512(values) },
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 if values.len() >= 16 => unsafe { avx2(values) },
        _ => return false,
    }
    true
}

/// The products of `a` and `b`, element by element, into `out`; all have the same length. Returns false, and does
/// nothing, where that is no multiple of the lanes or [`Level::current`] has none.
pub fn multiply(a: &[u64], b: &[u64], out: &mut [u64]) -> bool {
    assert!(a.len() == b.len() && a.len() == out.len(), "of different lengths");
    match Level::current() {
        // SAFETY: the processor has them.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 if a.len() % 8 == 0 => unsafe { multiply_avx512(a, b, out) },
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 if a.len() % 4 == 0 => unsafe { multiply_avx2(a, b, out) },
        _ => return false,
    }
    true
}

/// The first half of the 2^`log`-th roots of unity, by their exponents: computed once.
fn roots(log: u32) -> &'static [u64] {
    static ROOTS: [OnceLock<Vec<u64>>; TWO_ADICITY as usize + 1] =
        [const { OnceLock::new() }; TWO_ADICITY as usize + 1];
    ROOTS[log as usize].get_or_init(|| {
        let mut root = TWO_ADIC_GENERATOR;
        for _ in log..TWO_ADICITY {
            root = times(root, root);
        }
        let powers = std::iter::successors(Some(1), |power| Some(times(*power, root)));
        powers.take(1 << log.saturating_sub(1)).collect()
    })
}

fn times(a: u64, b: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(ORDER)) as u64
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
unsafe fn avx512(values: &mut [u64]) {
    unsafe { transform::<Avx512, 8>(values) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(values: &mut [u64]) {
    unsafe { transform::<Avx2, 4>(values) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
unsafe fn multiply_avx512(a: &[u64], b: &[u64], out: &mut [u64]) {
    unsafe { multiply_all::<Avx512>(a, b, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn multiply_avx2(a: &[u64], b: &[u64], out: &mut [u64]) {
    unsafe { multiply_all::<Avx2>(a, b, out) }
}

// No closures in what follows: they are functions of their own, compiled without the instructions.

#[inline(always)]
unsafe fn multiply_all<L: Lanes>(a: &[u64], b: &[u64], out: &mut [u64]) {
    unsafe {
        let field = Field::<L>::new();
        for at in (0..a.len()).step_by(L::COUNT) {
            field.mul(L::load(a.as_ptr().add(at)), L::load(b.as_ptr().add(at))).store(out.as_mut_ptr().add(at));
        }
    }
}

/// `COUNT * COUNT` values or more.
#[inline(always)]
unsafe fn transform<L: Lanes, const COUNT: usize>(values: &mut [u64]) {
    const { assert!(COUNT == L::COUNT) };
    unsafe {
        let field = Field::<L>::new();
        let log = values.len().ilog2();
        // Layers over the whole, or what of it is too large for the cache: depth first would visit parts in the same
        // order, but each pass here is one run through memory for two layers.
        let mut large = log;
        while large > LOG_CACHED {
            for part in values.chunks_exact_mut(1 << large) {
                two_layers(field, part);
            }
            large -= 2;
        }
        for part in values.chunks_exact_mut(1 << large) {
            let mut small = large;
            while small >= 2 + COUNT.ilog2() {
                for part in part.chunks_exact_mut(1 << small) {
                    two_layers(field, part);
                }
                small -= 2;
            }
            if small > COUNT.ilog2() {
                for part in part.chunks_exact_mut(1 << small) {
                    one_layer(field, part);
                }
            }
            for part in part.chunks_exact_mut(COUNT * COUNT) {
                last_layers::<L, COUNT>(field, part);
            }
        }
    }
}

/// Sum, and difference times a root.
#[inline(always)]
unsafe fn butterfly<L: Lanes>(field: Field<L>, a: L, b: L, root: L) -> (L, L) {
    unsafe {
        let b = field.canonical(b);
        (field.add_small(a, b), field.mul(field.sub_small(a, b), root))
    }
}

/// The first layer of a transform of all of `values`.
#[inline(always)]
unsafe fn one_layer<L: Lanes>(field: Field<L>, values: &mut [u64]) {
    let half = values.len() / 2;
    let roots = roots(values.len().ilog2()).as_ptr();
    let values = values.as_mut_ptr();
    unsafe {
        for at in (0..half).step_by(L::COUNT) {
            let (low, high) = (values.add(at), values.add(at + half));
            let (a, b) = butterfly(field, L::load(low), L::load(high), L::load(roots.add(at)));
            a.store(low);
            b.store(high);
        }
    }
}

/// The first two layers.
#[inline(always)]
unsafe fn two_layers<L: Lanes>(field: Field<L>, values: &mut [u64]) {
    let quarter = values.len() / 4;
    let (first, second) = (roots(values.len().ilog2()).as_ptr(), roots(values.len().ilog2() - 1).as_ptr());
    let values = values.as_mut_ptr();
    unsafe {
        for at in (0..quarter).step_by(L::COUNT) {
            let place =
                [values.add(at), values.add(at + quarter), values.add(at + 2 * quarter), values.add(at + 3 * quarter)];
            let (a0, a2) = butterfly(field, L::load(place[0]), L::load(place[2]), L::load(first.add(at)));
            let (a1, a3) = butterfly(field, L::load(place[1]), L::load(place[3]), L::load(first.add(at + quarter)));
            let root = L::load(second.add(at));
            let (b0, b1) = butterfly(field, a0, a1, root);
            let (b2, b3) = butterfly(field, a2, a3, root);
            b0.store(place[0]);
            b1.store(place[1]);
            b2.store(place[2]);
            b3.store(place[3]);
        }
    }
}

/// All layers of each `COUNT` values among `COUNT * COUNT`: as many transforms at once as there are lanes.
#[inline(always)]
unsafe fn last_layers<L: Lanes, const COUNT: usize>(field: Field<L>, values: &mut [u64]) {
    unsafe {
        let mut block = [L::splat(0); COUNT];
        for at in 0..COUNT {
            block[at] = L::load(values.as_ptr().add(at * COUNT));
        }
        L::transpose(&mut block);
        let mut half = COUNT / 2;
        while half > 0 {
            let roots = roots(half.ilog2() + 1);
            for start in (0..COUNT).step_by(2 * half) {
                for at in 0..half {
                    let (a, b) = (start + at, start + at + half);
                    if at == 0 {
                        let small = field.canonical(block[b]);
                        (block[a], block[b]) = (field.add_small(block[a], small), field.sub_small(block[a], small));
                    } else {
                        (block[a], block[b]) = butterfly(field, block[a], block[b], L::splat(roots[at]));
                    }
                }
            }
            half /= 2;
        }
        L::transpose(&mut block);
        for at in 0..COUNT {
            block[at].store(values.as_mut_ptr().add(at * COUNT));
        }
    }
}
