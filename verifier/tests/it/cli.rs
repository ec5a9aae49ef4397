//! The program as people and scripts call it, when there is nothing that it could check: exit code 2, one clear line.

use ops::digest::Digest;
use ops::mock::MockProof;
use ops::profile::Profile;
use ops::proof::BlockProof;
use serde_json::{Value, json};
use testing::home::Home;
use testing::proof::{hollow_intern, hollow_proof};
use testing::witness::{blocks, shipped};

const OK: i32 = 0;
const UNCHECKED: i32 = 2;

fn verifier() -> Home {
    Home::new(env!("CARGO_BIN_EXE_verifier"))
}

/// A proof as the ancestor wrote it.
fn bare() -> Value {
    json!({ "b_height": 1, "intern": hollow_intern() })
}

/// A proof as `leader` writes it.
fn known() -> Value {
    let profile = Profile::named("test").expect("a profile");
    let proof = BlockProof::new(&profile, Digest::of_bytes(b"circuits"), 1, &hollow_proof());
    serde_json::to_value(proof).expect("JSON")
}

fn with(mut proof: Value, field: &str, value: Value) -> Value {
    proof[field] = value;
    proof
}

#[test]
fn a_file_that_is_no_proof_cannot_be_checked() {
    let home = verifier();
    home.run("-f absent.zkproof", "").fails("no file", UNCHECKED, &["absent.zkproof"]);
    home.run("-f .", "").fails("a folder", UNCHECKED, &["."]);
    let mut without = known();
    without.as_object_mut().expect("an object").remove("checksum");
    let text = known().to_string();
    let cases = [
        ("nothing", String::new(), vec!["proof 1"]),
        ("no JSON", "hello".to_owned(), vec!["proof 1"]),
        ("a truncated file", text[..text.len() / 2].to_owned(), vec!["proof 1", "EOF"]),
        ("an empty array", "[]".to_owned(), vec!["holds no proof"]),
        ("a mock", json!([MockProof::new(3)]).to_string(), vec!["holds no proof", "nothing was proved"]),
        ("another kind of object", "{\"block\": 1}".to_owned(), vec!["proof 1"]),
        ("a later format", with(known(), "version", json!(2)).to_string(), vec!["format 2", "format 1"]),
        (
            "a later format, in an array",
            json!([known(), with(known(), "version", json!(7))]).to_string(),
            vec!["format 7"],
        ),
        ("no number of a format", with(known(), "version", json!("one")).to_string(), vec!["proof 1"]),
        ("an unknown field", with(known(), "remark", json!("mine")).to_string(), vec!["proof 1", "`remark`"]),
        ("an unknown field beside the ancestor's", with(bare(), "remark", json!(1)).to_string(), vec!["`remark`"]),
        ("a missing field", without.to_string(), vec!["proof 1", "`checksum`"]),
        ("a bad proof after a good one", json!([known(), {}]).to_string(), vec!["proof 2"]),
        ("more after the array", format!("{} x", json!([known()])), vec!["proof"]),
    ];
    for (name, text, parts) in cases {
        home.file("proof.json", &text);
        home.run("-f proof.json", "").fails(name, UNCHECKED, &[&["proof.json"], parts.as_slice()].concat());
    }
}

/// It is not the circuits' absence alone that is said, but what to do about it.
#[test]
fn without_a_verifier_file_the_way_out_is_said() {
    let home = verifier();
    let way_out = ["no verifier file", "--verifier-circuit", "export-verifier", "--build-circuits"];
    for (name, proof) in [("ours", known()), ("the ancestor's", bare())] {
        home.file("proof.json", &json!([proof]).to_string());
        home.run("-f proof.json", "").fails(name, UNCHECKED, &way_out);
        home.run("-f proof.json --circuits-dir elsewhere", "").fails(
            name,
            UNCHECKED,
            &[&["elsewhere"], &way_out[..]].concat(),
        );
        home.run("-f proof.json --profile huge", "").fails(name, UNCHECKED, &["`huge`", "test, dev, fast, mainnet"]);
    }
    assert!(!home.path("cache").exists(), "something was written");
}

