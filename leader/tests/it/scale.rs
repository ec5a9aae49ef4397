//! `leader scale`: the law of the autoscaler as a table, what it does to loads in simulated time, the command line, and
//! the numbers of a real broker.

mod command;
mod law;
mod live;
mod seen;
mod simulate;

use std::num::NonZeroU32;

use leader::scale::law::{Mode, Settings};

/// Settings of a class: workers of so many slots, from a least to a most number.
fn settings(mode: Mode, slots: u32, workers: (u32, u32)) -> Settings {
    let number = |number| NonZeroU32::new(number).expect("not zero");
    let (min, max) = workers;
    Settings {
        mode,
        tasks_per_worker: number(slots),
        min,
        max,
        activation: 0,
        drain_target_seconds: number(600),
        count_running: true,
    }
}
