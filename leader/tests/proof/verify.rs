//! What the verifier says of the chain's proofs as they are, and of every way to change them.

use std::fs;
use std::path::{Path, PathBuf};

use evm_arithmetization::proof::PublicValues;
use evm_arithmetization::{Field, ProofWithPublicInputs};
use ops::circuits::verifier::Verifier;
use ops::digest::Digest;
use ops::proof::{self, AnyProof, BareProof, BlockProof};
use rayon::prelude::*;
use serde_json::{Value, json};
use testing::process::Run;

use crate::chain::{CHAIN, circuits_dir, read_proof, scratch, write_json};
use crate::process::verify;

/// The order of the field that proofs are over, 2^64 - 2^32 + 1.
const ORDER: u64 = 0xffff_ffff_0000_0001;

/// Verifies with the exported verifier file.
fn check(proof: &Path) -> Run {
    verify(proof, &["--allow-insecure", "--verifier-circuit", &CHAIN.verifier.display().to_string()])
}

/// Verifies what a proof file with this content would be.
fn check_json(content: &impl serde::Serialize) -> Run {
    let folder = scratch();
    check(&write_json(&folder.path().join("changed.zkproof"), content))
}

/// The proof of the second block, which has one inside it.
fn second() -> BlockProof {
    read_proof(&CHAIN.proofs[1])
}

fn with_checksum(mut proof: BlockProof) -> BlockProof {
    proof.checksum = proof.expected_checksum();
    proof
}

#[test]
fn both_blocks_are_verified_and_state_what_the_witness_says() {
    let chain = &*CHAIN;
    for (block, (witness, path)) in chain.blocks.iter().zip(&chain.proofs).enumerate() {
        let mut args = vec!["--allow-insecure", "--json", "--verifier-circuit"];
        let (file, headers) = (chain.verifier.display().to_string(), chain.headers.as_ref());
        args.push(&file);
        let headers = headers.map(|path| path.display().to_string());
        args.extend(headers.iter().flat_map(|path| ["--header", path]));
        let run = verify(path, &args);
        run.expect(0, &[]);
        let verdict: Value = serde_json::from_str(&run.stdout[run.stdout.find('{').unwrap()..]).unwrap();
        assert_eq!(verdict["valid"], true);
        assert_eq!(verdict["compared_with_header"], headers.is_some());
        let meta = &witness.other_data.b_data.b_meta;
        let stated = &verdict["proofs"][0];
        // The witness has no roots from after the block, but its last batch must end there.
        let (_, batches) = chain.plan(block);
        let roots = &batches.last().unwrap().inputs.trie_roots_after;
        let expected = json!({
            "block_number": witness.number(),
            "first_block": chain.blocks[0].number(),
            "block_hash": witness.hash(),
            "chain_id": meta.block_chain_id.as_u64(),
            "gas_used": meta.block_gas_used.as_u64(),
            // The second proof is of both blocks: it starts where the first does.
            "state_root_before": witness.other_data.checkpoint_state_trie_root,
            "state_root_after": roots.state_root,
            "transactions_root": roots.transactions_root,
            "receipts_root": roots.receipts_root,
            "checkpoint_state_root": witness.other_data.checkpoint_state_trie_root,
            "profile": "test",
            "security_bits": 1,
        });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(stated[field], *value, "{field}");
        }
    }
}

#[test]
fn all_block_metadata_and_hashes_are_those_of_the_witness() {
    for (witness, path) in CHAIN.blocks.iter().zip(&CHAIN.proofs) {
        let proved = PublicValues::<Field>::from_public_inputs(&read_proof(path).intern.public_inputs);
        assert_eq!(proved.block_metadata, witness.other_data.b_data.b_meta);
        assert_eq!(proved.block_hashes, witness.other_data.b_data.b_hashes);
    }
}

#[test]
fn proofs_of_the_test_profile_are_refused_unless_insecure_ones_are_allowed() {
    let chain = &*CHAIN;
    let file = chain.verifier.display().to_string();
    verify(&chain.proofs[0], &["--verifier-circuit", &file]).expect(2, &["1 bit", "--allow-insecure"]);
    // Nor does it matter where the verifier file comes from, or what profile is said to be wanted.
    let store = circuits_dir().display().to_string();
    verify(&chain.proofs[0], &["--circuits-dir", &store]).expect(2, &["1 bit"]);
    verify(&chain.proofs[0], &["--circuits-dir", &store, "--profile", "mainnet"]).expect(2, &["1 bit"]);
    verify(&chain.proofs[0], &["--circuits-dir", &store, "--allow-insecure"]).expect(0, &[]);
}

#[test]
fn a_file_of_both_proofs_is_valid_in_their_order_only() {
    let proofs = CHAIN.proofs.each_ref().map(|path| read_proof(path));
    check_json(&proofs).expect(0, &[]);
    let reversed: Vec<_> = proofs.iter().rev().collect();
    let run = check_json(&reversed);
    run.expect(1, &[]);
    assert!(run.stdout.contains("does not follow the proof before it"), "{}", run.stdout);
    // Nor is the same proof twice a chain.
    check_json(&[&proofs[1], &proofs[1]]).expect(1, &[]);
}

