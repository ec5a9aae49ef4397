//! A block proved straight from a real node is the node's: its proof is verified against the header that the node gives.

use devnet::Chain;
use devnet::testing::have_geth;
use serde_json::Value;

use crate::chain::{CHAIN, circuits_dir, scratch, write_json};
use crate::process::{leader, run, verify};

#[test]
fn a_block_of_a_node_is_proved_and_verified_against_its_header() {
    if !have_geth() {
        return;
    }
    let folder = scratch();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (chain, header) = runtime.block_on(async {
        let mut chain = Chain::start().await.expect("a node");
        chain.plan(3).await.expect("blocks");
        let header: Value = chain.geth().rpc().call("eth_getBlockByNumber", ("0x1", false)).await.expect("a block");
        (chain, header)
    });
    let (proof, header) = (folder.path().join("proof.json"), write_json(&folder.path().join("header.json"), &header));
    let mut command = leader(&folder.path().join("artifacts"));
    command.args(["--max-cpu-len-log", &CHAIN.max_cpu_len_log().to_string()]);
    command.args(["rpc", "--no-cache", "--rpc-url", chain.url(), "--start-block", "1", "--end-block", "1"]);
    run(command.arg("--output-proof-file").arg(&proof)).expect(0, &["Proved block 1"]);
    drop(chain);

    let (circuits, header) = (circuits_dir(), header.display().to_string());
    let circuits = circuits.to_str().expect("a path in text");
    verify(&proof, &["--allow-insecure", "--circuits-dir", circuits, "--header", &header]).expect(0, &[]);
}
