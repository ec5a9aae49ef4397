//! The planned chain at a real geth: what its blocks do, that it is the same every time, and what a consensus client
//! does to it.

use alloy::consensus::BlockHeader;
use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::{Block, TransactionReceipt};
use devnet::accounts::stranger;
use devnet::genesis::{BEACON_ROOTS, SLOT, TIME};
use devnet::testing::have_geth;
use devnet::{ACCOUNTS, BlockSpec, Chain, DevnetError, Options, Tx, plan};

/// The head of the planned chain. It changes with the plan, and with nothing else.
const HEAD: &str = "0xb50fc6fc03f738fca206af92bfb7a53ea7b9ff0d45b089636559dbfbb851d61f";

#[tokio::test]
async fn the_plan_gives_the_same_chain_every_time() {
    if !have_geth() {
        return;
    }
    let planned = plan::blocks();
    let (mut one, mut two) = (Chain::start().await.unwrap(), Chain::start().await.unwrap());
    let made = one.plan(planned.len()).await.unwrap();
    assert_eq!(made.len(), planned.len());
    assert_eq!(two.plan(planned.len()).await.unwrap(), made);
    assert_eq!(made.last().unwrap().hash.to_string(), HEAD);
}

#[tokio::test]
async fn planned_transactions_do_what_the_plan_says() {
    if !have_geth() {
        return;
    }
    let planned = plan::blocks();
    let mut chain = Chain::start().await.unwrap();
    chain.plan(planned.len()).await.unwrap();
    for (number, planned) in (1..).zip(&planned) {
        let receipts = receipts(&chain, number).await;
        let failed: Vec<usize> =
            receipts.iter().enumerate().filter(|(_, receipt)| !receipt.status()).map(|(index, _)| index).collect();
        assert_eq!(failed, planned.failing, "block {number}, {}", planned.name);
    }
}

/// The way to what stays is shorter afterwards, so a branch was replaced by its last child.
#[tokio::test]
async fn tries_collapse_where_the_plan_says() {
    if !have_geth() {
        return;
    }
    let planned = plan::blocks();
    let number = |name| 1 + planned.iter().position(|planned| planned.name == name).unwrap() as u64;
    let mut chain = Chain::start().await.unwrap();
    chain.plan(planned.len()).await.unwrap();
    let provider = chain.geth().rpc().provider();
    let [key] = devnet::contracts::slots("1");
    let drawer = plan::drawers()[0];
    let depth = |number: u64| {
        let provider = provider.clone();
        async move {
            let account = provider.get_proof(stranger(1), vec![]).block_id(number.into()).await.unwrap();
            let slot = provider.get_proof(drawer, vec![key.into()]).block_id(number.into()).await.unwrap();
            (account.account_proof.len(), slot.storage_proof[0].proof.len())
        }
    };
    let vanished = number("vanished");
    assert!(depth(vanished - 1).await.0 > depth(vanished).await.0);
    let (cleared, flickers) = (number("storage-cleared"), number("storage-flickers"));
    assert_eq!([depth(cleared - 1).await.1, depth(cleared).await.1], [2, 1]);
    assert_eq!([depth(flickers - 1).await.1, depth(flickers).await.1], [2, 2]);
    assert_eq!(depth(number("storage-emptied")).await.1, 0);
}

#[tokio::test]
async fn a_node_that_was_down_goes_on() {
    if !have_geth() {
        return;
    }
    let mut chain = Chain::start().await.unwrap();
    let url = chain.url().to_owned();
    chain.plan(3).await.unwrap();
    chain.geth_mut().stop();
    assert!(!chain.geth_mut().running());
    let error = chain.head().await.unwrap_err();
    assert!(matches!(error, DevnetError::Call { .. }), "{error}");
    chain.geth_mut().restart().await.unwrap();
    assert_eq!(chain.plan(4).await.unwrap()[0].number, 4);
    assert_eq!(chain.url(), url);
    chain.geth_mut().kill();
    chain.geth_mut().restart().await.unwrap();
    chain.empty(1).await.unwrap();
}

