//! The program as people and scripts call it, when there is nothing that it could check: exit code 2, one clear line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ops::digest::Digest;
use ops::profile::Profile;
use ops::proof::BlockProof;
use serde_json::{Value, json};
use tempfile::TempDir;

const OK: i32 = 0;
const UNCHECKED: i32 = 2;

/// A home of its own for a run, so that nothing of the user's is read or written.
struct Home(TempDir);

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("work")).expect("a folder");
        Self(folder)
    }

    /// Writes a file to the folder that runs start in.
    fn file(&self, name: &str, text: &str) {
        fs::write(self.0.path().join("work").join(name), text).expect("it is written");
    }

    /// Runs words, separated by spaces.
    fn run(&self, words: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verifier"));
        command.args(words.split_whitespace()).current_dir(self.0.path().join("work")).env_clear();
        command.env("HOME", self.0.path().join("home")).env("XDG_CACHE_HOME", self.0.path().join("cache"));
        let output = command.output().expect("it starts");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Run {
    /// It could not check, and says why in one line that has all of these parts.
    fn cannot_check(&self, name: &str, parts: &[&str]) {
        assert_eq!(self.code, Some(UNCHECKED), "{name}:\n{}", self.stderr);
        assert_eq!(self.stdout, "", "{name}");
        let lines: Vec<_> = self.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(lines.len(), 1, "{name}: not one line:\n{}", self.stderr);
        for part in parts {
            assert!(lines[0].contains(part), "{name}: `{part}` is not in: {}", lines[0]);
        }
        for cause in ["(os error ", " at line "] {
            assert!(lines[0].matches(cause).count() <= 1, "{name}: said twice: {}", lines[0]);
        }
    }
}

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../witnesses").join(name);
    fs::read_to_string(path).expect(name)
}

/// The innermost part of a proof file, in form: it proves nothing.
fn hollow() -> Value {
    json!({
        "proof": {
            "wires_cap": [],
            "plonk_zs_partial_products_cap": [],
            "quotient_polys_cap": [],
            "openings": {
                "constants": [], "plonk_sigmas": [], "wires": [], "plonk_zs": [], "plonk_zs_next": [],
                "partial_products": [], "quotient_polys": [], "lookup_zs": [], "lookup_zs_next": [],
            },
            "opening_proof": {
                "commit_phase_merkle_caps": [], "query_round_proofs": [], "final_poly": { "coeffs": [] },
                "pow_witness": 0,
            },
        },
        "public_inputs": [],
    })
}

/// A proof as the ancestor wrote it.
fn bare() -> Value {
    json!({ "b_height": 1, "intern": hollow() })
}

/// A proof as `leader` writes it.
fn known() -> Value {
    let profile = Profile::named("test").expect("a profile");
    let intern = serde_json::from_value(hollow()).expect("it has the form of a proof");
    let proof = evm_arithmetization::ProofWithPublicValues { intern, public_values: Default::default() };
    let proof = BlockProof::new(&profile, Digest::of_bytes(b"circuits"), 1, &proof);
    serde_json::to_value(proof).expect("JSON")
}

fn with(mut proof: Value, field: &str, value: Value) -> Value {
    proof[field] = value;
    proof
}

#[test]
fn a_file_that_is_no_proof_cannot_be_checked() {
    let home = Home::new();
    home.run("-f absent.zkproof").cannot_check("no file", &["absent.zkproof"]);
    home.run("-f .").cannot_check("a folder", &["."]);
    let mut without = known();
    without.as_object_mut().expect("an object").remove("checksum");
    let text = known().to_string();
    let cases = [
        ("nothing", String::new(), vec!["proof 1"]),
        ("no JSON", "hello".to_owned(), vec!["proof 1"]),
        ("a truncated file", text[..text.len() / 2].to_owned(), vec!["proof 1", "EOF"]),
        ("an empty array", "[]".to_owned(), vec!["holds no proof"]),
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
        home.run("-f proof.json").cannot_check(name, &[&["proof.json"], parts.as_slice()].concat());
    }
}

