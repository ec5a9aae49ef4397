//! How long each table takes in the stages of a segment's proof that go table by table.
//!
//! Both stages are begun and ended by one thread, in which what is measured is kept until whoever asked for it takes
//! it. The tables of a stage may be worked on side by side: then their times add up to more than the stage's.

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
        add(self.name, self.table, self.start.elapsed());
    }
}

/// Notes what a table took in a stage.
pub(crate) fn add(name: &'static str, table: usize, time: Duration) {
    MEASURED.with(|measured| {
        if let Some(stages) = &mut *measured.borrow_mut() {
            stages.push(Stage { name, table, time });
        }
    });
}
