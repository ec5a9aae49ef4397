//! What of the tables is held while their STARKs are proved: coefficients and digests of all, and leaves and values only
//! of the table at work. Both are computed again from the coefficients, in less time than the proof saves by the memory.

use starky::stark::Stark;

use super::*;

type Commitment<F, C, const D: usize> = PolynomialBatch<F, C, D>;

/// The commitment with its leaves, for its last use; its cap stays behind.
pub(super) fn with_leaves<F, C, const D: usize>(commitment: &mut Commitment<F, C, D>) -> Commitment<F, C, D>
where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F>,
{
    let cap = commitment.merkle_tree.cap.clone();
    let mut whole = std::mem::take(commitment);
    commitment.merkle_tree.cap = cap;
    whole.restore_leaves();
    whole
}

/// The values of all tables.
pub(super) fn values<F, C, const D: usize>(
    commitments: &[Commitment<F, C, D>],
) -> [Vec<PolynomialValues<F>>; NUM_TABLES]
where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F>,
{
    core::array::from_fn(|table| commitments[table].values(commitments[table].polynomials.len()))
}

/// The values that proving a table looks at: all, where columns of it are looked up, or one, for the length.
pub(super) fn needed_values<F, C, S, const D: usize>(
    commitment: &Commitment<F, C, D>,
    stark: &S,
) -> Vec<PolynomialValues<F>>
where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F>,
    S: Stark<F, D>,
{
    commitment.values(if stark.uses_lookups() { commitment.polynomials.len() } else { 1 })
}