#[test]
fn a_verifier_file_that_is_none_is_refused() {
    let home = verifier();
    home.file("proof.json", &json!([known()]).to_string());
    let run = |name: &str| home.run(&format!("-f proof.json --verifier-circuit {name}"), "");
    run("absent.bin").fails("absent", UNCHECKED, &["absent.bin", "absent"]);
    let cases = [
        ("empty.bin", "", "torn"),
        ("text.bin", "something else altogether", "not a file of this format"),
        ("torn.bin", "SEALED01\u{5}", "torn"),
    ];
    for (name, text, part) in cases {
        home.file(name, text);
        run(name).fails(name, UNCHECKED, &[name, part]);
    }
    // A sealed file of another kind: whole, and of no use.
    let path = home.path("work/circuits.bin");
    ops::sealed::write(&path, &json!({ "what": "cpu-15", "key": "00" }), b"payload").expect("it is written");
    run("circuits.bin").fails("a circuit file", UNCHECKED, &["circuits.bin"]);
}

#[test]
fn headers_that_cannot_be_trusted_are_refused() {
    let home = verifier();
    home.file("proof.json", &json!([known()]).to_string());
    let headers = blocks("chain_header.json");
    let hash = json!(format!("0x{}", "09".repeat(32)));
    let mut shanghai = headers[0].clone();
    shanghai.as_object_mut().expect("an object").remove("parentBeaconBlockRoot");
    let cases = [
        ("other gas", with(headers[0].clone(), "gasUsed", json!("0x5209")), "give hash"),
        ("another state root", with(headers[0].clone(), "stateRoot", hash.clone()), "give hash"),
        ("another hash", with(headers[0].clone(), "hash", hash.clone()), "0x0909"),
        ("the second of two", json!([headers[0], with(headers[1].clone(), "hash", hash)]), "header 2"),
        ("a header of Shanghai", shanghai, "parentBeaconBlockRoot"),
        ("no header", json!({}), "not a Cancun block header"),
        ("a number", json!(1), "not a Cancun block header"),
    ];
    for (name, header, part) in cases {
        home.file("header.json", &header.to_string());
        home.run("-f proof.json --header header.json", "").fails(name, UNCHECKED, &["header.json", part]);
    }
    home.run("-f proof.json --header absent.json", "").fails("no header file", UNCHECKED, &["absent.json"]);
    // Good headers get past this point.
    for name in ["chain_header.json", "transfer_header.json"] {
        home.file("header.json", &shipped(name));
        home.run("-f proof.json --header header.json", "").fails(name, UNCHECKED, &["no verifier file"]);
    }
}

#[test]
fn bad_usage_is_refused() {
    let home = verifier();
    let cases =
        ["", "-f", "--nonsense", "-f a --checkpoint-state-root 12", "-f a --build-circuits --verifier-circuit b"];
    for words in cases {
        let run = home.run(words, "");
        assert_eq!(run.code, Some(UNCHECKED), "{words}: {}", run.stderr);
        assert!(run.stderr.starts_with("error: "), "{words}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{words}");
    }
}

#[test]
fn help_version_and_completions_are_there() {
    let home = verifier();
    for flag in ["--help", "-h"] {
        let run = home.run(flag, "");
        assert_eq!((run.code, run.stderr.as_str()), (Some(OK), ""));
        for part in ["Usage: verifier", "Examples:", "Exit codes: 0 valid, 1 invalid, 2 could not check", "--header"] {
            assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
        }
    }
    let version = home.run("--version", "");
    assert_eq!(version.code, Some(OK));
    for part in [env!("CARGO_PKG_VERSION"), "commit ", "patches ", "plonky2 1.0.2", "evm_arithmetization 0.5.1"] {
        assert!(version.stdout.contains(part), "{part}: {}", version.stdout);
    }
    for shell in ["bash", "zsh", "fish"] {
        let run = home.run(&format!("completions {shell}"), "");
        assert_eq!((run.code, run.stderr.as_str()), (Some(OK), ""), "{shell}");
        assert!(run.stdout.contains("verifier") && run.stdout.contains("checkpoint-state-root"), "{shell}");
    }
}
