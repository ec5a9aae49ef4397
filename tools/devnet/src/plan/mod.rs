//! The planned blocks: what each holds, and what it is for.
//!
//! A block's number is its place here, from 1. Blocks are small, so that each can be proved with small circuits; those
//! after it only need its contracts, so `--blocks N` may stop anywhere.

use alloy::primitives::{Address, U256};

use crate::BlockSpec;

mod creations;
mod environment;
mod failures;
mod kinds;
mod precompiles;
mod storage;
mod tokens;
mod transfers;

pub use kinds::fifty;

/// Who creates the token and has its whole supply, a place in [`crate::ACCOUNTS`].
const RICH: usize = 8;
/// Who creates all other contracts, and does nothing else: their addresses are those of its nonces.
const DEPLOYER: usize = 9;
const DEED: u64 = 0;
const DRAWERS: [u64; 3] = [1, 2, 3];
const NURSERY: u64 = 4;
const SHELF: u64 = 5;

/// A block that is planned.
#[derive(Debug, Clone)]
pub struct Planned {
    /// A name of one word, or several with hyphens; also of files.
    pub name: &'static str,
    /// What it exercises.
    pub about: &'static str,
    /// What it holds.
    pub spec: BlockSpec,
    /// The places of the transactions that fail, from 0.
    pub failing: &'static [usize],
}

impl Planned {
    fn new(name: &'static str, about: &'static str, spec: BlockSpec) -> Self {
        Self { name, about, spec, failing: &[] }
    }

    fn failing(self, failing: &'static [usize]) -> Self {
        Self { failing, ..self }
    }
}

/// The address of a contract that the plan creates.
fn contract(nonce: u64) -> Address {
    crate::ACCOUNTS[DEPLOYER].create(nonce)
}

/// The token of the plan, from block 5 on.
pub fn coin() -> Address {
    crate::ACCOUNTS[RICH].create(0)
}

/// The contracts of the plan whose slots come and go, from block 9 on.
pub fn drawers() -> [Address; 3] {
    DRAWERS.map(contract)
}

/// The slots, loops and calls of the plan, from block 16 on.
pub fn shelf() -> Address {
    contract(SHELF)
}

/// All planned blocks.
pub fn blocks() -> Vec<Planned> {
    [
        transfers::blocks(),
        tokens::blocks(),
        storage::blocks(),
        creations::blocks(),
        failures::blocks(),
        precompiles::blocks(),
        kinds::blocks(),
        environment::blocks(),
    ]
    .concat()
}

fn word(number: u64) -> U256 {
    U256::from(number)
}
