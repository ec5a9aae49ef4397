//! Large stacks: assembling the kernel, building circuits and proving recurse deeply.

use std::io;
use std::thread::Builder;

use crate::panics;

/// Stack of every thread that runs the proving crates, rayon's included.
pub const BYTES: usize = 64 << 20;

/// Runs `work` on a thread of its own with such a stack, and waits for it. A panic in it becomes an error.
pub fn run<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = Builder::new().stack_size(BYTES).spawn_scoped(scope, work)?;
        thread.join().map_err(|panic| io::Error::other(format!("panic: {}", panics::message(&*panic))))
    })
}

/// Gives rayon's threads such stacks. To be called once, before anything uses them.
pub fn prepare_rayon() -> Result<(), rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new().stack_size(BYTES).build_global()
}
