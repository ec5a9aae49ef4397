//! Makes a node build exactly the block that is wanted.
//!
//! A node takes the transactions from its pool, and hands out what it has when it is asked, so it has to be waited for:
//! for the pool to have them all, and then for the block to hold them. A block that was asked for too early is built
//! again from scratch, with the same hash as if it had been right at once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use alloy::consensus::BlockHeader;
use alloy::eips::eip1559::BaseFeeParams;
use alloy::eips::eip4895::Withdrawal;
use alloy::primitives::{B256, U64, keccak256};
use alloy::rpc::types::Block;
use alloy::rpc::types::engine::{ExecutionPayloadV3, ForkchoiceState, PayloadAttributes};
use serde::Deserialize;

use crate::chain::random;
use crate::genesis::SLOT;
use crate::tx::{GWEI, Kind, Signed, Terms};
use crate::{BlockSpec, DevnetError, Geth, Made};

/// For a pool to have what it was given.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);
/// So often a block is built, each time with twice the time of the last.
const ATTEMPTS: u32 = 7;
/// geth keeps as many blocks that it built. Asked for one of those again, it builds nothing.
const KEPT: u64 = 10;

#[derive(Debug, Deserialize)]
struct Pool {
    pending: U64,
    queued: U64,
}

/// Builds a block on `parent`, which is the head, and gives it to the node, not as the head. `state` is the fork choice
/// with that head.
pub(crate) async fn build(
    geth: &Geth,
    parent: &Block,
    spec: &BlockSpec,
    salt: &str,
    state: ForkchoiceState,
) -> Result<Made, DevnetError> {
    let number = parent.header.number() + 1;
    let sent = if spec.transactions.is_empty() { Vec::new() } else { send(geth, parent, spec).await? };
    let attributes = PayloadAttributes {
        timestamp: parent.header.timestamp() + SLOT,
        prev_randao: random("randao", number, salt),
        suggested_fee_recipient: spec.fees,
        withdrawals: Some(withdrawals(number, spec)),
        parent_beacon_block_root: Some(random("beacon root", number, salt)),
        ..PayloadAttributes::default()
    };
    let mut found = 0;
    for attempt in 0..ATTEMPTS {
        let wait = (20 + 2 * sent.len() as u64) << attempt;
        let wait = if sent.is_empty() { Duration::ZERO } else { Duration::from_millis(wait) };
        let payload = attempt_to_build(geth, state, attributes.clone(), wait).await?;
        let v1 = &payload.payload_inner.payload_inner;
        let hashes: Vec<B256> = v1.transactions.iter().map(keccak256).collect();
        if hashes.iter().copied().eq(sent.iter().map(|tx| tx.hash)) {
            let blobs = blob_hashes(spec);
            let root = attributes.parent_beacon_block_root.unwrap_or_default();
            geth.engine().new_payload(&payload, &blobs, root).await?;
            let (hash, parent) = (v1.block_hash, v1.parent_hash);
            return Ok(Made { number, hash, parent, transactions: hashes, gas_used: v1.gas_used });
        }
        found = hashes.len();
        if found >= sent.len() {
            let why = "the node has other transactions as well, or another order".into();
            return Err(DevnetError::NotMade { number, why });
        }
        forget(geth, state, &attributes).await?;
    }
    let why = format!("it holds {found} of {} transactions: the others may be invalid", sent.len());
    Err(DevnetError::NotMade { number, why })
}

async fn attempt_to_build(
    geth: &Geth,
    state: ForkchoiceState,
    attributes: PayloadAttributes,
    wait: Duration,
) -> Result<ExecutionPayloadV3, DevnetError> {
    let id = geth.engine().forkchoice(state, Some(attributes)).await?;
    tokio::time::sleep(wait).await;
    geth.engine().payload(id.unwrap_or_default()).await
}

/// Makes the node forget the blocks that it built, by building others.
async fn forget(geth: &Geth, state: ForkchoiceState, attributes: &PayloadAttributes) -> Result<(), DevnetError> {
    for other in 0..KEPT {
        let prev_randao = random("other", other, &attributes.prev_randao.to_string());
        attempt_to_build(geth, state, PayloadAttributes { prev_randao, ..attributes.clone() }, Duration::ZERO).await?;
    }
    Ok(())
}

/// Signs the block's transactions, sends them, and waits until the pool has them all.
async fn send(geth: &Geth, parent: &Block, spec: &BlockSpec) -> Result<Vec<Signed>, DevnetError> {
    let rpc = geth.rpc();
    // What was in the last block leaves it some time after that became the head.
    await_pool(geth, parent, 0).await?;
    let chain_id: U64 = rpc.call("eth_chainId", ()).await?;
    let base_fee = parent.header.next_block_base_fee(BaseFeeParams::ethereum()).unwrap_or_default();
    let mut nonces = HashMap::new();
    let mut sent = Vec::new();
    for (index, tx) in spec.transactions.iter().enumerate() {
        let sender = tx.sender(index)?;
        let nonce = match nonces.get(&sender) {
            Some(nonce) => *nonce,
            None => rpc.call::<U64>("eth_getTransactionCount", (sender, "latest")).await?.to(),
        };
        nonces.insert(sender, nonce + 1);
        let tip = GWEI + 1_000_000 * (spec.transactions.len() - index) as u128;
        let terms = Terms { nonce, chain_id: chain_id.to(), base_fee: base_fee.into(), tip };
        let signed = tx.sign(index, terms)?;
        let hash: B256 = rpc.call("eth_sendRawTransaction", (&signed.raw,)).await?;
        debug_assert_eq!(hash, signed.hash);
        sent.push(signed);
    }
    await_pool(geth, parent, sent.len() as u64).await?;
    Ok(sent)
}

async fn await_pool(geth: &Geth, parent: &Block, wanted: u64) -> Result<(), DevnetError> {
    let end = Instant::now() + PATIENCE;
    loop {
        let pool: Pool = geth.rpc().call("txpool_status", ()).await?;
        let (pending, queued): (u64, u64) = (pool.pending.to(), pool.queued.to());
        if pending == wanted && queued == 0 {
            return Ok(());
        }
        if Instant::now() > end {
            let number = parent.header.number() + 1;
            let why =
                format!("the pool has {pending} transactions and {queued} that must wait, {wanted} are to be there");
            return Err(DevnetError::NotMade { number, why });
        }
        tokio::time::sleep(POLL).await;
    }
}

fn withdrawals(number: u64, spec: &BlockSpec) -> Vec<Withdrawal> {
    let entries = spec.withdrawals.iter().zip(0..);
    let withdrawal =
        |(&(address, amount), i)| Withdrawal { index: number * 100 + i, validator_index: i, address, amount };
    entries.map(withdrawal).collect()
}

fn blob_hashes(spec: &BlockSpec) -> Vec<B256> {
    let blobs = spec.transactions.iter().filter_map(|tx| match &tx.kind {
        Kind::Blobs(blobs) => Some(blobs),
        _ => None,
    });
    blobs.flatten().map(|blob| blob.versioned_hash()).collect()
}
