//! The broker crashes while tasks are queued and running, and comes back: nothing is lost, since it has on disk what it
//! has confirmed, and what it has not confirmed is sent once more.

use crate::ground::Ground;
use crate::scenario::{Figures, Scenario, Tier};
use crate::scenarios::broker_restarted::ride_out;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "broker_crashed",
    tier: Tier::Full,
    pins_down: "kill -9 of the broker: queued and running tasks end well, nothing is executed twice",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    ride_out(ground, |broker| {
        broker.kill();
        broker.restart();
    })
}
