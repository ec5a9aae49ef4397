//! What the binaries of the prover share.
//!
//! Read in this order, which is that of dependence: a module uses only those above it.
//!
//! - [`env`], [`exit`], [`log`], [`version`], [`fs`], [`digest`], [`sealed`]: the ground.
//! - [`witness`]: what comes in; [`proof`], [`header`]: what goes out, and what it is compared with.
//! - [`profile`], [`machine`], [`circuits`]: what proving needs besides its input.
//! - [`task`], [`artifacts`], [`queue`]: units of proving, where their inputs and outputs are, how they travel.
//! - [`execute`]: the only door to proving; [`serve`]: a worker's loop around it.

pub mod env;
pub mod exit;
pub mod log;
pub mod version;

pub mod digest;
pub mod fs;
pub mod sealed;

pub mod header;
pub mod proof;
pub mod witness;

pub mod circuits;
pub mod machine;
pub mod profile;

pub mod artifacts;
pub mod queue;
pub mod task;

pub mod execute;
pub mod serve;