/// It is not the circuits' absence alone that is said, but what to do about it.
#[test]
fn without_a_verifier_file_the_way_out_is_said() {
    let home = Home::new();
    let way_out = ["no verifier file", "--verifier-circuit", "export-verifier", "--build-circuits"];
    for (name, proof) in [("ours", known()), ("the ancestor's", bare())] {
        home.file("proof.json", &json!([proof]).to_string());
        home.run("-f proof.json").cannot_check(name, &way_out);
        home.run("-f proof.json --circuits-dir elsewhere").cannot_check(name, &[&["elsewhere"], &way_out[..]].concat());
        home.run("-f proof.json --profile huge").cannot_check(name, &["`huge`", "test, dev, mainnet"]);
    }
    assert!(!home.0.path().join("cache").exists(), "something was written");
}

#[test]
fn a_verifier_file_that_is_none_is_refused() {
    let home = Home::new();
    home.file("proof.json", &json!([known()]).to_string());
    let run = |name: &str| home.run(&format!("-f proof.json --verifier-circuit {name}"));
    run("absent.bin").cannot_check("absent", &["absent.bin", "absent"]);
    let cases = [
        ("empty.bin", "", "torn"),
        ("text.bin", "something else altogether", "not a file of this format"),
        ("torn.bin", "SEALED01\u{5}", "torn"),
    ];
    for (name, text, part) in cases {
        home.file(name, text);
        run(name).cannot_check(name, &[name, part]);
    }
    // A sealed file of another kind: whole, and of no use.
    let path: PathBuf = home.0.path().join("work/circuits.bin");
    ops::sealed::write(&path, &json!({ "what": "cpu-15", "key": "00" }), b"payload").expect("it is written");
    run("circuits.bin").cannot_check("a circuit file", &["circuits.bin"]);
}

#[test]
fn headers_that_cannot_be_trusted_are_refused() {
    let home = Home::new();
    home.file("proof.json", &json!([known()]).to_string());
    let headers: Vec<Value> = serde_json::from_str(&shipped("chain_header.json")).expect("headers");
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
        home.run("-f proof.json --header header.json").cannot_check(name, &["header.json", part]);
    }
    home.run("-f proof.json --header absent.json").cannot_check("no header file", &["absent.json"]);
    // Good headers get past this point.
    for name in ["chain_header.json", "transfer_header.json"] {
        home.file("header.json", &shipped(name));
        home.run("-f proof.json --header header.json").cannot_check(name, &["no verifier file"]);
    }
}

#[test]
fn bad_usage_is_refused() {
    let home = Home::new();
    let cases =
        ["", "-f", "--nonsense", "-f a --checkpoint-state-root 12", "-f a --build-circuits --verifier-circuit b"];
    for words in cases {
        let run = home.run(words);
        assert_eq!(run.code, Some(UNCHECKED), "{words}: {}", run.stderr);
        assert!(run.stderr.starts_with("error: "), "{words}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{words}");
    }
}

#[test]
fn help_version_and_completions_are_there() {
    let home = Home::new();
    for flag in ["--help", "-h"] {
        let run = home.run(flag);
        assert_eq!((run.code, run.stderr.as_str()), (Some(OK), ""));
        for part in ["Usage: verifier", "Examples:", "Exit codes: 0 valid, 1 invalid, 2 could not check", "--header"] {
            assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
        }
    }
    let version = home.run("--version");
    assert_eq!(version.code, Some(OK));
    for part in [env!("CARGO_PKG_VERSION"), "commit ", "patches ", "plonky2 1.0.2", "evm_arithmetization 0.5.1"] {
        assert!(version.stdout.contains(part), "{part}: {}", version.stdout);
    }
    for shell in ["bash", "zsh", "fish"] {
        let run = home.run(&format!("completions {shell}"));
        assert_eq!((run.code, run.stderr.as_str()), (Some(OK), ""), "{shell}");
        assert!(run.stdout.contains("verifier") && run.stdout.contains("checkpoint-state-root"), "{shell}");
    }
}
