//! Arithmetic modulo p in every lane. Arguments and results are any `u64`.
//!
//! Reductions rest on 2^64 = 2^32 - 1 and 2^96 = -1 (mod p).

use std::hint::black_box;

use super::lanes::{EPSILON, Lanes};

/// p.
pub(super) const ORDER: u64 = 0xffff_ffff_0000_0001;

/// A vector of field elements together with the constant that reductions need, held in a register.
#[derive(Clone, Copy)]
pub(super) struct Field<L> {
    epsilon: L,
    order: L,
}

// SAFETY of all blocks: what `new` promised holds for the other methods.
impl<L: Lanes> Field<L> {
    /// # Safety
    ///
    /// As for [`Lanes`], here and for all methods.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        // The compiler would turn a product with a constant that it knows into three instructions.
        unsafe { Self { epsilon: L::splat(black_box(EPSILON)), order: L::splat(ORDER) } }
    }

    /// The sum, where `b` is at most 2^64 - 2^32: a second wrap is not looked for.
    #[inline(always)]
    pub(super) unsafe fn add_small(self, a: L, b: L) -> L {
        unsafe { b.add_fold(a, self.epsilon) }
    }

    /// The same element, below p.
    #[inline(always)]
    pub(super) unsafe fn canonical(self, a: L) -> L {
        unsafe { a.sub_if_not_less(self.order) }
    }

    /// The difference, where `b` is at most 2^64 - 2^32.
    #[inline(always)]
    pub(super) unsafe fn sub_small(self, a: L, b: L) -> L {
        unsafe { a.sub_fold(b, self.epsilon) }
    }

    /// The lower and the upper 32 bits.
    #[inline(always)]
    pub(super) unsafe fn split(self, a: L) -> (L, L) {
        unsafe { (a.and(self.epsilon), a.shr::<32>()) }
    }

    /// `low + 2^32 high`, where `low + 2^32 (high / 2^32)` is below 2^64.
    #[inline(always)]
    pub(super) unsafe fn join_small(self, low: L, high: L) -> L {
        unsafe {
            let low = low.add(high.high().mul_low(self.epsilon));
            high.shl::<32>().add_fold(low, self.epsilon)
        }
    }

    /// `low + 2^32 high` of any two numbers.
    #[inline(always)]
    pub(super) unsafe fn join(self, low: L, high: L) -> L {
        unsafe {
            let low = high.high().mul_low(self.epsilon).add_fold(low, self.epsilon);
            high.shl::<32>().add_fold(low, self.epsilon)
        }
    }

    /// `low + 2^64 high`.
    #[inline(always)]
    unsafe fn reduce(self, low: L, high: L) -> L {
        unsafe {
            let low = low.sub_fold(high.shr::<32>(), self.epsilon);
            high.mul_low(self.epsilon).add_fold(low, self.epsilon)
        }
    }

    #[inline(always)]
    pub(super) unsafe fn square(self, a: L) -> L {
        unsafe {
            let a1 = a.high();
            let (ll, lh, hh) = (a.mul_low(a), a.mul_low(a1), a1.mul_low(a1));
            // The middle product counts twice, 33 bits further up.
            let low = lh.shl::<33>();
            let sum = ll.add(low);
            // Carry out of the low word, by what the additions of upper halves would give.
            let middle = lh.add(ll.shr::<33>());
            let high = hh.add(middle.shr::<31>());
            self.reduce(sum, high)
        }
    }

    #[inline(always)]
    pub(super) unsafe fn mul(self, a: L, b: L) -> L {
        unsafe {
            let (a1, b1) = (a.high(), b.high());
            let (ll, lh, hl, hh) = (a.mul_low(b), a.mul_low(b1), a1.mul_low(b), a1.mul_low(b1));
            let first = lh.add(ll.shr::<32>());
            let second = hl.add(first.and(self.epsilon));
            let low = ll.with_upper(second);
            let high = hh.add(first.shr::<32>()).add(second.shr::<32>());
            self.reduce(low, high)
        }
    }
}
