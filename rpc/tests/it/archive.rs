//! `witnesses`: every block runs to the roots of its header, the README says what is there, and the chain is still the
//! one that was recorded.

use std::fs;
use std::path::Path;
use std::process::Command;

use alloy::eips::BlockId;
use ethereum_types::{H256, U256};
use evm_arithmetization::proof::consolidate_hashes;
use evm_arithmetization::{Field, Hasher};
use ops::witness::Witness;
use rpc::native::witness as native;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use testing::witness::{Header, read, root, shipped};

use crate::support::{checkpoint, connect, simulates};

/// The blocks of the archive, and what the README says of each.
const BLOCKS: u64 = 39;

/// The archive, unpacked.
struct Archive(TempDir);

impl Archive {
    fn unpack() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = root("witnesses/cancun/devnet.tar.xz");
        let status = Command::new("tar").arg("-C").arg(folder.path()).arg("-xf").arg(archive).status();
        assert!(status.expect("tar starts").success());
        Self(folder)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join("devnet").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn witness(&self, number: u64) -> Witness {
        let mut blocks = read(&self.text(&format!("b{number}.json"))).expect("a witness");
        assert_eq!((blocks.len(), blocks[0].number()), (1, number));
        blocks.remove(0)
    }

    fn header(&self, number: u64) -> Header {
        let header: Header = serde_json::from_str(&self.text(&format!("b{number}_header.json"))).expect("a header");
        assert_eq!(header.number, U256::from(number));
        header
    }
}

#[test]
fn every_block_runs_to_the_root_of_its_header() {
    let archive = Archive::unpack();
    for number in 1..=BLOCKS {
        let (witness, header) = (archive.witness(number), archive.header(number));
        assert_eq!(witness.hash(), header.hash, "block {number}");
        simulates(&witness, 10, header.state_root);
    }
}

/// Headers are what their own hash says, and follow each other; so do the windows of hashes, which end with the parent.
#[test]
fn the_blocks_are_a_chain() {
    let archive = Archive::unpack();
    let mut before: Option<(H256, H256, Vec<H256>)> = None;
    for number in 1..=BLOCKS {
        ops::header::read(&archive.0.path().join(format!("devnet/b{number}_header.json"))).expect("a header");
        let (witness, header) = (archive.witness(number), archive.header(number));
        let hashes = witness.other_data.b_data.b_hashes.prev_hashes.clone();
        assert_eq!((hashes.len(), hashes[255]), (256, header.parent_hash), "block {number}");
        assert_eq!(hashes.iter().filter(|hash| !hash.is_zero()).count() as u64, number);
        // Each is a chain of its own, which starts with the block before it.
        let consolidated = consolidate_hashes::<Hasher, Field>(&hashes);
        assert_eq!(witness.other_data.checkpoint_consolidated_hash, consolidated, "block {number}");
        if let Some((hash, state_root, window)) = before {
            assert_eq!(header.parent_hash, hash);
            assert_eq!(witness.other_data.checkpoint_state_trie_root, state_root, "block {number}");
            assert_eq!(hashes[..255], window[1..], "block {number}");
        }
        before = Some((header.hash, header.state_root, hashes));
    }
}

/// The files beside the archive are its first blocks; the two of `chain.json` start from one checkpoint.
#[test]
fn the_files_are_the_first_blocks_of_the_archive() {
    let archive = Archive::unpack();
    assert_eq!(shipped("transfer.json"), archive.text("b1.json"));
    let chain = read(&shipped("chain.json")).expect("two blocks");
    assert_eq!(chain.len(), 2);
    for (number, mut block) in (1..).zip(chain.iter().cloned()) {
        assert_eq!(block.other_data.checkpoint_state_trie_root, chain[0].other_data.checkpoint_state_trie_root);
        assert_eq!(block.other_data.checkpoint_consolidated_hash, chain[0].other_data.checkpoint_consolidated_hash);
        let alone = archive.witness(number);
        block.other_data.checkpoint_state_trie_root = alone.other_data.checkpoint_state_trie_root;
        block.other_data.checkpoint_consolidated_hash = alone.other_data.checkpoint_consolidated_hash;
        assert_eq!(block.digest(), alone.digest(), "block {number}");
    }
    for (name, count) in [("transfer_header.json", 1), ("chain_header.json", 2)] {
        let headers: Vec<Value> = serde_json::from_str(&shipped(name)).expect(name);
        assert_eq!(headers.len(), count, "{name}");
        for (number, header) in (1..).zip(headers) {
            let alone: Value = serde_json::from_str(&archive.text(&format!("b{number}_header.json"))).expect("JSON");
            assert_eq!(header, alone, "{name}");
        }
    }
}

