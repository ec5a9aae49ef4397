//! What `ops` promises, through its public interface: witnesses, profiles, files, artifacts, queue, tasks, simulation.
//! Nothing here proves or builds circuits.

mod artifacts;
mod determinism;
mod env;
mod heights;
mod metrics;
mod profile;
mod queue;
mod sealed;
mod support;
mod wire;
mod witness_checks;
mod witness_digest;
mod witness_forms;
