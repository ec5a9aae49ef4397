//! Two registers as one with twice the lanes: their instructions alternate, so that one computes while the other waits
//! for its last result.

use super::Lanes;

#[derive(Clone, Copy)]
pub(crate) struct Pair<L>(L, L);

// SAFETY of all blocks: what the trait asks for is asked for both halves.
impl<L: Lanes> Lanes for Pair<L> {
    const COUNT: usize = 2 * L::COUNT;

    #[inline(always)]
    unsafe fn splat(value: u64) -> Self {
        unsafe { Self(L::splat(value), L::splat(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const u64) -> Self {
        unsafe { Self(L::load(from), L::load(from.add(L::COUNT))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u64) {
        unsafe {
            self.0.store(to);
            self.1.store(to.add(L::COUNT));
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(self.0.add(other.0), self.1.add(other.1)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(self.0.sub(other.0), self.1.sub(other.1)) }
    }

    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        unsafe { Self(self.0.and(other.0), self.1.and(other.1)) }
    }

    #[inline(always)]
    unsafe fn mul_low(self, other: Self) -> Self {
        unsafe { Self(self.0.mul_low(other.0), self.1.mul_low(other.1)) }
    }

    #[inline(always)]
    unsafe fn shl<const BITS: u32>(self) -> Self {
        unsafe { Self(self.0.shl::<BITS>(), self.1.shl::<BITS>()) }
    }

    #[inline(always)]
    unsafe fn shr<const BITS: u32>(self) -> Self {
        unsafe { Self(self.0.shr::<BITS>(), self.1.shr::<BITS>()) }
    }

    #[inline(always)]
    unsafe fn high(self) -> Self {
        unsafe { Self(self.0.high(), self.1.high()) }
    }

    #[inline(always)]
    unsafe fn with_upper(self, upper: Self) -> Self {
        unsafe { Self(self.0.with_upper(upper.0), self.1.with_upper(upper.1)) }
    }

    #[inline(always)]
    unsafe fn sub_if_not_less(self, other: Self) -> Self {
        unsafe { Self(self.0.sub_if_not_less(other.0), self.1.sub_if_not_less(other.1)) }
    }

    #[inline(always)]
    unsafe fn transpose(_: &mut [Self]) {
        unimplemented!("halves do not mix")
    }

    #[inline(always)]
    unsafe fn add_fold(self, other: Self, epsilon: Self) -> Self {
        unsafe { Self(self.0.add_fold(other.0, epsilon.0), self.1.add_fold(other.1, epsilon.1)) }
    }

    #[inline(always)]
    unsafe fn sub_fold(self, other: Self, epsilon: Self) -> Self {
        unsafe { Self(self.0.sub_fold(other.0, epsilon.0), self.1.sub_fold(other.1, epsilon.1)) }
    }
}
