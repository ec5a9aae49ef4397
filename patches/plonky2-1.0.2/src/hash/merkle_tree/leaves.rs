//! The leaves of a Merkle tree: rows of a matrix, in a few large parts.
//!
//! Proofs take and give back hundreds of megabytes of leaves at a time. Rows as vectors of their own take a sixth more
//! memory and half of the time in which the kernel clears pages; in one piece they seldom fit where others were before.

use std::{mem::MaybeUninit, ops::Index, sync::OnceLock};

use plonky2_field::extension::{Extendable, FieldExtension};

/// Elements of a part, of leaves that are more than one: 4 MiB.
const PART: usize = 1 << 19;

/// The leaves, or none for as long as what they follow from is enough.
#[derive(Clone, Debug)]
pub struct Leaves<F>(OnceLock<Matrix<F>>);

/// Rows of the same width.
#[derive(Clone, Debug)]
struct Matrix<F> {
    /// Of the same number of rows each, but the last.
    parts: Vec<Vec<F>>,
    rows_per_part: usize,
    width: usize,
    count: usize,
}

impl<F> Leaves<F> {
    /// `count` rows of `width` that lie one after the other in `values`.
    fn new(values: Vec<F>, width: usize, count: usize) -> Self {
        assert_eq!(values.len(), width * count, "{count} leaves of {width} elements");
        Self(Matrix { parts: vec![values], rows_per_part: count.max(1), width, count }.into())
    }

    /// Computes the leaves unless they are there. Two threads may do it at the same time: one that waited for the other
    /// could be the one whose help the other waits for, since work is shared among threads.
    pub(crate) fn get_or_compute(&self, compute: impl FnOnce() -> Self) -> &Self {
        if self.0.get().is_none() {
            compute().0.into_inner().map(|computed| self.0.set(computed));
        }
        self
    }

    /// `count` rows of `width`; `fill` is given the places for `group` rows at a time.
    ///
    /// # Safety
    ///
    /// `fill` writes to every place.
    pub(crate) unsafe fn filled(
        width: usize,
        count: usize,
        group: usize,
        fill: impl FnOnce(&mut [&mut [MaybeUninit<F>]]),
    ) -> Self {
        let rows_per_part = (PART / width.max(1) / group).max(1) * group;
        let lengths = (0..count).step_by(rows_per_part).map(|first| rows_per_part.min(count - first) * width);
        let lengths: Vec<usize> = lengths.collect();
        let mut parts: Vec<Vec<F>> = lengths.iter().map(|length| Vec::with_capacity(*length)).collect();
        let places = parts.iter_mut().zip(&lengths).map(|(part, length)| &mut part.spare_capacity_mut()[..*length]);
        fill(&mut places.flat_map(|places| places.chunks_mut(group * width)).collect::<Vec<_>>());
        for (part, length) in parts.iter_mut().zip(lengths) {
            // SAFETY: filled, says the caller.
            unsafe { part.set_len(length) };
        }
        Self(Matrix { parts, rows_per_part, width, count }.into())
    }

    /// Rows of `width` elements of the extension field each, by their coordinates.
    pub(crate) fn of_extension<const D: usize>(values: &[F::Extension], width: usize) -> Self
    where
        F: Extendable<D>,
    {
        let coordinates = values.iter().flat_map(|value| value.to_basefield_array()).collect();
        Self::new(coordinates, width * D, values.len() / width)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.get().map_or(0, |matrix| matrix.count)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements of each.
    pub fn width(&self) -> usize {
        self.0.get().map_or(0, |matrix| matrix.width)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[F]> {
        (0..self.len()).map(|at| &self[at])
    }
}

impl<F> Index<usize> for Leaves<F> {
    type Output = [F];

    fn index(&self, at: usize) -> &[F] {
        let Some(Matrix { parts, rows_per_part, width, count }) = self.0.get() else { panic!("leaves that are not there") };
        assert!(at < *count, "no leaf {at} of {count}");
        &parts[at / rows_per_part][at % rows_per_part * width..][..*width]
    }
}

impl<F> Default for Leaves<F> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<F: PartialEq> PartialEq for Leaves<F> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<F: Eq> Eq for Leaves<F> {}

/// # Panics
///
/// Where rows differ in width.
impl<F: Copy> From<Vec<Vec<F>>> for Leaves<F> {
    fn from(rows: Vec<Vec<F>>) -> Self {
        let width = rows.first().map_or(0, Vec::len);
        assert!(rows.iter().all(|row| row.len() == width), "leaves of different widths");
        Self::new(rows.concat(), width, rows.len())
    }
}
