//! What the binaries of the prover share.
//!
//! Read in this order, which is that of dependence: a module uses only those above it.
//!
//! - [`mod@env`], [`mod@log`], [`version`], [`panics`], [`stack`], [`fs`], [`digest`], [`sealed`]: the ground.
//! - [`witness`]: what comes in.
//! - [`profile`], [`machine`], [`circuits`]: what proving needs besides its input.
//! - [`proof`], [`header`]: what goes out, and what it is compared with.
//! - [`task`], [`mock`], [`queue`]: units of proving, what stands in for proofs in tests of load, how tasks travel.
//! - [`metrics`], [`health`]: what the process says to those who watch it; `monitor` serves it, in binaries that run for
//!   long (feature `monitor`).
//! - [`artifacts`]: where inputs and outputs are.
//! - [`execute`]: the only door to proving; [`serve`]: a worker's loop around it.
//! - [`decode`], [`plan`], [`statement`], [`explain`]: a witness cut into batches and segments, what their proofs have to
//!   state, and what is wrong with a witness that does not run.
//! - [`cli`]: flags that several binaries have; [`exit`], [`stdout`]: what all of it ends in.

pub mod env;
pub mod health;
pub mod log;
pub mod panics;
pub mod stack;
pub mod version;

pub mod digest;
pub mod fs;
pub mod sealed;

pub mod witness;

pub mod circuits;
pub mod machine;
pub mod profile;

pub mod header;
pub mod proof;

pub mod mock;
pub mod queue;
pub mod task;

pub mod metrics;

pub mod allocator;
pub mod artifacts;

pub mod execute;
pub mod serve;

pub mod decode;
pub mod explain;
pub mod plan;
pub mod statement;

pub mod cli;
pub mod exit;
#[cfg(feature = "monitor")]
pub mod monitor;
pub mod stdout;
