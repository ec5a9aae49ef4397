//! Whether this process is alive and ready, as probes ask it.
//!
//! Alive: the loop that does the work has been round lately. Ready: nothing is missing that it needs.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A loop that was not round for so long is stuck. Much longer than any loop waits for an answer.
const STUCK: Duration = Duration::from_secs(300);

struct State {
    missing: BTreeMap<&'static str, String>,
    heart: Option<Instant>,
}

static STATE: Mutex<State> = Mutex::new(State { missing: BTreeMap::new(), heart: None });

fn state() -> std::sync::MutexGuard<'static, State> {
    // Nothing that is done under the lock leaves a change half made.
    STATE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Something that is needed is missing, for a reason.
pub fn missing(what: &'static str, reason: impl Into<String>) {
    state().missing.insert(what, reason.into());
}

/// It is there.
pub fn there(what: &'static str) {
    state().missing.remove(what);
}

/// The loop that does the work is round once more. From the first time on it is watched.
pub fn beat() {
    state().heart = Some(Instant::now());
}

/// Whether nothing is missing; else what, and why.
pub fn ready() -> Result<(), String> {
    let missing: Vec<_> = state().missing.iter().map(|(what, reason)| format!("{what}: {reason}")).collect();
    if missing.is_empty() { Ok(()) } else { Err(missing.join("; ")) }
}

/// Whether the loop that does the work goes round; else since when not.
pub fn alive() -> Result<(), String> {
    match state().heart.map(|heart| heart.elapsed()) {
        Some(age) if age > STUCK => Err(format!("stuck for {} s", age.as_secs())),
        _ => Ok(()),
    }
}
