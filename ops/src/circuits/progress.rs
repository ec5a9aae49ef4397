//! Preparing circuits where people look on: a line at each step, and a bar on a terminal.

use std::sync::Mutex;

use anyhow::Context;
use indicatif::ProgressBar;

use super::Circuits;
use super::build::Step;
use super::store::Store;
use crate::log::Screen;
use crate::{health, stack};

/// What to do where there are no circuits yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Prepare them.
    Build,
    /// Wait until somebody else has.
    Wait,
}

/// Circuits ready to prove.
pub fn open(store: &Store, absent: Absent, screen: &Screen) -> anyhow::Result<Circuits> {
    health::missing("circuits", "not loaded yet");
    let circuits = match absent {
        Absent::Build => build(store, screen)?,
        Absent::Wait => stack::run(|| store.wait()).context("reading circuits")??,
    };
    health::there("circuits");
    Ok(circuits)
}

fn build(store: &Store, screen: &Screen) -> anyhow::Result<Circuits> {
    let progress = Progress::new(store.profile_name(), screen);
    let listen = |step| progress.step(step);
    // Building them recurses deeply.
    let circuits = stack::run(|| store.open(&listen)).context("preparing circuits");
    progress.finish();
    Ok(circuits??)
}

/// Tells the steps of preparing circuits.
#[derive(Debug)]
struct Progress {
    profile: String,
    screen: Screen,
    bar: Mutex<Option<ProgressBar>>,
}

impl Progress {
    /// For the circuits of a profile.
    fn new(profile: &str, screen: &Screen) -> Self {
        Self { profile: profile.to_owned(), screen: screen.clone(), bar: Mutex::new(None) }
    }

    /// Takes note of a step.
    fn step(&self, step: Step) {
        let Step { number, total, what, elapsed } = step;
        // Time left by the steps so far; the upper circuits take longer than those of tables, so it is a lower bound.
        tracing::info!(
            step = %format!("{number}/{total}"),
            time_spent = %format!("{}s", elapsed.as_secs()),
            "Preparing circuits of profile {}: {what}",
            self.profile
        );
        let mut slot = self.bar.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if slot.is_none() {
            *slot = self.screen.bar(total as u64, "circuits [{bar:40}] {pos}/{len} {elapsed_precise} {msg}");
        }
        if let Some(bar) = &*slot {
            bar.set_length(total as u64);
            bar.set_position(number as u64 - 1);
            bar.set_message(what);
        }
    }

    /// Removes the bar.
    fn finish(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take() {
            bar.finish_and_clear();
        }
    }
}
