//! What a scenario is, and what comes out of it.

use std::time::Duration;

use clap::ValueEnum;

use crate::ground::Ground;

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Tier {
    /// What matters most and is quick: three minutes in all on two cores.
    Smoke,
    /// Everything: 16 minutes.
    Full,
}

/// A fault, and what must hold all the same.
#[derive(Debug)]
pub struct Scenario {
    /// What it is called by; the name of its file.
    pub name: &'static str,
    /// The least tier that it is part of.
    pub tier: Tier,
    /// What must hold, in half a sentence.
    pub pins_down: &'static str,
    /// Brings the fault about, and says what was measured if all that must hold did.
    pub run: fn(&mut Ground) -> anyhow::Result<Figures>,
}

/// What was measured.
#[derive(Debug, Default)]
pub struct Figures {
    /// Names and values, in the order in which they are shown.
    pub values: Vec<(&'static str, Figure)>,
    /// Why it was not run, if it was not.
    pub skipped: Option<String>,
}

/// A value.
#[derive(Clone, Copy, Debug)]
pub enum Figure {
    /// How many.
    Count(usize),
    /// How long.
    Time(Duration),
}

impl Figures {
    /// It was not run.
    pub fn skipped(reason: &str) -> Self {
        Self { values: Vec::new(), skipped: Some(reason.to_owned()) }
    }

    /// With a number.
    pub fn count(mut self, name: &'static str, count: usize) -> Self {
        self.values.push((name, Figure::Count(count)));
        self
    }

    /// With a time.
    pub fn time(mut self, name: &'static str, time: Duration) -> Self {
        self.values.push((name, Figure::Time(time)));
        self
    }
}