#[test]
fn another_checkpoint_than_the_wanted_one_is_no_proof() {
    let chain = &*CHAIN;
    let checkpoint = chain.blocks[0].other_data.checkpoint_state_trie_root;
    let file = chain.verifier.display().to_string();
    for (wanted, code) in [(checkpoint, 0), (chain.blocks[0].hash(), 1)] {
        let wanted = format!("{wanted:?}");
        let args = ["--allow-insecure", "--verifier-circuit", &file, "--checkpoint-state-root", &wanted];
        verify(&chain.proofs[1], &args).expect(code, &[]);
    }
}

/// Places spread evenly over the digits of the numbers in the proof, each with the text that has another digit there.
/// The number stays one that a field element can be read from, so that it is for the verifier to reject it.
fn changed_digits(text: &str, samples: usize) -> Vec<(usize, String)> {
    let start = text.find("\"intern\"").expect("the proof has one");
    let digit = |at: &usize| text.as_bytes()[*at].is_ascii_digit();
    let step = (text.len() - start) / samples;
    // Another digit may make the number too large; then the next digit is taken.
    let change = |place: usize| {
        let first = (0..=place).rev().take_while(digit).last()?;
        let end = (place..text.len()).take_while(digit).last()? + 1;
        let old = u64::from(text.as_bytes()[place] - b'0');
        (1..10).find_map(|more| {
            let mut changed = text.to_owned();
            changed.replace_range(place..=place, &((old + more) % 10).to_string());
            let number: u64 = changed[first..end].parse().ok()?;
            (number.to_string() == changed[first..end] && number < ORDER).then_some((place, changed))
        })
    };
    (0..samples).filter_map(|sample| (start + sample * step..text.len()).filter(digit).find_map(change)).collect()
}

#[test]
fn a_changed_digit_anywhere_in_the_proof_is_rejected() {
    let folder = scratch();
    let text = fs::read_to_string(&CHAIN.proofs[1]).unwrap();
    let changed = changed_digits(&text, 40);
    assert_eq!(changed.len(), 40);
    changed.par_iter().for_each(|(place, changed)| {
        let path = folder.path().join(format!("{place}.zkproof"));
        fs::write(&path, changed).unwrap();
        let run = check(&path);
        run.expect(1, &[]);
        assert!(run.stdout.contains("checksum"), "digit {place}: {}", run.stdout);
        // Whoever changes the proof can make the checksum fit.
        write_json(&path, &[with_checksum(read_proof(&path))]);
        let run = check(&path);
        run.expect(1, &[]);
        assert!(run.stdout.contains("the proof does not verify"), "digit {place}: {}", run.stdout);
    });
}

#[test]
fn a_proof_that_does_not_parse_is_never_valid() {
    let text = fs::read_to_string(&CHAIN.proofs[1]).unwrap();
    let folder = scratch();
    let path = folder.path().join("changed.zkproof");
    let numbers = text.find("\"wires_cap\"").unwrap();
    let digit = numbers + text[numbers..].find(|byte: char| byte.is_ascii_digit()).unwrap();
    for broken in [&text[..text.len() / 2], &text.replacen("wires_cap", "wires_cup", 1), &{
        let mut letter = text.clone();
        letter.replace_range(digit..=digit, "x");
        letter
    }] {
        fs::write(&path, broken).unwrap();
        check(&path).expect(2, &["does not parse"]);
    }
}

