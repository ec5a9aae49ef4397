//! Making circuits: minutes of work, seen step by step.

use std::sync::{Mutex, MutexGuard, PoisonError};
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

/// How many chains of circuits are built at once: each takes up to a gigabyte while it is, and a few keep many cores
/// busy.
const SIDE_BY_SIDE: usize = 4;

/// Runs `work` for each item, a few at a time, the last first; ends at the first error.
pub fn side_by_side<I: Copy + Send, T: Send, E: Send>(
    items: Vec<I>,
    steps: &mut Steps<'_>,
    work: impl Fn(I, &Mutex<&mut Steps<'_>>) -> Result<T, E> + Sync,
) -> Result<Vec<(I, T)>, E> {
    let (steps, waiting) = (Mutex::new(steps), Mutex::new(items));
    let (done, failed) = (Mutex::new(Vec::new()), Mutex::new(None));
    rayon::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE.min(rayon::current_num_threads()) {
            scope.spawn(|_| {
                while let Some(item) = take(&waiting) {
                    match work(item, &steps) {
                        Ok(result) => lock(&done).push((item, result)),
                        Err(error) => {
                            lock(&waiting).clear();
                            lock(&failed).get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// Announces a step of those that are done side by side.
pub fn announce(steps: &Mutex<&mut Steps<'_>>, what: String) {
    lock(steps).next(what);
}

fn take<I>(waiting: &Mutex<Vec<I>>) -> Option<I> {
    lock(waiting).pop()
}

/// A panic elsewhere ends everything; what it left is not looked at.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
