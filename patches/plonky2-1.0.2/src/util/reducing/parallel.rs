//! The sum of many polynomials times powers of a challenge, a part of the coefficients on each thread.

use plonky2_maybe_rayon::*;

use super::ReducingFactor;
use crate::field::{
    extension::{Extendable, FieldExtension},
    packable::Packable,
    packed::PackedField,
    polynomial::PolynomialCoeffs,
    types::Field,
};

/// Coefficients that a thread sums up at once: with their sums a part of the first cache.
const PART: usize = 512;

impl<F: Field> ReducingFactor<F> {
    /// `reduce_polys_base`, of polynomials that are all there.
    pub(crate) fn reduce_all<BF: Extendable<D, Extension = F>, const D: usize>(
        &mut self,
        polynomials: &[&PolynomialCoeffs<BF>],
    ) -> PolynomialCoeffs<F>
    where
        F: FieldExtension<D, BaseField = BF>,
    {
        self.count += polynomials.len() as u64;
        let powers: Vec<[BF; D]> =
            self.base.powers().take(polynomials.len()).map(|power| power.to_basefield_array()).collect();
        let length = polynomials.iter().map(|polynomial| polynomial.len()).max().unwrap_or(0);
        let mut sums = vec![F::ZERO; length];
        sums.par_chunks_mut(PART).enumerate().for_each(|(part, sums)| {
            let mut coordinates: [Vec<BF>; D] = core::array::from_fn(|_| vec![BF::ZERO; sums.len()]);
            for (polynomial, power) in polynomials.iter().zip(&powers) {
                let coefficients = polynomial.coeffs.get(part * PART..).unwrap_or_default();
                let coefficients = &coefficients[..coefficients.len().min(PART)];
                for (sums, factor) in coordinates.iter_mut().zip(power) {
                    add_product(&mut sums[..coefficients.len()], coefficients, *factor);
                }
            }
            for (at, sum) in sums.iter_mut().enumerate() {
                *sum = F::from_basefield_array(coordinates.each_ref().map(|column| column[at]));
            }
        });
        PolynomialCoeffs::new(sums)
    }
}

fn add_product<F: Field>(sums: &mut [F], values: &[F], factor: F) {
    fn packed<P: PackedField>(sums: &mut [P::Scalar], values: &[P::Scalar], factor: P::Scalar) {
        for (sum, value) in P::pack_slice_mut(sums).iter_mut().zip(P::pack_slice(values)) {
            *sum += *value * factor;
        }
    }
    match values.len() % <F as Packable>::Packing::WIDTH {
        0 => packed::<<F as Packable>::Packing>(sums, values, factor),
        _ => packed::<F>(sums, values, factor),
    }
}
