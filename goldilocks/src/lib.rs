//! Kernels for the Goldilocks field, p = 2^64 - 2^32 + 1, that do several independent things at once, one in each lane
//! of a vector register.
//!
//! Field elements are plain `u64`; every value stands for its remainder modulo p, and none has to be below p. Which
//! instructions are used is decided when the program runs ([`Level::current`]), so one binary serves machines with and
//! without them. Without any, functions say that they did nothing, and the caller does it one by one.
//!
//! The crate stands alone, and is compiled a second time as a module of the patched `plonky2_field`: paths inside are
//! relative, and nothing outside `std` is used.

pub mod fft;
mod field;
mod lanes;
mod level;
pub mod poseidon;

pub use level::Level;
