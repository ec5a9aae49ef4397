//! Exit codes: what a script may act on.

use std::io::ErrorKind;
use std::process::ExitCode;

use crate::artifacts::ArtifactError;
use crate::circuits::store::StoreError;
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
    error
        .chain()
        .find_map(|cause| {
            if let Some(exit) = cause.downcast_ref::<ExitError>() {
                return Some(exit.code);
            }
            if let Some(StoreError::Memory { .. }) = cause.downcast_ref() {
                return Some(RESOURCES);
            }
            if let Some(io) = cause.downcast_ref::<std::io::Error>() {
                let full = matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
                return Some(if full { RESOURCES } else { USAGE });
            }
            // As the same would be in a folder.
            if let Some(error @ ArtifactError::Bucket { .. }) = cause.downcast_ref() {
                return Some(if error.is_full() { RESOURCES } else { USAGE });
            }
            let input = cause.is::<WitnessError>() || cause.is::<ProofFileError>() || cause.is::<ProfileError>();
            input.then_some(USAGE)
        })
        .unwrap_or(FAILED)
}

/// The error and its causes in one line, each once: some errors of other crates repeat their cause in their own text.
pub fn text(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |text, cause| match text.ends_with(&cause) {
        true => text,
        false => format!("{text}: {cause}"),
    })
}

/// Logs the error in one line, with its causes, and gives the code to exit with.
pub fn report(result: anyhow::Result<u8>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!("{}", text(&error));
            ExitCode::from(code_of(&error))
        }
    }
}
