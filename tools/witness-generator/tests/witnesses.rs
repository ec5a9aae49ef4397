//! The committed files are what the generator makes, and they are right: the decoder accepts every block, the kernel
//! runs it, and the roots are those of the headers.

use std::fs;
use std::path::Path;
use std::process::Command;

use ethereum_types::{H256, U256};
use evm_arithmetization::GenerationInputs;
use evm_arithmetization::proof::consolidate_hashes;
use evm_arithmetization::prover::testing::simulate_execution_all_segments;
use keccak_hash::KECCAK_NULL_RLP;
use mpt_trie::partial_trie::PartialTrie as _;
use sha2::{Digest as _, Sha256};
use testing::witness::{Header, batches, read, root, shipped};

/// Files of witnesses, the files of their headers, and their block numbers.
const FILES: [(&str, &str, &[u64]); 2] =
    [("transfer.json", "transfer_header.json", &[1]), ("chain.json", "chain_header.json", &[1, 2])];

fn read_headers(name: &str) -> Vec<Header> {
    serde_json::from_str(&shipped(name)).expect(name)
}

fn check(dir: &Path) -> bool {
    // Not `env!`: the compiler's wrapper is a shell script, and a shell may drop a variable with a hyphen in its name.
    let generator = std::env::var_os("CARGO_BIN_EXE_witness-generator").expect("cargo names the generator");
    Command::new(generator).arg("--check").arg(dir).status().expect("the generator starts").success()
}

#[test]
fn committed_files_are_what_the_generator_makes() {
    for file in witness_generator::files().expect("the chain is sound") {
        assert!(file.is_in(&root("witnesses")).expect(file.name), "{} differs: run the generator again", file.name);
    }
}

#[test]
fn check_notices_a_missing_and_a_changed_file() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check");
    let files = witness_generator::files().expect("the chain is sound");
    for file in &files {
        file.write(&dir).expect(file.name);
    }
    assert!(check(&dir), "untouched");

    let victim = dir.join(files[0].name);
    fs::write(&victim, "[]").expect("the file can be changed");
    assert!(!check(&dir), "changed");
    fs::remove_file(&victim).expect("the file can be removed");
    assert!(!check(&dir), "missing");
}

#[test]
fn readme_lists_every_file_with_its_size_and_hash() {
    let readme = shipped("README.md");
    for file in witness_generator::files().expect("the chain is sound") {
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{}` |", file.name))).expect(file.name);
        let bytes = format!("| {} |", file.contents.len());
        assert!(row.contains(&bytes), "{}: no {bytes} in {row}", file.name);
        let hash = format!("{:x}", Sha256::digest(&file.contents));
        assert!(row.contains(&hash), "{}: no {hash} in {row}", file.name);
    }
}

#[test]
fn headers_form_a_chain() {
    let headers = read_headers("chain_header.json");
    assert_eq!(headers[1].parent_hash, headers[0].hash);
    // EIP-1559 by hand: 1 gwei less an eighth after an empty genesis block, then less nearly an eighth again.
    assert_eq!(headers[0].base_fee_per_gas, U256::from(875_000_000));
    assert_eq!(headers[1].base_fee_per_gas, U256::from(765_778_125));

    let alone = read_headers("transfer_header.json");
    assert_eq!(alone[0].hash, headers[0].hash);
}

#[test]
fn hash_windows_end_with_the_parent() {
    for (witnesses, headers, _) in FILES {
        for (witness, header) in read(&shipped(witnesses)).expect(witnesses).iter().zip(read_headers(headers)) {
            let hashes = &witness.other_data.b_data.b_hashes;
            assert_eq!(hashes.cur_hash, header.hash);
            assert_eq!(hashes.prev_hashes.len(), 256);
            assert_eq!(hashes.prev_hashes[255], header.parent_hash);
            let known = hashes.prev_hashes.iter().filter(|hash| !hash.is_zero()).count();
            assert_eq!(U256::from(known), header.number);
        }
    }
    // The next block's window is this one's, one place on (what chaining two block proofs demands).
    let chain = read(&shipped("chain.json")).expect("a witness");
    let [first, second] = [0, 1].map(|index| &chain[index].other_data.b_data.b_hashes);
    for witness in &chain {
        let digest = consolidate_hashes::<evm_arithmetization::Hasher, evm_arithmetization::Field>(&first.prev_hashes);
        assert_eq!(witness.other_data.checkpoint_consolidated_hash, digest);
    }
    assert_eq!(first.prev_hashes[1..], second.prev_hashes[..255]);
    assert_eq!(first.cur_hash, second.prev_hashes[255]);
}

#[test]
fn every_block_decodes_and_runs_to_the_roots_of_its_header() {
    for (witnesses, headers, numbers) in FILES {
        for batch_size in [1, 3] {
            let witnesses = read(&shipped(witnesses)).expect(witnesses);
            let headers = read_headers(headers);
            assert_eq!(headers.iter().map(|header| header.number.as_u64()).collect::<Vec<_>>(), numbers);
            assert_eq!(witnesses.len(), headers.len());

            // A chain starts at its checkpoint.
            let mut state_root = witnesses[0].other_data.checkpoint_state_trie_root;
            for (witness, header) in witnesses.into_iter().zip(headers) {
                run(batches(witness, batch_size), &header, state_root);
                state_root = header.state_root;
            }
        }
    }
}

fn run(batches: Vec<GenerationInputs>, header: &Header, mut state_root: H256) {
    let (mut transactions_root, mut receipts_root, mut gas_used) = (KECCAK_NULL_RLP, KECCAK_NULL_RLP, U256::zero());
    for batch in batches {
        assert_eq!(batch.tries.state_trie.hash(), state_root);
        assert_eq!(batch.tries.transactions_trie.hash(), transactions_root);
        assert_eq!(batch.tries.receipts_trie.hash(), receipts_root);
        assert_eq!(batch.gas_used_before, gas_used);

        state_root = batch.trie_roots_after.state_root;
        transactions_root = batch.trie_roots_after.transactions_root;
        receipts_root = batch.trie_roots_after.receipts_root;
        gas_used = batch.gas_used_after;
        // The kernel computes the roots too, and fails when they are not those that it was given.
        simulate_execution_all_segments(batch, 17).map_err(|error| error.inner).expect("the kernel runs the batch");
    }
    assert_eq!(state_root, header.state_root);
    assert_eq!(transactions_root, header.transactions_root);
    assert_eq!(receipts_root, header.receipts_root);
    assert_eq!(gas_used, header.gas_used);
}
