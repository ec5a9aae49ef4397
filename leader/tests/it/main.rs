//! What `leader` promises without proving anything: plans of real witnesses, the graph of tasks, the command line.

mod bad_input;
mod circuits;
mod flags;
mod follow;
mod graph;
mod help;
mod monitor;
mod plan;
mod process;
mod scale;
mod support;
mod witnesses;
