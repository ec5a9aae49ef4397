//! `devnet`: a local chain.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use devnet::cli::Cli;
use devnet::run;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(colours);
    log.with_writer(std::io::stderr).init();
    match run::run(cli.command).await {
        Ok(code) => code.into(),
        Err(error) => {
            tracing::error!("{error:#}");
            run::code_of(&error).into()
        }
    }
}
