//! Real proofs, with the 1-bit `test` profile: one chain of two blocks is proved once, through two interruptions and a
//! `kill -9`, and every scenario here looks at it, changes it, or goes on from it. Only `parts` does
//! without.
//!
//! Circuits (2 GB) are kept in `test-circuits` in the target folder, so only the first run builds them. What the last
//! run made, logs included, is in `tmp/proof` in the target folder.

mod chain;
mod circuits;
mod cluster;
mod execute;
mod fence;
mod node;
mod parts;
mod process;
mod published;
mod resume;
mod verify;
