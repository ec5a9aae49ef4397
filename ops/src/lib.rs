//! What the binaries of the prover share.
//!
//! Read in this order, which is that of dependence: a module uses only those above it.
//!
//! - [`mod@env`], [`mod@log`], [`version`], [`panics`], [`fs`], [`digest`], [`sealed`]: the ground.
//! - [`witness`]: what comes in.
//! - [`profile`], [`machine`], [`circuits`]: what proving needs besides its input.
//! - [`proof`], [`header`]: what goes out, and what it is compared with.
//! - [`task`], [`artifacts`], [`queue`]: units of proving, where their inputs and outputs are, how they travel.
//! - [`execute`]: the only door to proving; [`serve`]: a worker's loop around it.
//! - [`exit`]: what all of it ends in.

pub mod env;
pub mod log;
pub mod panics;
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

pub mod artifacts;
pub mod queue;
pub mod task;

pub mod execute;
pub mod serve;

pub mod exit;
