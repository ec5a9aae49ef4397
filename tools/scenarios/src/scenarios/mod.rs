//! The scenarios, one file for each fault.

mod ack_timeout;
mod adopted_then_lost;
mod always_fails;
mod bounded;
mod broker_crashed;
mod broker_late;
mod broker_restarted;
mod busy_machine;
mod cancelled;
mod connection_cut;
mod connection_cut_long_tasks;
mod disk_full;
mod duplicate_results;
mod duplicate_tasks;
mod failed_block;
mod fails_once;
mod high_priority;
mod leader_killed;
mod leaders_share;
mod lost_too_often;
mod memory_alarm;
mod network_stalled;
mod other_circuits;
mod poison;
mod purged;
mod real_worker;
mod results_waiting;
mod same_group;
mod store_away;
mod straggler;
mod ten_thousand;
mod too_large;
mod worker_hangs;
mod worker_killed;
mod worker_terminated;

use crate::scenario::Scenario;

/// All of them, in the order in which they run.
pub const ALL: &[Scenario] = &[
    // Processes.
    worker_killed::SCENARIO,
    worker_terminated::SCENARIO,
    leader_killed::SCENARIO,
    results_waiting::SCENARIO,
    adopted_then_lost::SCENARIO,
    worker_hangs::SCENARIO,
    straggler::SCENARIO,
    busy_machine::SCENARIO,
    // The broker and the network.
    broker_restarted::SCENARIO,
    broker_crashed::SCENARIO,
    broker_late::SCENARIO,
    connection_cut::SCENARIO,
    connection_cut_long_tasks::SCENARIO,
    network_stalled::SCENARIO,
    ack_timeout::SCENARIO,
    memory_alarm::SCENARIO,
    // Messages.
    duplicate_tasks::SCENARIO,
    duplicate_results::SCENARIO,
    poison::SCENARIO,
    other_circuits::SCENARIO,
    real_worker::SCENARIO,
    // Tasks that fail.
    always_fails::SCENARIO,
    fails_once::SCENARIO,
    failed_block::SCENARIO,
    lost_too_often::SCENARIO,
    too_large::SCENARIO,
    // The artifact store.
    store_away::SCENARIO,
    disk_full::SCENARIO,
    // Operators, and several leaders.
    cancelled::SCENARIO,
    purged::SCENARIO,
    leaders_share::SCENARIO,
    same_group::SCENARIO,
    high_priority::SCENARIO,
    // Load.
    bounded::SCENARIO,
    ten_thousand::SCENARIO,
];
