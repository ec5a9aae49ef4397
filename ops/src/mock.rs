//! A prover that only takes time: for tests of load and of faults.
//!
//! What it makes can never pass for a proof: its circuits digest is one that no circuits have, so no prover takes its
//! tasks and no mock takes theirs, and its outputs have another place in the artifact store and another form.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::task::{FORMAT, TaskId};

/// The profile name that logs, status and outputs of a mock carry.
pub const PROFILE: &str = "MOCK";

/// Stands for the digest of circuits.
pub fn digest() -> Digest {
    Digest::of("mock", &FORMAT)
}

/// The output of a task that was not proved.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MockOutput {
    /// Always true: says what this is to whoever finds it.
    pub mock: bool,
    /// The task.
    pub id: TaskId,
}

/// What stands in a proof file for a block that was not proved.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MockProof {
    /// Always true: says what this is to whoever finds it.
    pub mock: bool,
    /// The same for people.
    pub warning: String,
    /// Block number.
    pub b_height: u64,
}

impl MockProof {
    /// Of a block.
    pub fn new(b_height: u64) -> Self {
        Self { mock: true, warning: "MOCK: nothing was proved".to_owned(), b_height }
    }
}

/// What a mock does with a task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mock {
    /// Time that a task takes.
    pub cost: Cost,
    /// Probability that it panics instead of ending well.
    pub fail: f64,
}

/// Time that a task takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Always the same.
    Constant(Duration),
    /// For each million gas of a segment's batch; other tasks take as long as one for a million.
    Gas(Duration),
    /// Evenly distributed.
    Random(Duration, Duration),
}

impl Mock {
    /// Time for a task in a batch of so much gas, `random` being from 0 to 1.
    pub fn time(&self, gas: u64, random: f64) -> Duration {
        match self.cost {
            Cost::Constant(time) => time,
            Cost::Gas(time) => time.mul_f64(gas as f64 / 1e6),
            Cost::Random(from, to) => from + to.saturating_sub(from).mul_f64(random),
        }
    }
}

/// Why a description of a mock is none.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is none of constant:MS, gas:MS, random:MS..MS and fail:PROBABILITY, joined with commas")]
pub struct MockError(String);

impl FromStr for Mock {
    type Err = MockError;

    fn from_str(text: &str) -> Result<Self, MockError> {
        let mut mock = Self { cost: Cost::Constant(Duration::ZERO), fail: 0.0 };
        for part in text.split(',') {
            let error = || MockError(part.to_owned());
            let (name, value) = part.split_once(':').ok_or_else(error)?;
            let time = |text: &str| text.parse().map(Duration::from_millis).map_err(|_| error());
            match name {
                "constant" => mock.cost = Cost::Constant(time(value)?),
                "gas" => mock.cost = Cost::Gas(time(value)?),
                "random" => {
                    let (from, to) = value.split_once("..").ok_or_else(error)?;
                    mock.cost = Cost::Random(time(from)?, time(to)?);
                }
                "fail" => {
                    mock.fail = value.parse().ok().filter(|fail| (0.0..=1.0).contains(fail)).ok_or_else(error)?;
                }
                _ => return Err(error()),
            }
        }
        Ok(mock)
    }
}
