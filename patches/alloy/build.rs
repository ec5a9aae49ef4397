//! Stops the build early, with a sentence, when the patched dependencies would be compiled without their patches.
//!
//! Here because this crate comes before `evm_arithmetization`, whose unpatched sources fail with pages of errors.
//! The environment is not watched: after a build that was refused, that crate would have to be compiled again.

#[path = "../series.rs"]
mod series;

use std::{env, error::Error, path::PathBuf};

fn main() {
    if let Err(error) = run() {
        println!("cargo::error={error}");
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut patches = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    patches.pop();
    println!("cargo::rerun-if-changed=../../tools/rustc-patched");
    for name in series::names(&patches)? {
        println!("cargo::rerun-if-changed=../{name}");
    }
    Ok(series::check_wrapper(&patches)?)
}
