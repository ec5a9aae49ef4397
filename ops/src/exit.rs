//! Exit codes: what a script may act on.

use std::io::ErrorKind;
use std::process::ExitCode;

use crate::circuits::store::StoreError;
use crate::fs::FsError;
use crate::profile::ProfileError;
use crate::proof::ProofFileError;
use crate::witness::WitnessError;

/// Done. For `verifier`: the proof is valid.
pub const OK: u8 = 0;
/// For `verifier`: the proof is invalid. For `leader`: a block could not be proved (its witness or its execution is
/// wrong, or a task failed for good).
pub const FAILED: u8 = 1;
/// Wrong usage or input: a flag, a file that cannot be read or written, a witness that does not parse. For
/// `verifier`: the proof could not be checked.
pub const USAGE: u8 = 2;
/// The machine cannot do this: not enough memory, no space left.
pub const RESOURCES: u8 = 3;
/// Interrupted by Ctrl-C or SIGTERM; finished tasks are kept.
pub const INTERRUPTED: u8 = 130;

/// An error that knows its exit code; found in an error chain by [`code_of`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ExitError {
    /// One of this module's codes.
    pub code: u8,
    /// One sentence.
    pub message: String,
}

/// An error that ends the program with [`USAGE`].
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    ExitError { code: USAGE, message: message.into() }.into()
}

/// An error that ends the program with [`RESOURCES`].
pub fn resources(message: impl Into<String>) -> anyhow::Error {
    ExitError { code: RESOURCES, message: message.into() }.into()
}

/// An error that ends the program with [`INTERRUPTED`].
pub fn interrupted(message: impl Into<String>) -> anyhow::Error {
    ExitError { code: INTERRUPTED, message: message.into() }.into()
}

/// The exit code of an error: its own, that of the cause that it is known by, or [`FAILED`].
pub fn code_of(error: &anyhow::Error) -> u8 {
    let full = |cause: &(dyn std::error::Error + 'static)| {
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(kind, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
    };
    if error.chain().any(full) {
        return RESOURCES;
    }
    error
        .chain()
        .find_map(|cause| {
            if let Some(exit) = cause.downcast_ref::<ExitError>() {
                return Some(exit.code);
            }
            if let Some(StoreError::Memory { .. }) = cause.downcast_ref() {
                return Some(RESOURCES);
            }
            let input = cause.is::<FsError>()
                || cause.is::<WitnessError>()
                || cause.is::<ProofFileError>()
                || cause.is::<ProfileError>();
            input.then_some(USAGE)
        })
        .unwrap_or(FAILED)
}

/// Logs the error in one line, with its causes, and gives the code to exit with.
pub fn report(result: anyhow::Result<u8>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(code_of(&error))
        }
    }
}
