//! A recorded chain, brought to a fresh geth.

use alloy::consensus::BlockHeader;
use devnet::recorded;
use devnet::testing::have_geth;

#[tokio::test]
async fn a_fresh_node_gets_the_recorded_chain() {
    let Some(folder) = recorded::folder() else {
        return;
    };
    if !have_geth() {
        return;
    }
    let recording = recorded::load(&folder).unwrap();
    assert_eq!(recording.blocks.len(), 36);
    let mut chain = recording.start().await.unwrap();
    let head = chain.head().await.unwrap();
    assert_eq!((head.header.number(), head.header.hash), (36, recording.head));
    chain.empty(1).await.unwrap();
    let reorg = chain.reorg(7, &vec![<_>::default(); 8]).await.unwrap();
    assert_eq!(reorg.orphaned.len(), 7);
}
