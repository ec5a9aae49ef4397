//! Making circuits: minutes of work, seen step by step.

use std::time::{Duration, Instant};

use evm_arithmetization::fixed_recursive_verifier::RecursiveCircuitsForTable;
use evm_arithmetization::{AllRecursiveCircuits, NUM_TABLES, RecursiveCircuitsForTableSize};

use super::Starks;
use crate::profile::{Profile, TABLES};

/// A step of the preparation that begins.
#[derive(Clone, Debug)]
pub struct Step {
    /// Position, from 1.
    pub number: usize,
    /// How many there are.
    pub total: usize,
    /// What it makes or reads.
    pub what: String,
    /// Since the preparation began.
    pub elapsed: Duration,
}

/// Counts steps and tells them to a listener.
pub struct Steps<'a> {
    number: usize,
    total: usize,
    start: Instant,
    listen: &'a (dyn Fn(Step) + Sync),
}

impl std::fmt::Debug for Steps<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "step {} of {}", self.number, self.total)
    }
}

impl<'a> Steps<'a> {
    /// Starts counting towards `total`.
    pub fn new(total: usize, listen: &'a (dyn Fn(Step) + Sync)) -> Self {
        Self { number: 0, total, start: Instant::now(), listen }
    }

    /// The steps of building everything of a profile.
    pub fn total_of(profile: &Profile) -> usize {
        // Building and writing the upper circuits: one more step than they have.
        profile.table_circuits() + AllRecursiveCircuits::UPPER_STEPS + 1
    }

    /// Announces the next step.
    pub fn next(&mut self, what: impl Into<String>) {
        self.number += 1;
        (self.listen)(Step {
            number: self.number,
            total: self.total,
            what: what.into(),
            elapsed: self.start.elapsed(),
        });
    }
}

/// The circuits that shrink a STARK proof of one table with 2^`size` rows.
pub fn table(starks: &Starks, profile: &Profile, table: usize, size: usize) -> RecursiveCircuitsForTableSize {
    tracing::debug!(table = TABLES[table].name, size, "building circuits");
    RecursiveCircuitsForTableSize::for_table(starks, table, size, &profile.security.config())
}

/// The upper circuits, from all circuits of tables.
pub fn upper(
    by_table: [RecursiveCircuitsForTable<evm_arithmetization::Field, evm_arithmetization::RecursionConfig, 2>;
        NUM_TABLES],
    profile: &Profile,
    steps: &mut Steps<'_>,
) -> AllRecursiveCircuits {
    AllRecursiveCircuits::from_tables(by_table, &profile.security.config(), |what| {
        steps.next(format!("upper circuits: {what}"))
    })
}
