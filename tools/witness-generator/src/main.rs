//! Command line of the witness generator: writes the files, or checks the ones that are there.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Makes the small block witnesses that are kept in the repository, and their block headers.
///
/// The blocks are those of a Cancun chain (EIP-1559, 4788, 4844 and 4895 rules) that exists nowhere else: it is
/// computed here from constants, without a node and without randomness, so every run makes the same bytes.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Folder to write to, made when it is missing
    #[arg(default_value = "witnesses")]
    out_dir: PathBuf,

    /// Write nothing; exit with 1 when a file in the folder is missing or different
    #[arg(long)]
    check: bool,
}

#[expect(clippy::print_stderr, reason = "a command line tool reports to its terminal")]
fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let files = witness_generator::files()?;
    if !cli.check {
        for file in &files {
            file.write(&cli.out_dir)?;
            eprintln!("wrote {} ({} bytes)", cli.out_dir.join(file.name).display(), file.contents.len());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut verdict = ExitCode::SUCCESS;
    for file in &files {
        if !file.is_in(&cli.out_dir)? {
            eprintln!("{} is missing or different", cli.out_dir.join(file.name).display());
            verdict = ExitCode::FAILURE;
        }
    }
    Ok(verdict)
}
