//! What several subjects need: the program in a home of its own, and its exit codes as scripts know them.

use testing::home::Home;

pub(crate) const OK: i32 = 0;
pub(crate) const FAILED: i32 = 1;
pub(crate) const USAGE: i32 = 2;
pub(crate) const RESOURCES: i32 = 3;
pub(crate) const INTERRUPTED: i32 = 130;

/// `leader`, as people and scripts call it.
pub(crate) fn leader() -> Home {
    Home::new(env!("CARGO_BIN_EXE_leader"))
}
