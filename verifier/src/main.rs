//! `verifier`: parses, starts logging, runs, exits with the verdict. Everything else is in the library.

use std::process::ExitCode;

use clap::Parser;
use verifier::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let screen = ops::log::init(&cli.log);
    verifier::exit_code(verifier::run(cli, &screen))
}
