//! Whether tests that need a node can run.

use std::fmt::Display;

use crate::{DevnetError, anvil, geth};

/// The environment variable that makes a missing node a failure, for CI.
pub const REQUIRED: &str = "BLOCKPROOF_REQUIRE_NODES";

/// Whether there is a geth. If not, says on stderr what to do, for a test to return.
///
/// # Panics
///
/// If there is none and `BLOCKPROOF_REQUIRE_NODES` is set.
pub fn have_geth() -> bool {
    have(geth::program())
}

/// Whether there is an anvil; as [`have_geth`].
///
/// # Panics
///
/// If there is none and `BLOCKPROOF_REQUIRE_NODES` is set.
pub fn have_anvil() -> bool {
    have(anvil::program())
}

#[expect(clippy::print_stderr, reason = "tests say why they are skipped")]
fn have(found: Result<impl Sized, DevnetError>) -> bool {
    let required = std::env::var_os(REQUIRED).is_some_and(|value| !value.is_empty());
    match found {
        Ok(_) => true,
        Err(error) if required => panic!("{REQUIRED} is set: {}", text(&error)),
        Err(error) => {
            eprintln!("skipped: {}", text(&error));
            false
        }
    }
}

fn text(error: &dyn Display) -> String {
    error.to_string()
}
