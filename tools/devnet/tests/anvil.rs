//! Anvil: starts, makes blocks, reorganizes.

use devnet::accounts::stranger;
use devnet::testing::have_anvil;
use devnet::{Anvil, Tx, genesis};

#[tokio::test]
async fn anvil_makes_blocks_and_reorganizes() {
    if !have_anvil() {
        return;
    }
    let mut anvil = Anvil::start().await.unwrap();
    anvil.send(&Tx::transfer(0, stranger(1), 5)).await.unwrap();
    anvil.mine(8).await.unwrap();
    for depth in [1, 3, 7] {
        let before = [anvil.hash(9 - depth).await.unwrap(), anvil.hash(10 - depth).await.unwrap()];
        anvil.reorg(depth).await.unwrap();
        let after = [anvil.hash(9 - depth).await.unwrap(), anvil.hash(10 - depth).await.unwrap()];
        assert_eq!(before[0], after[0], "depth {depth}");
        assert_ne!(before[1], after[1], "depth {depth}");
    }
    anvil.stop();
    assert!(anvil.hash(0).await.is_err());
}

#[tokio::test]
async fn anvil_takes_our_genesis_file() {
    if !have_anvil() {
        return;
    }
    let anvil = Anvil::start_from(&genesis()).await.unwrap();
    anvil.send(&Tx::transfer(0, stranger(1), 5)).await.unwrap();
    assert!(anvil.hash(1).await.unwrap().is_some());
}
