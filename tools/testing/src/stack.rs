//! Large stacks for tests that decode, simulate, build circuits or prove.

use std::sync::Once;

/// Runs on a thread as large as those that prove: assembling the kernel recurses deeply.
pub fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    ops::stack::run(work).unwrap_or_else(|error| panic!("{error}"))
}

/// Gives rayon's threads such stacks, as the programs do; to be called before anything uses rayon, as often as one likes.
pub fn large_stacks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| ops::stack::prepare_rayon().expect("nobody has started rayon's threads before"));
}
