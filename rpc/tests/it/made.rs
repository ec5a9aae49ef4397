//! The native path at a real geth, with the recorded chain and with blocks made for what is hard.

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, U256};
use devnet::testing::{have_anvil, have_geth};
use devnet::{ACCOUNTS, Anvil, BlockSpec, Chain, Options, Tx, accounts, recorded};
use ops::witness::Witness;
use rpc::native::witness as native;
use rpc::node::Node;
use testing::say;

use crate::support::{checkpoint, connect, simulates, state_root};

async fn fetch(node: &Node, number: u64) -> Witness {
    let from = checkpoint(node, number - 1).await;
    native(node, BlockId::number(number), &from).await.unwrap_or_else(|error| panic!("block {number}: {error}"))
}

async fn all_right(node: &Node, number: u64) {
    let witness = fetch(node, number).await;
    let root = state_root(node, number).await;
    for batch_size in [1, 3, 10] {
        simulates(&witness, batch_size, root);
    }
}

/// Every block of the recorded chain, from a real node.
#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_chain() {
    let Some(folder) = recorded::folder() else { return };
    if !have_geth() {
        return;
    }
    let chain = recorded::load(&folder).expect("the recording").start().await.expect("geth starts");
    let node = connect(chain.url()).await;
    for number in 1..=36 {
        let before = node.requests();
        all_right(&node, number).await;
        say(&format!("block {number}: {} requests with the checkpoint's", node.requests() - before));
    }
}

/// Takes pairs of slot and value, and stores them in this order: copies the 25 bytes after the ninth, a loop over calldata
/// with CALLDATALOAD twice and SSTORE.
const KEEPER: [u8; 34] = alloy::hex!("60198060095f395ff35f5b8036111560175780602001358135556040016001565b00");

fn store(from: usize, to: Address, pairs: &[(u64, u64)]) -> Tx {
    let words = pairs.iter().flat_map(|(slot, value)| [U256::from(*slot), U256::from(*value)]);
    Tx::data(from, to, words.flat_map(|word| word.to_be_bytes::<32>()).collect::<Vec<u8>>()).gas(2_000_000)
}

/// Slots that come and go at random, so that branches collapse within a transaction, from one to the next, and back; a
/// contract with few of them, and one with many.
#[tokio::test(flavor = "multi_thread")]
async fn slots_that_come_and_go() {
    if !have_geth() {
        return;
    }
    let mut chain = Chain::start().await.expect("geth starts");
    let node = connect(chain.url()).await;
    let keepers = [ACCOUNTS[0].create(0), ACCOUNTS[0].create(1)];
    let many: Vec<(u64, u64)> = (1000..1060).map(|slot| (slot, slot)).collect();
    let first = [Tx::create(0, KEEPER), Tx::create(0, KEEPER), store(1, keepers[1], &many)];
    chain.block(&BlockSpec::of(first)).await.expect("a block");
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..12 {
        let calls = (0..8).map(|_| {
            let which = random.usize(..2);
            let slots = if which == 0 { 0..6 } else { 1000..1070 };
            let pairs: Vec<_> = (0..random.usize(1..8))
                .map(|_| (random.u64(slots.clone()), if random.bool() { 0 } else { random.u64(1..) }))
                .collect();
            store(random.usize(..6), keepers[which], &pairs)
        });
        let block = BlockSpec::of(calls.collect::<Vec<_>>());
        chain.block(&block).await.expect("a block");
    }
    for number in 1..=13 {
        all_right(&node, number).await;
    }
}

/// The fee recipient may be new, and come by a transaction that fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_transaction_pays_somebody_new() {
    if !have_geth() {
        return;
    }
    let mut chain = Chain::start().await.expect("geth starts");
    let node = connect(chain.url()).await;
    // 0xfe: INVALID.
    let fails = Tx::create(0, [0xfe]).gas(100_000);
    let spec = |transactions: Vec<Tx>, fees| BlockSpec { fees, ..BlockSpec::of(transactions) };
    let transfer = |from| Tx::transfer(from, ACCOUNTS[3], 1);
    chain.block(&spec(vec![fails.clone()], accounts::stranger(1))).await.expect("a block");
    chain.block(&spec(vec![fails.clone(), transfer(1), transfer(2)], accounts::stranger(2))).await.expect("a block");
    chain.block(&spec(vec![transfer(1), fails, transfer(2)], accounts::stranger(3))).await.expect("a block");
    for number in 1..=3 {
        all_right(&node, number).await;
    }
}

