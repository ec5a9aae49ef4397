//! `scenarios`: parses, starts logging, runs, exits. Everything else is in the library.

use std::process::ExitCode;

use clap::Parser;
use scenarios::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let _screen = ops::log::init(&cli.log);
    ops::exit::report(scenarios::run(&cli))
}
