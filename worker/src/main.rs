//! `worker`: parses, starts logging, runs, exits. Everything else is in the library.

use std::process::ExitCode;

use clap::Parser;
use worker::cli::Cli;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let screen = ops::log::init(&cli.log);
    ops::exit::report(worker::run(cli, &screen))
}
