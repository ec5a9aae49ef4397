//! Rows to columns, several columns at a time.
//!
//! One column at a time reads of each row a whole cache line for one element, eight times what is there.

use plonky2_maybe_rayon::*;

/// Columns that are filled together: the elements of a cache line.
const COLUMNS: usize = 8;
/// Rows that stay in the first cache until all of these columns have what they hold.
const ROWS: usize = 128;

/// The columns of rows of the same length.
///
/// # Panics
///
/// Where there is no row, or one shorter than the first.
pub fn in_blocks<T, R>(rows: &[R]) -> Vec<Vec<T>>
where
    T: Copy + Send + Sync,
    R: AsRef<[T]> + Sync,
{
    let width = rows[0].as_ref().len();
    let together = width.div_ceil(rayon::current_num_threads()).clamp(1, COLUMNS);
    let mut columns: Vec<Vec<T>> = (0..width).map(|_| Vec::with_capacity(rows.len())).collect();
    columns.par_chunks_mut(together).enumerate().for_each(|(block, columns)| {
        for rows in rows.chunks(ROWS) {
            for (at, column) in columns.iter_mut().enumerate() {
                column.extend(rows.iter().map(|row| row.as_ref()[block * together + at]));
            }
        }
    });
    columns
}
