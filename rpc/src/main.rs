//! `rpc`: parses, starts logging, runs, exits. Everything else is in the library.

use std::process::ExitCode;

use clap::Parser;
use rpc::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let screen = ops::log::init(&cli.log);
    ops::exit::report(rpc::run(cli, &screen))
}
