//! Blocks with random transfers, one after another, for trying what follows the tip of a chain.

use alloy::consensus::BlockHeader;

use crate::accounts::stranger;
use crate::{ACCOUNTS, BlockSpec, Chain, DevnetError, Made, Tx};

/// A block is safe when so many are on it.
const SAFE: u64 = 4;
/// A block is final when so many are on it. On a real chain it is some 64.
const FINAL: u64 = 8;

/// Makes a block of one to eight transfers. They are random, and the same ones on the same chain.
pub(crate) async fn block(chain: &mut Chain) -> Result<Made, DevnetError> {
    let number = chain.head().await?.header.number() + 1;
    let mut random = fastrand::Rng::with_seed(number);
    let transfers = (0..random.usize(1..=8)).map(|_| {
        let to = if random.bool() { stranger(random.u64(..1000)) } else { ACCOUNTS[random.usize(..ACCOUNTS.len())] };
        Tx::transfer(random.usize(..ACCOUNTS.len()), to, u128::from(random.u64(1..1_000_000_000)))
    });
    let spec = BlockSpec::of(transfers.collect::<Vec<_>>());
    let made = chain.block(&spec).await?;
    finalize(chain, number).await?;
    Ok(made)
}

/// Says what is safe and final below a block.
pub(crate) async fn finalize(chain: &mut Chain, head: u64) -> Result<(), DevnetError> {
    if head > FINAL { chain.finalize(head - FINAL, head - SAFE).await } else { Ok(()) }
}
