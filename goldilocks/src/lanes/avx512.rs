//! Eight lanes in a register of AVX-512.

use std::arch::x86_64::*;

use super::Lanes;

#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512i);

// SAFETY of all blocks: the trait asks for the processor's features, and for memory of 64 bytes where there is any.
impl Lanes for Avx512 {
    const COUNT: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: u64) -> Self {
        Self(unsafe { _mm512_set1_epi64(value.cast_signed()) })
    }

    #[inline(always)]
    unsafe fn load(from: *const u64) -> Self {
        Self(unsafe { _mm512_loadu_si512(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u64) {
        unsafe { _mm512_storeu_si512(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_epi64(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm512_sub_epi64(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        Self(unsafe { _mm512_and_si512(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn shl<const BITS: u32>(self) -> Self {
        Self(unsafe { _mm512_slli_epi64::<BITS>(self.0) })
    }

    #[inline(always)]
    unsafe fn shr<const BITS: u32>(self) -> Self {
        Self(unsafe { _mm512_srli_epi64::<BITS>(self.0) })
    }

    #[inline(always)]
    unsafe fn mul_low(self, other: Self) -> Self {
        Self(unsafe { _mm512_mul_epu32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn high(self) -> Self {
        Self(unsafe { _mm512_castps_si512(_mm512_movehdup_ps(_mm512_castsi512_ps(self.0))) })
    }

    #[inline(always)]
    unsafe fn with_upper(self, upper: Self) -> Self {
        unsafe {
            let upper = _mm512_castps_si512(_mm512_moveldup_ps(_mm512_castsi512_ps(upper.0)));
            Self(_mm512_mask_blend_epi32(0b1010_1010_1010_1010, self.0, upper))
        }
    }

    #[inline(always)]
    unsafe fn sub_if_not_less(self, other: Self) -> Self {
        // A difference that wraps is above what it was taken from.
        Self(unsafe { _mm512_min_epu64(self.0, _mm512_sub_epi64(self.0, other.0)) })
    }

    #[inline(always)]
    unsafe fn transpose(block: &mut [Self]) {
        // Blocks of one lane, then of two, then of four change places.
        unsafe {
            let mut pairs = [block[0].0; 8];
            for at in 0..4 {
                pairs[2 * at] = _mm512_unpacklo_epi64(block[2 * at].0, block[2 * at + 1].0);
                pairs[2 * at + 1] = _mm512_unpackhi_epi64(block[2 * at].0, block[2 * at + 1].0);
            }
            let (even, odd) =
                (_mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0), _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2));
            let mut fours = [block[0].0; 8];
            for at in 0..2 {
                for half in 0..2 {
                    let (a, b) = (pairs[4 * at + half], pairs[4 * at + 2 + half]);
                    fours[4 * at + half] = _mm512_permutex2var_epi64(a, even, b);
                    fours[4 * at + 2 + half] = _mm512_permutex2var_epi64(a, odd, b);
                }
            }
            for at in 0..4 {
                let (a, b) = (fours[at], fours[4 + at]);
                block[at].0 = _mm512_shuffle_i64x2::<0b01_00_01_00>(a, b);
                block[4 + at].0 = _mm512_shuffle_i64x2::<0b11_10_11_10>(a, b);
            }
        }
    }

    #[inline(always)]
    unsafe fn add_fold(self, other: Self, epsilon: Self) -> Self {
        unsafe {
            let sum = _mm512_add_epi64(self.0, other.0);
            let wrapped = _mm512_cmplt_epu64_mask(sum, self.0);
            Self(_mm512_mask_add_epi64(sum, wrapped, sum, epsilon.0))
        }
    }

    #[inline(always)]
    unsafe fn sub_fold(self, other: Self, epsilon: Self) -> Self {
        unsafe {
            let difference = _mm512_sub_epi64(self.0, other.0);
            let wrapped = _mm512_cmplt_epu64_mask(self.0, other.0);
            Self(_mm512_mask_sub_epi64(difference, wrapped, difference, epsilon.0))
        }
    }
}
