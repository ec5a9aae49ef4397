//! Helper columns of lookups, rows in parts on all threads.

use plonky2_maybe_rayon::*;

use super::*;

/// Rows of a part.
const ROWS: usize = 1 << 12;

/// For each row its filter divided by what the challenge makes of its columns.
pub(super) fn filtered_inverses<F: Field>(
    columns: &[Column<F>],
    filter: &Filter<F>,
    trace: &[PolynomialValues<F>],
    degree: usize,
    challenge: GrandProductChallenge<F>,
) -> Vec<F> {
    let mut inverses = vec![F::ZERO; degree];
    inverses.par_chunks_mut(ROWS).enumerate().for_each(|(part, inverses)| {
        let rows = part * ROWS..part * ROWS + inverses.len();
        let mut values = Vec::with_capacity(columns.len());
        let combined: Vec<F> = rows
            .clone()
            .map(|row| {
                values.clear();
                values.extend(columns.iter().map(|column| column.eval_table(trace, row)));
                challenge.combine(&values)
            })
            .collect();
        for ((place, inverse), row) in inverses.iter_mut().zip(F::batch_multiplicative_inverse(&combined)).zip(rows) {
            *place = inverse * filter.eval_table(trace, row);
        }
    });
    inverses
}
