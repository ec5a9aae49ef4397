//! The permutation of the copy constraints without hash tables: sets are known by the index of their representative,
//! and wires are visited in the order in which a set's members follow each other.

use plonky2_maybe_rayon::*;

use super::Forest;
use crate::{
    field::{polynomial::PolynomialValues, types::Field},
    iop::{target::Target, wire::Wire},
    util::log2_strict,
};

/// No wire yet.
const NONE: u32 = u32::MAX;

impl Forest {
    /// What `wire_partition().get_sigma_polys(…)` gives, after `compress_paths`: a polynomial for each routed column,
    /// which names for each wire the next one of its set, row by row, and for the last the first.
    pub(crate) fn sigma_polys<F: Field>(&self, k_is: &[F], subgroup: &[F]) -> Vec<PolynomialValues<F>> {
        let log_degree = log2_strict(self.degree);
        let place = |row: usize, column: usize| u32::try_from(column << log_degree | row).expect("fewer than 2^32 wires");
        let mut next = vec![NONE; self.num_routed_wires << log_degree];
        let mut ends = vec![(NONE, NONE); self.parents.len()];
        for row in 0..self.degree {
            for column in 0..self.num_routed_wires {
                let wire = place(row, column);
                let set = self.parents[self.target_index(Target::Wire(Wire { row, column }))];
                let (first, last) = &mut ends[set];
                if *first == NONE {
                    *first = wire;
                } else {
                    next[*last as usize] = wire;
                }
                *last = wire;
            }
        }
        for (first, last) in ends.into_iter().filter(|(first, _)| *first != NONE) {
            next[last as usize] = first;
        }
        let value = |wire: &u32| {
            let wire = *wire as usize;
            k_is[wire >> log_degree] * subgroup[wire & (self.degree - 1)]
        };
        let columns = next.par_chunks(self.degree);
        columns.map(|column| PolynomialValues::new(column.iter().map(value).collect())).collect()
    }
}
