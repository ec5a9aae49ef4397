//! Transforms in vector lanes, for the fields that have them: Goldilocks, and its quadratic extension as two of it.
//! Roots of unity lie in the base field, so a transform does the same to each coordinate.

use alloc::vec::Vec;
use core::slice;

use plonky2_util::reverse_index_bits_in_place;

use crate::extension::quadratic::QuadraticExtension;
use crate::goldilocks_field::GoldilocksField;
use crate::kernels;
use crate::types::Field;

/// Transforms `values`, in natural order before and after, or returns false and leaves them.
pub(crate) fn transform<F: Field>(values: &mut [F]) -> bool {
    <F as Lanes>::transform(values)
}

trait Lanes: Sized {
    fn transform(values: &mut [Self]) -> bool;
}

impl<F: Field> Lanes for F {
    default fn transform(_: &mut [Self]) -> bool {
        false
    }
}

impl Lanes for GoldilocksField {
    fn transform(values: &mut [Self]) -> bool {
        let done = kernels::fft::forward(integers_mut(values));
        if done {
            reverse_index_bits_in_place(values);
        }
        done
    }
}

impl Lanes for QuadraticExtension<GoldilocksField> {
    fn transform(values: &mut [Self]) -> bool {
        let mut coordinates = [0, 1].map(|at| values.iter().map(|value| value.0[at]).collect::<Vec<_>>());
        let done = coordinates.iter_mut().all(|coordinate| <GoldilocksField as Lanes>::transform(coordinate));
        if done {
            let [first, second] = coordinates;
            for (value, coordinates) in values.iter_mut().zip(first.into_iter().zip(second)) {
                *value = Self(coordinates.into());
            }
        }
        done
    }
}

/// Elements as what they are in memory.
pub fn integers(values: &[GoldilocksField]) -> &[u64] {
    // SAFETY: a field element is a `u64` and nothing else (`repr(transparent)`), and every `u64` is one.
    unsafe { slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
}

/// [`integers`], to be written to.
pub fn integers_mut(values: &mut [GoldilocksField]) -> &mut [u64] {
    // SAFETY: as above.
    unsafe { slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
}
