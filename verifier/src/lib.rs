//! The verifier: is this proof valid, and what does it state?
//!
//! [`check`] finds the verifier data and checks proofs, [`statement`] is what a proof states and how it is printed.
//! The exit code is the verdict: 0 valid, 1 invalid, 2 could not check.

pub mod check;
pub mod cli;
pub mod statement;

use std::process::ExitCode;

use ops::exit;
use ops::log::Screen;

use cli::{Cli, Command};

/// Runs a command line; the result is the exit code.
pub fn run(cli: Cli, screen: &Screen) -> anyhow::Result<u8> {
    match &cli.command {
        Some(Command::Completions { shell }) => ops::stdout::completions::<Cli>(*shell),
        None => check::run(&cli, screen),
    }
}

/// Whatever goes wrong before there is a verdict is no verdict: 2.
pub fn exit_code(result: anyhow::Result<u8>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!("cannot check: {}", exit::text(&error));
            ExitCode::from(exit::USAGE)
        }
    }
}
