//! What the user types.

use clap::{Parser, Subcommand};
use ops::log::LogArgs;

use crate::scenario::Tier;

const EXAMPLES: &str = "\
Examples:
  scenarios list                         what there is, and what each pins down
  scenarios run                          those that matter and are quick
  scenarios run --tier full --json       all, with the results as JSON
  scenarios run leader_killed poison     these two

The programs that they run are `leader` and `worker` beside this one.

Exit codes: 0 all went well, 1 some failed, 2 wrong usage, or something that they need is missing.";

/// Runs named faults of a cluster for real: each with a RabbitMQ, leaders and workers of its own.
#[derive(Debug, Parser)]
#[command(name = "scenarios", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Logging.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the scenarios.
    List,
    /// Run scenarios, one after another.
    Run {
        /// Names; all of the tier if there are none.
        names: Vec<String>,
        /// Which ones.
        #[arg(long, value_enum, default_value = "smoke", conflicts_with = "names")]
        tier: Tier,
        /// Leave the logs of those that went well, too, and say where they are.
        #[arg(long)]
        keep: bool,
        /// Print the results as JSON.
        #[arg(long)]
        json: bool,
    },
}
