//! Four lanes in a register of AVX2.

use std::arch::x86_64::*;

use super::Lanes;

#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256i);

/// All ones in the lanes where `a < b`. The comparison that AVX2 has is of signed numbers.
#[inline(always)]
unsafe fn less(a: __m256i, b: __m256i) -> __m256i {
    unsafe {
        let sign = _mm256_set1_epi64x(i64::MIN);
        _mm256_cmpgt_epi64(_mm256_xor_si256(b, sign), _mm256_xor_si256(a, sign))
    }
}

// SAFETY of all blocks: the trait asks for the processor's features, and for memory of 32 bytes where there is any.
impl Lanes for Avx2 {
    const COUNT: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: u64) -> Self {
        Self(unsafe { _mm256_set1_epi64x(value.cast_signed()) })
    }

    #[inline(always)]
    unsafe fn load(from: *const u64) -> Self {
        Self(unsafe { _mm256_loadu_si256(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u64) {
        unsafe { _mm256_storeu_si256(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm256_add_epi64(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm256_sub_epi64(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        Self(unsafe { _mm256_and_si256(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn shl<const BITS: u32>(self) -> Self {
        Self(unsafe { _mm256_sll_epi64(self.0, _mm_cvtsi32_si128(BITS.cast_signed())) })
    }

    #[inline(always)]
    unsafe fn shr<const BITS: u32>(self) -> Self {
        Self(unsafe { _mm256_srl_epi64(self.0, _mm_cvtsi32_si128(BITS.cast_signed())) })
    }

    #[inline(always)]
    unsafe fn mul_low(self, other: Self) -> Self {
        Self(unsafe { _mm256_mul_epu32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn high(self) -> Self {
        Self(unsafe { _mm256_castps_si256(_mm256_movehdup_ps(_mm256_castsi256_ps(self.0))) })
    }

    #[inline(always)]
    unsafe fn with_upper(self, upper: Self) -> Self {
        unsafe {
            let upper = _mm256_castps_si256(_mm256_moveldup_ps(_mm256_castsi256_ps(upper.0)));
            Self(_mm256_blend_epi32::<0b1010_1010>(self.0, upper))
        }
    }

    #[inline(always)]
    unsafe fn sub_if_not_less(self, other: Self) -> Self {
        unsafe {
            let difference = _mm256_sub_epi64(self.0, other.0);
            Self(_mm256_blendv_epi8(difference, self.0, less(self.0, other.0)))
        }
    }

    #[inline(always)]
    unsafe fn transpose(block: &mut [Self]) {
        // Blocks of one lane, then of two change places.
        unsafe {
            let mut pairs = [block[0].0; 4];
            for at in 0..2 {
                pairs[2 * at] = _mm256_unpacklo_epi64(block[2 * at].0, block[2 * at + 1].0);
                pairs[2 * at + 1] = _mm256_unpackhi_epi64(block[2 * at].0, block[2 * at + 1].0);
            }
            for at in 0..2 {
                block[at].0 = _mm256_permute2x128_si256::<0x20>(pairs[at], pairs[2 + at]);
                block[2 + at].0 = _mm256_permute2x128_si256::<0x31>(pairs[at], pairs[2 + at]);
            }
        }
    }

    #[inline(always)]
    unsafe fn add_fold(self, other: Self, epsilon: Self) -> Self {
        unsafe {
            let sum = _mm256_add_epi64(self.0, other.0);
            let more = _mm256_and_si256(less(sum, self.0), epsilon.0);
            Self(_mm256_add_epi64(sum, more))
        }
    }

    #[inline(always)]
    unsafe fn sub_fold(self, other: Self, epsilon: Self) -> Self {
        unsafe {
            let less = _mm256_and_si256(less(self.0, other.0), epsilon.0);
            Self(_mm256_sub_epi64(_mm256_sub_epi64(self.0, other.0), less))
        }
    }
}
