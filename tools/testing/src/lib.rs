//! What tests of several crates share: witnesses, processes, folders, a real broker. Dev-dependency only.
//!
//! Nothing here is for the programs themselves, and whatever goes wrong here is a panic: it ends a test.

pub mod broker;
pub mod certificates;
pub mod folder;
pub mod home;
pub mod http;
pub mod process;
pub mod proof;
pub mod relay;
pub mod replay;
pub mod stack;
pub mod stores;
pub mod witness;

use std::io::{self, Write};

/// Says something that a passing test would not show otherwise.
pub fn say(text: &str) {
    // Not `eprintln!`, which the test harness keeps to itself.
    writeln!(io::stderr().lock(), "{text}").expect("stderr is open");
}
