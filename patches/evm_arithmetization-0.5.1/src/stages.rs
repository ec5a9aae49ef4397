//! How long each table takes in the stages of a segment's proof that go table by table.
//!
//! The stages run one table after another on one thread, so what is measured is kept in that thread until whoever
//! asked for it takes it.

use std::cell::RefCell;
use std::time::{Duration, Instant};

/// Proving a table's STARK.
pub const STARK: &str = "stark";
/// Shrinking that proof with recursive circuits.
pub const RECURSION: &str = "recursion";

/// What a table took in a stage.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// [`STARK`] or [`RECURSION`].
    pub name: &'static str,
    /// The table, an index of `Table::all()`.
    pub table: usize,
    /// How long it took.
    pub time: Duration,
}

thread_local! {
    static MEASURED: RefCell<Option<Vec<Stage>>> = const { RefCell::new(None) };
}

/// Runs something and returns what it took by stage and table. What it runs on other threads is not heard of.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Vec<Stage>) {
    MEASURED.with(|measured| measured.replace(Some(Vec::new())));
    let result = work();
    (result, MEASURED.with(|measured| measured.take()).unwrap_or_default())
}

/// Begins a stage, which ends when the result is dropped.
pub(crate) fn begin(name: &'static str, table: usize) -> Begun {
    Begun { name, table, start: Instant::now() }
}

pub(crate) struct Begun {
    name: &'static str,
    table: usize,
    start: Instant,
}

impl Drop for Begun {
    fn drop(&mut self) {
        let stage = Stage { name: self.name, table: self.table, time: self.start.elapsed() };
        MEASURED.with(|measured| {
            if let Some(stages) = &mut *measured.borrow_mut() {
                stages.push(stage);
            }
        });
    }
}