#[tokio::test]
async fn reorganizations_of_any_depth() {
    if !have_geth() {
        return;
    }
    let mut chain = Chain::start().await.unwrap();
    chain.plan(8).await.unwrap();
    for depth in [1, 3, 7] {
        let before = hashes(&chain).await;
        let head = before.len() as u64 - 1;
        let transfer = BlockSpec::of([Tx::transfer(0, stranger(depth), 1)]);
        let reorg = chain.reorg(depth, &vec![transfer; depth as usize + 1]).await.unwrap();
        let after = hashes(&chain).await;
        let stays = (head - depth) as usize + 1;
        assert_eq!(after.len() as u64, head + 2, "depth {depth}");
        assert_eq!(after[..stays], before[..stays]);
        assert_eq!(reorg.orphaned, before[stays..]);
        assert!(reorg.made.iter().map(|made| made.hash).eq(after[stays..].iter().copied()));
        // The chain goes on, and an orphan is still there to be asked for.
        let more = chain.block(&BlockSpec::of([Tx::transfer(0, ACCOUNTS[1], 1)])).await.unwrap();
        assert_eq!(more.parent, *after.last().unwrap());
        assert!(!chain.raw(reorg.orphaned[0]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_head_moves_between_siblings() {
    if !have_geth() {
        return;
    }
    let mut chain = Chain::start().await.unwrap();
    chain.empty(2).await.unwrap();
    let salted = |salt: &str| BlockSpec { salt: salt.into(), ..BlockSpec::default() };
    let one = chain.sibling(&salted("one")).await.unwrap();
    let two = chain.sibling(&salted("two")).await.unwrap();
    assert_eq!((one.number, one.parent), (two.number, two.parent));
    for sibling in [&one, &two, &one] {
        chain.switch(sibling.hash).await.unwrap();
        assert_eq!(chain.hash(3).await.unwrap(), sibling.hash);
    }
    let ancestor = chain.hash(1).await.unwrap();
    assert!(matches!(chain.switch(ancestor).await, Err(DevnetError::Refused { .. })));
    let transfer = BlockSpec::of([Tx::transfer(0, stranger(1), 1)]);
    assert_eq!(chain.block(&transfer).await.unwrap().parent, one.hash);
}

#[tokio::test]
async fn final_blocks_stay() {
    if !have_geth() {
        return;
    }
    let mut chain = Chain::start().await.unwrap();
    chain.empty(6).await.unwrap();
    chain.finalize(3, 4).await.unwrap();
    for (tag, number) in [(BlockNumberOrTag::Finalized, 3), (BlockNumberOrTag::Safe, 4), (BlockNumberOrTag::Latest, 6)]
    {
        let block = chain.geth().rpc().provider().get_block_by_number(tag).await.unwrap().unwrap();
        assert_eq!(block.header.number(), number);
    }
    chain.reorg(2, &vec![BlockSpec::default(); 3]).await.unwrap();
    assert!(chain.reorg(5, &vec![BlockSpec::default(); 6]).await.is_err());
}

#[tokio::test]
async fn a_fork_is_a_node_that_is_behind() {
    if !have_geth() {
        return;
    }
    let mut chain = Chain::start().await.unwrap();
    chain.plan(6).await.unwrap();
    let mut behind = chain.fork(4).await.unwrap();
    assert_eq!(behind.head().await.unwrap().header.hash, chain.hash(2).await.unwrap());
    assert_eq!(behind.adopt(&chain).await.unwrap(), Vec::<B256>::new());
    assert_eq!(hashes(&behind).await, hashes(&chain).await);
    assert!(matches!(chain.fork(7).await, Err(DevnetError::TooShort { .. })));
}

#[tokio::test]
async fn a_node_without_archive_forgets_old_state() {
    if !have_geth() {
        return;
    }
    let mut chain = Chain::start_with(&Options { archive: false, ..Options::default() }).await.unwrap();
    chain.plan(1).await.unwrap();
    chain.empty(140).await.unwrap();
    let proof = |number: u64| {
        let provider = chain.geth().rpc().provider();
        async move { provider.get_proof(ACCOUNTS[0], vec![]).block_id(number.into()).await }
    };
    assert!(proof(141).await.is_ok());
    assert!(proof(2).await.is_err());
}

#[tokio::test]
async fn headers_have_true_beacon_roots() {
    if !have_geth() {
        return;
    }
    let mut chain = Chain::start().await.unwrap();
    chain.empty(3).await.unwrap();
    let mut roots = Vec::new();
    for number in 1..=3 {
        let block = block(&chain, number).await;
        let root = block.header.parent_beacon_block_root().unwrap();
        let slot = U256::from((TIME + number * SLOT) % 8191 + 8191);
        let stored = chain.geth().rpc().provider().get_storage_at(BEACON_ROOTS, slot).await.unwrap();
        assert_eq!(stored, U256::from_be_bytes(root.0));
        roots.push(root);
    }
    roots.dedup();
    assert_eq!(roots.len(), 3);
}

#[tokio::test]
async fn a_transaction_that_is_invalid_is_named() {
    if !have_geth() {
        return;
    }
    let mut chain = Chain::start().await.unwrap();
    let nobody = chain.block(&BlockSpec::of([Tx::transfer(10, stranger(1), 1)])).await.unwrap_err();
    assert_eq!(nobody.to_string(), "transaction 0: there is no account 10");
    let cheap = chain.block(&BlockSpec::of([Tx::transfer(0, stranger(1), 1).gas(20_000)])).await.unwrap_err();
    assert!(format!("{:#}", anyhow::Error::from(cheap)).contains("intrinsic gas too low"));
}

#[tokio::test]
async fn five_hundred_transactions_fit_into_a_block() {
    if !have_geth() {
        return;
    }
    let mut chain = Chain::start().await.unwrap();
    let transfers = (0..500).map(|i: u64| Tx::transfer(i as usize % 10, stranger(i), 1));
    let made = chain.block(&BlockSpec::of(transfers)).await.unwrap();
    assert_eq!((made.transactions.len(), made.gas_used), (500, 500 * 21_000));
}

async fn block(chain: &Chain, number: u64) -> Block {
    chain.geth().rpc().provider().get_block_by_number(number.into()).await.expect("an answer").expect("a block")
}

async fn hashes(chain: &Chain) -> Vec<B256> {
    let head = chain.head().await.expect("a head").header.number();
    let mut hashes = Vec::new();
    for number in 0..=head {
        hashes.push(chain.hash(number).await.expect("a hash"));
    }
    hashes
}

async fn receipts(chain: &Chain, number: u64) -> Vec<TransactionReceipt> {
    chain.geth().rpc().provider().get_block_receipts(number.into()).await.expect("an answer").expect("receipts")
}
