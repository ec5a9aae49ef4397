//! The sum of many polynomials times powers of a challenge, a part of the coefficients on each thread.

use plonky2_maybe_rayon::*;

use super::ReducingFactor;
use crate::field::{
    extension::{Extendable, FieldExtension},
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
        let powers: Vec<F> = self.base.powers().take(polynomials.len()).collect();
        let length = polynomials.iter().map(|polynomial| polynomial.len()).max().unwrap_or(0);
        let mut sums = vec![F::ZERO; length];
        sums.par_chunks_mut(PART).enumerate().for_each(|(part, sums)| {
            for (polynomial, power) in polynomials.iter().zip(&powers) {
                let coefficients = polynomial.coeffs.get(part * PART..).unwrap_or_default();
                for (sum, coefficient) in sums.iter_mut().zip(coefficients) {
                    *sum += power.scalar_mul(*coefficient);
                }
            }
        });
        PolynomialCoeffs::new(sums)
    }
}
