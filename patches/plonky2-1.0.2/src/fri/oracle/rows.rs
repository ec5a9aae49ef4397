//! The leaves of a polynomial commitment: low-degree extensions of polynomials, by rows.
//!
//! The points `shift w^i` of the larger domain fall into cosets of the smaller one, and in the bit-reversed order of the
//! leaves each coset is a contiguous part. So the polynomials are extended coset by coset, each with transforms of their
//! own length, and a part is turned into rows while it is in the cache; only one part is held by columns.

use plonky2_field::{
    extension::Extendable,
    fft::lanes::{integers, integers_mut},
    goldilocks_field::GoldilocksField,
    kernels::fft,
    polynomial::{PolynomialCoeffs, PolynomialValues},
    types::Field,
};
use plonky2_maybe_rayon::*;

use super::PolynomialBatch;
use crate::{
    hash::hash_types::RichField,
    plonk::config::GenericConfig,
    util::{log2_strict, reverse_bits, reverse_index_bits_in_place, transpose},
};

/// Rows that one step of a transposition fills: a cache line of each column.
const ROWS: usize = 8;
/// Columns that are extended before they are turned into rows: what is held twice.
const COLUMNS: usize = 256;

/// Row `i` holds the values of all polynomials at `coset_shift w^j`, where `j` is `i` with its bits in reverse; none where
/// the field has no lanes or the polynomials are too short.
pub(super) fn rows<F: RichField>(polynomials: &[PolynomialCoeffs<F>], rate_bits: usize) -> Option<Vec<Vec<F>>> {
    <F as Rows>::rows(polynomials, rate_bits)
}

impl<F: RichField + Extendable<D>, C: GenericConfig<D, F = F>, const D: usize> PolynomialBatch<F, C, D> {
    /// The leaves of a commitment to `polynomials` without blinding, by whatever way there is.
    pub(crate) fn leaves(polynomials: &[PolynomialCoeffs<F>], rate_bits: usize) -> Vec<Vec<F>> {
        rows(polynomials, rate_bits).unwrap_or_else(|| {
            let mut leaves = transpose(&Self::lde_values(polynomials, rate_bits, false, None));
            reverse_index_bits_in_place(&mut leaves);
            leaves
        })
    }

    /// Leaves out what [`Self::restore_leaves`] computes again: two thirds of a commitment or more.
    pub fn drop_leaves(&mut self) {
        assert!(!self.blinding, "what is random cannot be computed again");
        self.merkle_tree.leaves = Vec::new();
    }

    /// Undoes [`Self::drop_leaves`].
    pub fn restore_leaves(&mut self) {
        self.merkle_tree.leaves = Self::leaves(&self.polynomials, self.rate_bits);
    }

    /// The values that the first `count` of the committed polynomials were made from.
    pub fn values(&self, count: usize) -> Vec<PolynomialValues<F>> {
        self.polynomials[..count].par_iter().map(|polynomial| polynomial.clone().fft()).collect()
    }
}

trait Rows: Field {
    fn rows(polynomials: &[PolynomialCoeffs<Self>], rate_bits: usize) -> Option<Vec<Vec<Self>>>;
}

impl<F: RichField> Rows for F {
    default fn rows(_: &[PolynomialCoeffs<Self>], _: usize) -> Option<Vec<Vec<Self>>> {
        None
    }
}

impl Rows for GoldilocksField {
    fn rows(polynomials: &[PolynomialCoeffs<Self>], rate_bits: usize) -> Option<Vec<Vec<Self>>> {
        let (width, length) = (polynomials.len(), polynomials[0].len());
        assert!(polynomials.iter().all(|polynomial| polynomial.len() == length), "polynomials of different degrees");
        // The shortest that has lanes; asked of the kernel, which knows.
        if !fft::forward(&mut vec![0; length.min(64)]) {
            return None;
        }
        let root = Self::primitive_root_of_unity(log2_strict(length) + rate_bits);
        let mut rows = vec![Vec::new(); length << rate_bits];
        for (coset, rows) in rows.chunks_exact_mut(length).enumerate() {
            let shift = Self::coset_shift() * root.exp_u64(reverse_bits(coset, rate_bits) as u64);
            let powers: Vec<Self> = shift.powers().take(length).collect();
            for polynomials in polynomials.chunks(COLUMNS) {
                let columns: Vec<Vec<Self>> = polynomials
                    .par_iter()
                    .map(|polynomial| {
                        let mut values = vec![Self::ZERO; length];
                        let coefficients = integers(&polynomial.coeffs);
                        let multiplied = fft::multiply(coefficients, integers(&powers), integers_mut(&mut values));
                        let transformed = multiplied && fft::forward(integers_mut(&mut values));
                        assert!(transformed, "lanes that were there a moment ago");
                        values
                    })
                    .collect();
                rows.par_chunks_mut(ROWS).enumerate().for_each(|(at, rows)| {
                    for row in &mut *rows {
                        if row.is_empty() {
                            row.reserve_exact(width);
                        }
                    }
                    for column in &columns {
                        for (row, value) in rows.iter_mut().zip(&column[at * ROWS..]) {
                            row.push(*value);
                        }
                    }
                });
            }
        }
        Some(rows)
    }
}