/// An account that is empty and there, which only a genesis block can have, leaves when it is touched (EIP-161); and
/// precompiles are paid.
#[tokio::test(flavor = "multi_thread")]
async fn empty_accounts_leave() {
    if !have_geth() {
        return;
    }
    let empty: Vec<Address> = (10..20).map(accounts::stranger).collect();
    let mut options = Options::default();
    let accounts = options.genesis["alloc"].as_object_mut().expect("accounts");
    accounts.extend(empty.iter().map(|address| (address.to_string(), serde_json::json!({ "balance": "0x0" }))));
    let mut chain = Chain::start_with(&options).await.expect("geth starts");
    let node = connect(chain.url()).await;
    let touch = |at: usize| Tx::transfer(0, empty[at], 0);
    chain.block(&BlockSpec::of([touch(0)])).await.expect("a block");
    chain.block(&BlockSpec::of([touch(1), touch(2), Tx::transfer(1, empty[2], 7)])).await.expect("a block");
    let precompile = |number: u8| Tx::transfer(2, Address::with_last_byte(number), 5).gas(200_000);
    chain.block(&BlockSpec::of([precompile(1), precompile(3), precompile(4), touch(5)])).await.expect("a block");
    for number in 1..=3 {
        all_right(&node, number).await;
    }
}

/// A node without the state of old blocks says so once.
#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_state_is_named() {
    if !have_geth() {
        return;
    }
    let mut chain = Chain::start_with(&Options { archive: false, ..Options::default() }).await.expect("geth starts");
    chain.empty(140).await.expect("blocks");
    let node = connect(chain.url()).await;
    let from = checkpoint(&node, 1).await;
    let error = native(&node, BlockId::number(2), &from).await.expect_err("its state is gone").to_string();
    assert!(error.contains("state of block 1") && error.contains("archive"), "{error}");
    all_right(&node, 139).await;
    let hashes =
        node.previous_hashes(&node.header(BlockId::number(139)).await.expect("a header")).await.expect("hashes");
    assert_eq!((hashes.len(), hashes[116], hashes[117] != B256::ZERO), (256, B256::ZERO, true));
}

/// A block of five hundred transactions, with slots of many kinds: a few questions for each account, and modest memory.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_transactions() {
    if !have_geth() {
        return;
    }
    let mut chain = Chain::start().await.expect("geth starts");
    let node = connect(chain.url()).await;
    let keeper = ACCOUNTS[0].create(0);
    chain.block(&BlockSpec::of([Tx::create(0, KEEPER)])).await.expect("a block");
    let transactions = (0..500).map(|number: u64| match number % 5 {
        0 => store(number as usize % 10, keeper, &[(number, number), (number / 10, 0)]).gas(80_000),
        _ => Tx::transfer(number as usize % 10, accounts::stranger(number), 1),
    });
    let made = chain.block(&BlockSpec::of(transactions.collect::<Vec<_>>())).await.expect("a block");
    assert_eq!(made.transactions.len(), 500);
    let before = node.requests();
    let start = std::time::Instant::now();
    let witness = fetch(&node, 2).await;
    let (requests, time) = (node.requests() - before, start.elapsed());
    assert_eq!(witness.transactions(), 500);
    assert!(requests < 450, "{requests}");
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = memory.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    say(&format!("500 transactions: {requests} requests, {time:?}; {memory}"));
}

/// anvil makes no call of EIP-4788, so what the circuits prove is not what it has: that is said, with the account.
#[tokio::test(flavor = "multi_thread")]
async fn anvil_is_refused_in_a_sentence() {
    if !have_anvil() {
        return;
    }
    let anvil = Anvil::start().await.expect("anvil starts");
    anvil.send(&Tx::transfer(0, accounts::stranger(1), 5)).await.expect("it is sent");
    anvil.mine(1).await.expect("a block");
    let node = connect(anvil.url()).await;
    let head = node.head().await.expect("a head");
    for number in 1..=head {
        let from = checkpoint(&node, number - 1).await;
        let error = native(&node, BlockId::number(number), &from).await.expect_err("it cannot be proved").to_string();
        assert!(error.contains("EIP-4788") && !error.contains('\n'), "{error}");
        say(&error);
    }
}
