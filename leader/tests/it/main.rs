//! What `leader` promises without proving anything: plans of real witnesses, the graph of tasks, the command line.

mod cli;
mod graph;
mod support;
mod witnesses;
