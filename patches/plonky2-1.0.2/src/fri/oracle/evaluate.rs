//! Committed polynomials at a point of the extension field, by packed sums of products.

use plonky2_field::{
    extension::{Extendable, FieldExtension},
    packable::Packable,
    packed::PackedField,
    types::Field,
};
use plonky2_maybe_rayon::*;

use super::PolynomialBatch;
use crate::{hash::hash_types::RichField, plonk::config::GenericConfig};

/// Coefficients that are multiplied by powers of the point at once: with these a part of the first cache.
const PART: usize = 512;

impl<F: RichField + Extendable<D>, C: GenericConfig<D, F = F>, const D: usize> PolynomialBatch<F, C, D> {
    /// The value of each polynomial at `point`.
    pub fn evaluate(&self, point: F::Extension) -> Vec<F::Extension> {
        // The coordinates of the first powers, each in a column.
        let powers: Vec<_> = point.powers().take(PART).map(|power| power.to_basefield_array()).collect();
        let powers: [Vec<F>; D] = core::array::from_fn(|at| powers.iter().map(|power| power[at]).collect());
        let step = point.exp_u64(PART as u64);
        self.polynomials
            .par_iter()
            .map(|polynomial| {
                let parts = polynomial.coeffs.chunks(PART).rev();
                parts.fold(F::Extension::ZERO, |sum, part| sum * step + combine::<F, D>(part, &powers))
            })
            .collect()
    }
}

/// The sum of `part` times `powers`.
fn combine<F: Extendable<D>, const D: usize>(part: &[F], powers: &[Vec<F>; D]) -> F::Extension {
    let sums = powers.each_ref().map(|powers| match part.len() % <F as Packable>::Packing::WIDTH {
        0 => dot::<<F as Packable>::Packing>(part, &powers[..part.len()]),
        _ => dot::<F>(part, &powers[..part.len()]),
    });
    F::Extension::from_basefield_array(sums)
}

fn dot<P: PackedField>(a: &[P::Scalar], b: &[P::Scalar]) -> P::Scalar {
    let mut sum = P::ZEROS;
    for (a, b) in P::pack_slice(a).iter().zip(P::pack_slice(b)) {
        sum += *a * *b;
    }
    sum.as_slice().iter().copied().sum()
}
