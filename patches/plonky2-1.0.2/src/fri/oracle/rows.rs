//! The leaves of a polynomial commitment: low-degree extensions of polynomials, by rows.
//!
//! The points `shift w^i` of the larger domain fall into cosets of the smaller one, and in the bit-reversed order of the
//! leaves each coset is a contiguous part. So the polynomials are extended coset by coset, each with transforms of their
//! own length, and a part is turned into rows while it is in the cache; only one part is held by columns.

use std::mem::MaybeUninit;

use plonky2_field::{
    extension::Extendable,
    fft::lanes::{integers, integers_mut},
    goldilocks_field::GoldilocksField,
    kernels::fft,
    polynomial::{PolynomialCoeffs, PolynomialValues},
    types::Field,
};
use plonky2_maybe_rayon::*;

use super::{PolynomialBatch, SALT_SIZE};
use crate::{
    hash::{hash_types::RichField, merkle_tree::leaves::Leaves},
    plonk::config::GenericConfig,
    util::{log2_strict, reverse_bits, reverse_index_bits_in_place, transpose},
};

/// Rows that one step of a transposition fills: two neighbouring cache lines of each column, which are fetched together.
const ROWS: usize = 16;
/// Elements that are extended before they are turned into rows, which is what is held twice: 128 MiB, or sixteen columns.
const EXTENDED: usize = 1 << 24;

/// Row `i` holds the values of all polynomials at `coset_shift w^j`, where `j` is `i` with its bits in reverse; none where
/// the field has no lanes or the polynomials are too short.
pub(super) fn rows<F: RichField>(polynomials: &[PolynomialCoeffs<F>], rate_bits: usize) -> Option<Leaves<F>> {
    <F as Rows>::rows(polynomials, rate_bits)
}

impl<F: RichField + Extendable<D>, C: GenericConfig<D, F = F>, const D: usize> PolynomialBatch<F, C, D> {
    /// The leaves of a commitment to `polynomials` without blinding, by whatever way there is.
    pub(crate) fn leaves(polynomials: &[PolynomialCoeffs<F>], rate_bits: usize) -> Leaves<F> {
        rows(polynomials, rate_bits).unwrap_or_else(|| {
            let mut leaves = transpose(&Self::lde_values(polynomials, rate_bits, false, None));
            reverse_index_bits_in_place(&mut leaves);
            leaves.into()
        })
    }

    /// The values of all polynomials at the point of leaf `at`.
    pub(crate) fn leaf(&self, at: usize) -> &[F] {
        let leaf = &self.merkle_tree.leaves[at];
        &leaf[..leaf.len() - if self.blinding { SALT_SIZE } else { 0 }]
    }

    /// Leaves out what [`Self::restore_leaves`] computes again: two thirds of a commitment or more.
    pub fn without_leaves(mut self) -> Self {
        assert!(!self.blinding, "what is random cannot be computed again");
        self.merkle_tree.leaves = Leaves::default();
        self
    }

    /// Undoes [`Self::without_leaves`].
    pub fn restore_leaves(&self) {
        self.merkle_tree.leaves.get_or_compute(|| Self::leaves(&self.polynomials, self.rate_bits));
    }

    /// The values that the first `count` of the committed polynomials were made from.
    pub fn values(&self, count: usize) -> Vec<PolynomialValues<F>> {
        self.polynomials[..count].par_iter().map(|polynomial| polynomial.clone().fft()).collect()
    }
}

trait Rows: Field {
    fn rows(polynomials: &[PolynomialCoeffs<Self>], rate_bits: usize) -> Option<Leaves<Self>>;
}

impl<F: RichField> Rows for F {
    default fn rows(_: &[PolynomialCoeffs<Self>], _: usize) -> Option<Leaves<Self>> {
        None
    }
}

impl Rows for GoldilocksField {
    fn rows(polynomials: &[PolynomialCoeffs<Self>], rate_bits: usize) -> Option<Leaves<Self>> {
        let (width, length) = (polynomials.len(), polynomials[0].len());
        assert!(polynomials.iter().all(|polynomial| polynomial.len() == length), "polynomials of different degrees");
        // The shortest that has lanes; asked of the kernel, which knows.
        if !fft::forward(&mut vec![0; length.min(64)]) {
            return None;
        }
        let root = Self::primitive_root_of_unity(log2_strict(length) + rate_bits);
        let count = length << rate_bits;
        let columns = (EXTENDED / length).max(16);
        let fill = |groups: &mut [&mut [MaybeUninit<Self>]]| {
            // The same for all cosets: new ones would be cleared for each, and often by the kernel before.
            let mut values: Vec<_> =
                (0..width.min(columns)).into_par_iter().map(|_| vec![Self::ZERO; length]).collect();
            for (coset, groups) in groups.chunks_exact_mut(length / ROWS).enumerate() {
                let shift = Self::coset_shift() * root.exp_u64(reverse_bits(coset, rate_bits) as u64);
                let powers: Vec<Self> = shift.powers().take(length).collect();
                for (first, polynomials) in (0..).step_by(columns).zip(polynomials.chunks(columns)) {
                    let values = &mut values[..polynomials.len()];
                    let extended = values.par_iter_mut().zip(polynomials);
                    extended.for_each(|(values, polynomial)| evaluate(&polynomial.coeffs, &powers, values));
                    let groups = groups.par_iter_mut().enumerate();
                    groups.for_each(|(at, rows)| fill_rows(rows, width, first, values, at * ROWS));
                }
            }
        };
        // SAFETY: every coset fills its rows, and each chunk of columns its part of them.
        Some(unsafe { Leaves::filled(width, count, ROWS, fill) })
    }
}

/// Takes the values of a polynomial on the coset whose elements are `powers` times the roots of unity.
fn evaluate(coefficients: &[GoldilocksField], powers: &[GoldilocksField], values: &mut [GoldilocksField]) {
    let multiplied = fft::multiply(integers(coefficients), integers(powers), integers_mut(values));
    let transformed = multiplied && fft::forward(integers_mut(values));
    assert!(transformed, "lanes that were there a moment ago");
}

/// Fills `ROWS` rows of `width` from their element `first` with as many elements of the columns, from number `start`.
fn fill_rows<F: Copy>(rows: &mut [MaybeUninit<F>], width: usize, first: usize, columns: &[Vec<F>], start: usize) {
    for (at, column) in (first..).zip(columns) {
        let places = rows[at..].iter_mut().step_by(width);
        for (place, value) in places.zip(&column[start..start + ROWS]) {
            place.write(*value);
        }
        prefetch(column, start + ROWS);
    }
}

/// Asks for the elements that the next rows are made from: so many columns are more than the processor keeps track of.
fn prefetch<F>(column: &[F], at: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..ROWS / 8 {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        // SAFETY: a hint, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(column.as_ptr().wrapping_add(at + 8 * line).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (column, at);
}
