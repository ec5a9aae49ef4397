//! A vector register of 64-bit lanes, as the kernels see it.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;

/// 2^32 - 1: what 2^64 is modulo p.
pub(super) const EPSILON: u64 = 0xffff_ffff;

/// Operations lane by lane; additions and subtractions wrap.
///
/// # Safety
///
/// The processor must have the instructions of the implementation, for every method. All are inlined into a function
/// that is compiled for them; elsewhere they would be slow calls.
pub(super) trait Lanes: Copy {
    /// How many there are.
    const COUNT: usize;

    /// The same value in every lane.
    unsafe fn splat(value: u64) -> Self;
    /// `COUNT` values from memory, of any alignment.
    unsafe fn load(from: *const u64) -> Self;
    /// `COUNT` values to memory, of any alignment.
    unsafe fn store(self, to: *mut u64);

    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn and(self, other: Self) -> Self;
    unsafe fn shl<const BITS: u32>(self) -> Self;
    unsafe fn shr<const BITS: u32>(self) -> Self;
    /// The product of the lower halves.
    unsafe fn mul_low(self, other: Self) -> Self;
    /// The upper half as the lower, with anything above: for `mul_low`.
    unsafe fn high(self) -> Self;

    /// The lower half of `self`, and above it that of `upper`.
    unsafe fn with_upper(self, upper: Self) -> Self;

    /// `self - other`, or `self` where that would wrap.
    unsafe fn sub_if_not_less(self, other: Self) -> Self;
    /// Makes rows of columns: `block[i]` lane `j` and `block[j]` lane `i` change places. `COUNT` vectors.
    unsafe fn transpose(block: &mut [Self]);

    /// `self + other`, and 2^32 - 1 more where that wrapped.
    unsafe fn add_fold(self, other: Self, epsilon: Self) -> Self;
    /// `self - other`, and 2^32 - 1 less where that wrapped.
    unsafe fn sub_fold(self, other: Self, epsilon: Self) -> Self;
}
