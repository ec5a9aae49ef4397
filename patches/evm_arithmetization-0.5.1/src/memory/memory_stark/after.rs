//! What a segment leaves in memory, for the next one.

use super::*;

/// A row for each value that is left: one, context, segment, address and limbs, of the columns of the trace.
pub(super) fn rows<F: RichField>(columns: &[Vec<F>]) -> Vec<Vec<F>> {
    let kept = &columns[MEMORY_COL_MAP.addr_context..MEMORY_COL_MAP.context_first_change];
    let rows = columns[MEMORY_COL_MAP.mem_after_filter].par_iter().enumerate();
    rows.filter(|(_, filter)| filter.is_one())
        .map(|(row, _)| core::iter::once(F::ONE).chain(kept.iter().map(|column| column[row])).collect())
        .collect()
}