#[test]
fn the_readme_lists_every_file_with_its_size_and_hash() {
    let archive = Archive::unpack();
    let readme = shipped("README.md");
    let check = |row: &str, bytes: &[u8]| {
        let listed = readme.lines().find(|line| line.starts_with(&format!("| {row} |")));
        let listed = listed.unwrap_or_else(|| panic!("{row} is not listed"));
        for part in [format!("| {} |", bytes.len()), format!("| `{:x}` |", Sha256::digest(bytes))] {
            assert!(listed.contains(&part), "{part} is not in: {listed}");
        }
    };
    for name in ["transfer.json", "transfer_header.json", "chain.json", "chain_header.json", "cancun/devnet.tar.xz"] {
        check(&format!("`{name}`"), &fs::read(root("witnesses").join(name)).expect(name));
    }
    for number in 1..=BLOCKS {
        let (witness, header) = (archive.witness(number), archive.header(number));
        let name = readme.lines().find_map(|line| line.strip_prefix(&format!("| {number} | "))?.split(" | ").next());
        let row = format!(
            "{number} | {} | {} | {}",
            name.unwrap_or_else(|| panic!("block {number} is not listed")),
            witness.transactions(),
            header.gas_used
        );
        check(&row, archive.text(&format!("b{number}.json")).as_bytes());
    }
}

/// What `tools/record-witnesses.sh --check` does, without packing: the blocks that the local chain has now, and the
/// witnesses that are made of them now, are those of the archive.
#[tokio::test(flavor = "multi_thread")]
async fn the_archive_is_what_is_recorded_now() {
    if !devnet::testing::have_geth() {
        return;
    }
    let archive = Archive::unpack();
    let mut chain = devnet::Chain::start().await.expect("a chain");
    chain.plan(BLOCKS as usize).await.expect("the planned blocks");
    assert_eq!(devnet::plan::blocks().len() as u64, BLOCKS, "the plan has other blocks: record them anew");
    let node = connect(chain.url()).await;
    for number in 1..=BLOCKS {
        let from = checkpoint(&node, number - 1).await;
        let now = native(&node, BlockId::number(number), &from).await.expect("there is a witness");
        assert_eq!(now.digest(), archive.witness(number).digest(), "block {number}: tools/record-witnesses.sh");
    }
}

fn tool(words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(root("tools").join(words[0]));
    let output = command.args(&words[1..]).output().expect("it starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What is wrong is said before anything is built.
#[test]
fn the_tools_refuse_bad_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |path: &Path| path.to_str().expect("text").to_owned();
    let (empty, file) = (path(folder.path()), path(&root("README.md")));
    let analyze = "analyze-witnesses.sh";
    let cases: [(&[&str], &str); 9] = [
        (&[analyze], "usage: "),
        (&[analyze, &empty, "1"], "usage: "),
        (&[analyze, &empty, "one", "2"], "`one` is not a block number"),
        (&[analyze, &empty, "1", "-2"], "`-2` is not a block number"),
        (&[analyze, &empty, "3", "2"], "FIRST is 3, and LAST is 2"),
        (&[analyze, &empty, "1", "2"], "block 1 is missing"),
        (&[analyze, "/absent", "1", "2"], "there is no folder /absent"),
        (&[analyze, &file, "1", "2"], "neither a folder nor a packed one"),
        (&["record-witnesses.sh", "--nonsense"], "usage: "),
    ];
    for (words, part) in cases {
        let (code, said) = tool(words);
        assert_eq!(code, Some(2), "{words:?}: {said}");
        assert!(said.contains(part), "{words:?}: {part} is not in: {said}");
    }
    let archive = path(&root("witnesses/cancun/devnet.tar.xz"));
    let (code, said) = tool(&[analyze, &archive, "39", "40"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("block 40 is missing"), "{said}");
    for name in [analyze, "record-witnesses.sh"] {
        assert_eq!(tool(&[name, "--help"]), (Some(0), String::new()));
    }
}