/// What a proof states, by name.
type Stated = (&'static str, fn(&PublicValues<Field>) -> String);

const STATED: [Stated; 12] = [
    ("state root before", |values| format!("{:?}", values.trie_roots_before.state_root)),
    ("state root after", |values| format!("{:?}", values.trie_roots_after.state_root)),
    ("transactions root", |values| format!("{:?}", values.trie_roots_after.transactions_root)),
    ("receipts root", |values| format!("{:?}", values.trie_roots_after.receipts_root)),
    ("number", |values| format!("{:?}", values.block_metadata.block_number)),
    ("gas used", |values| format!("{:?}", values.block_metadata.block_gas_used)),
    ("chain", |values| format!("{:?}", values.block_metadata.block_chain_id)),
    ("timestamp", |values| format!("{:?}", values.block_metadata.block_timestamp)),
    ("bloom", |values| format!("{:?}", values.block_metadata.block_bloom)),
    ("hash", |values| format!("{:?}", values.block_hashes.cur_hash)),
    ("parent hash", |values| format!("{:?}", values.block_hashes.prev_hashes.last())),
    ("checkpoint", |values| format!("{:?}", values.extra_block_data.checkpoint_state_trie_root)),
];

/// The first public input that a value is read from.
fn input_of(intern: &ProofWithPublicInputs, value: fn(&PublicValues<Field>) -> String) -> usize {
    let read = |inputs: &[Field]| value(&PublicValues::from_public_inputs(inputs));
    let before = read(&intern.public_inputs);
    let mut changed = intern.public_inputs.clone();
    let found = (0..changed.len()).find(|&input| {
        changed[input].0 += 1;
        let found = read(&changed) != before;
        changed[input].0 -= 1;
        found
    });
    found.expect("every value is read from some input")
}

#[test]
fn a_changed_public_value_is_rejected() {
    for (name, value) in STATED {
        let mut proof = second();
        let input = input_of(&proof.intern, value);
        proof.intern.public_inputs[input].0 += 1;
        // The height beside the proof goes along, so that only the proof system can tell.
        proof.b_height =
            PublicValues::<Field>::from_public_inputs(&proof.intern.public_inputs).block_metadata.block_number.as_u64();
        let run = check_json(&[with_checksum(proof)]);
        run.expect(1, &[]);
        assert!(run.stdout.contains("the proof does not verify"), "{name}: {}", run.stdout);
    }
}

#[test]
fn a_change_of_any_public_input_is_rejected() {
    let verifier = Verifier::read(&CHAIN.verifier).unwrap();
    const NONE: [usize; 0] = [];
    let intern = second().intern;
    let accepted = |change: fn(u64) -> Option<u64>| -> Vec<usize> {
        let inputs = 0..intern.public_inputs.len();
        inputs
            .into_par_iter()
            .filter(|&input| {
                let mut changed = intern.clone();
                let Some(value) = change(changed.public_inputs[input].0) else { return false };
                changed.public_inputs[input].0 = value;
                proof::verify_intern(&changed, &verifier.data).is_ok()
            })
            .collect()
    };
    assert!(proof::verify_intern(&intern, &verifier.data).is_ok());
    assert_eq!(accepted(|value| Some((value + 1) % ORDER)), NONE, "changed");
    // The same element of the field in other digits: the proof system takes it for the same, readers need not.
    assert_eq!(accepted(|value| value.checked_add(ORDER)), NONE, "written with the order of the field added");
}

#[test]
fn what_is_beside_the_proof_cannot_be_changed() {
    type Change = fn(&mut BlockProof);
    let changes: [(&str, Change); 6] = [
        ("profile", |proof| proof.profile = "mainnet".to_owned()),
        ("security bits", |proof| proof.security_bits = 100),
        ("circuits", |proof| proof.circuits = Digest::of_bytes(b"others")),
        ("height above", |proof| proof.b_height += 1),
        ("height below", |proof| proof.b_height -= 1),
        ("first block after the last", |proof| proof.first_block = proof.b_height + 1),
    ];
    for (name, change) in changes {
        let mut proof = second();
        change(&mut proof);
        let run = check_json(&[&proof]);
        assert_eq!(run.code, Some(1), "{name}: {run:?}");
        assert!(run.stdout.contains("checksum"), "{name}: {}", run.stdout);
        let run = check_json(&[with_checksum(proof)]);
        assert_eq!(run.code, Some(1), "{name}, with a checksum that fits: {run:?}");
    }
    let mut proof = second();
    proof.first_block -= 1;
    check_json(&[proof]).expect(1, &[]);
}

#[test]
fn a_proof_of_another_format_cannot_be_checked() {
    for version in [0, proof::FORMAT + 1] {
        let mut proof = second();
        proof.version = version;
        check_json(&[&proof]).expect(2, &[&format!("format {version}")]);
        check_json(&[with_checksum(proof)]).expect(2, &[&format!("format {version}")]);
    }
    let mut without = serde_json::to_value([second()]).unwrap();
    without[0].as_object_mut().unwrap().remove("version");
    // Neither ours nor the ancestor's.
    check_json(&without).expect(2, &["does not parse"]);
}

#[test]
fn a_proof_as_the_ancestor_writes_it_is_verified_and_rejected_when_changed() {
    let BlockProof { b_height, intern, .. } = second();
    let bare = |b_height: u64, intern: &ProofWithPublicInputs| json!([{ "b_height": b_height, "intern": intern }]);
    let folder = scratch();
    let path: PathBuf = write_json(&folder.path().join("bare.zkproof"), &bare(b_height, &intern));
    let read = proof::read(&path).unwrap();
    assert!(
        matches!(&read[..], [AnyProof::Bare(proof)] if matches!(**proof, BareProof { b_height: height, .. } if height == b_height))
    );

    let store = circuits_dir().display().to_string();
    check(&path).expect(0, &[]);
    verify(&path, &["--allow-insecure", "--profile", "test", "--circuits-dir", &store]).expect(0, &[]);
    // Without a word on its circuits it is checked with those of the default profile, of which there are none.
    verify(&path, &["--allow-insecure", "--circuits-dir", &store]).expect(2, &["--verifier-circuit"]);
    verify(&path, &["--profile", "test", "--circuits-dir", &store]).expect(2, &["1 bit"]);

    check_json(&bare(b_height + 1, &intern)).expect(1, &[]);
    let mut changed = intern.clone();
    changed.public_inputs[input_of(&intern, STATED[1].1)].0 += 1;
    check_json(&bare(b_height, &changed)).expect(1, &[]);
    let text = fs::read_to_string(&path).unwrap();
    for (_, changed) in changed_digits(&text, 4) {
        fs::write(&path, changed).unwrap();
        check(&path).expect(1, &[]);
    }
}
