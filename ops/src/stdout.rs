//! Data for stdout: what a pipe reads. Everything that is said to people beside it goes to stderr.

use std::io::{self, Write};

use anyhow::Context;
use clap::CommandFactory;

use crate::exit;

/// Writes to stdout. Whoever reads it may have heard enough: that is no error.
pub fn print(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(()),
    }
}

/// Prints the completion script of a binary for a shell.
pub fn completions<Cli: CommandFactory>(shell: clap_complete::Shell) -> anyhow::Result<u8> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    print(&script)?;
    Ok(exit::OK)
}
