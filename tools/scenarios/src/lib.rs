//! Named faults of a cluster, each run for real: a broker, leaders and workers of its own, the fault, and what must hold
//! all the same.
//!
//! [`scenarios`] has a file for each fault; [`scenario`] is what such a file gives; [`ground`] is what it has to work
//! with: the broker, [`member`]s (processes) with their [`log`]s, and a [`wire`] of its own to the broker. [`report`] is
//! what is printed. Nearly all workers are mocks: they differ from real ones in the proving itself and in nothing else.

pub mod cli;
pub mod ground;
pub mod log;
pub mod member;
pub mod report;
pub mod scenario;
pub mod scenarios;
pub mod wire;

use std::time::Instant;

use anyhow::anyhow;
use ops::{exit, panics, stdout};
use testing::say;

use cli::{Cli, Command};
use ground::{Ground, Programs};
use report::{Outcome, Verdict};
use scenario::{Scenario, Tier};
use scenarios::ALL;

/// Runs a command line; the result is the exit code.
pub fn run(cli: &Cli) -> anyhow::Result<u8> {
    match &cli.command {
        Command::List => stdout::print(report::list(ALL).as_bytes()).map(|()| exit::OK),
        Command::Run { names, tier, keep, json } => {
            let chosen = choose(names, *tier)?;
            let programs = Programs::find()?;
            if !testing::broker::available() {
                return Err(exit::usage("no RabbitMQ here: install rabbitmq-server"));
            }
            let verdicts: Vec<_> = chosen.into_iter().map(|scenario| judge(scenario, &programs, *keep)).collect();
            match json {
                true => stdout::print(report::json(&verdicts)?.as_bytes())?,
                false => stdout::print(report::table(&verdicts).as_bytes())?,
            }
            let failed = verdicts.iter().any(|verdict| matches!(verdict.outcome, Outcome::Failed(_)));
            Ok(if failed { exit::FAILED } else { exit::OK })
        }
    }
}

fn choose(names: &[String], tier: Tier) -> anyhow::Result<Vec<&'static Scenario>> {
    if names.is_empty() {
        return Ok(ALL.iter().filter(|scenario| scenario.tier <= tier).collect());
    }
    let find = |name: &String| {
        let found = ALL.iter().find(|scenario| scenario.name == name);
        found.ok_or_else(|| exit::usage(format!("there is no scenario `{name}`; `scenarios list` lists them")))
    };
    names.iter().map(find).collect()
}

/// Runs one scenario. What it wrote is kept if it failed, and if asked for.
fn judge(scenario: &Scenario, programs: &Programs, keep: bool) -> Verdict {
    say(&format!("-- {} …", scenario.name));
    let start = Instant::now();
    let ground = Ground::new(programs.clone());
    // What the testing crate cannot go on with is a panic.
    let result = ground.and_then(|mut ground| {
        let result = panics::catch(|| (scenario.run)(&mut ground)).unwrap_or_else(|panic| Err(anyhow!(panic)));
        if keep {
            say(&format!("   logs in {}", ground.keep().display()));
        }
        result.map_err(|error| error.context(format!("logs in {}", ground.keep().display())))
    });
    let outcome = match result {
        Ok(figures) => match figures.skipped {
            Some(reason) => Outcome::Skipped(reason),
            None => Outcome::Ok(figures),
        },
        Err(error) => Outcome::Failed(exit::text(&error)),
    };
    let verdict = Verdict { name: scenario.name, seconds: start.elapsed().as_secs_f64(), outcome };
    say(&report::line(&verdict));
    verdict
}
