//! What several subjects need: where witnesses are, and a voice.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// A path from the root of the workspace.
pub(crate) fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Says something that a passing test would not show otherwise.
pub(crate) fn say(text: &str) {
    // Not `eprintln!`, which the test harness keeps to itself.
    writeln!(io::stderr(), "{text}").expect("stderr is open");
}

/// Gives rayon's threads the stack that simulation needs, as the program does.
pub(crate) fn large_stacks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let threads = rayon::ThreadPoolBuilder::new().stack_size(ops::serve::STACK_BYTES);
        threads.build_global().expect("nobody has started rayon's threads before");
    });
}
