//! The program as people and scripts call it: exit codes, one clear line for whatever is wrong, nothing half-written.
//!
//! Nothing here gets as far as proving: what is valid is only planned.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{root, say};

const OK: i32 = 0;
const FAILED: i32 = 1;
const USAGE: i32 = 2;
const RESOURCES: i32 = 3;
const INTERRUPTED: i32 = 130;

/// A home of its own for a run, so that nothing of the user's is read or written.
struct Home(TempDir);

/// What a run left behind.
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

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Writes a file to the folder that runs start in.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path("work").join(name);
        fs::write(&path, text).expect("it is written");
        path
    }

    fn leader<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leader"));
        command.args(arguments).current_dir(self.path("work")).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path("home")).env("XDG_CACHE_HOME", self.path("cache"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs words, separated by spaces, with a text on stdin.
    fn run(&self, words: &str, stdin: &str) -> Run {
        run(self.leader(words.split_whitespace()), stdin)
    }

    /// All files below it.
    fn files(&self) -> Vec<PathBuf> {
        files(self.0.path())
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn run(mut command: Command, stdin: &str) -> Run {
    let mut child = command.spawn().expect("it starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let text = stdin.to_owned();
    let writer = std::thread::spawn(move || {
        // A program that has seen enough stops reading.
        drop(pipe.write_all(text.as_bytes()));
    });
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the writer ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Run {
    /// It ended with this code and one line that has all of these parts; nothing went to stdout.
    fn fails(&self, name: &str, code: i32, parts: &[&str]) {
        self.says(name, code, parts);
        assert_eq!(self.stdout, "", "{name}");
        let lines: Vec<_> = self.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(lines.len(), 1, "{name}: not one line:\n{}", self.stderr);
    }

    /// It ended with this code and an error that has all of these parts.
    fn says(&self, name: &str, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{name}:\n{}", self.stderr);
        let error = self.stderr.lines().find(|line| line.contains("ERROR ") || line.starts_with("error: "));
        let error = error.unwrap_or_else(|| panic!("{name}: no error is said:\n{}", self.stderr));
        for part in parts {
            assert!(error.contains(part), "{name}: `{part}` is not in: {error}");
        }
        // The cause is said once.
        for cause in ["(os error ", " at line "] {
            assert!(error.matches(cause).count() <= 1, "{name}: said twice: {error}");
        }
    }

    fn succeeds(&self, name: &str) {
        assert_eq!(self.code, Some(OK), "{name}:\n{}", self.stderr);
    }

    fn warnings(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.contains("WARN ")).collect()
    }
}

fn shipped(name: &str) -> String {
    fs::read_to_string(root("witnesses").join(name)).expect(name)
}

fn blocks(name: &str) -> Vec<Value> {
    serde_json::from_str(&shipped(name)).expect(name)
}

/// The block of `transfer.json` with one value changed.
fn changed(pointer: &str, value: Value) -> String {
    let mut block = blocks("transfer.json").remove(0);
    *block.pointer_mut(pointer).expect(pointer) = value;
    block.to_string()
}

/// The block of `transfer.json` with one field more, or less.
fn reshaped(pointer: &str, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> String {
    let mut block = blocks("transfer.json").remove(0);
    change(block.pointer_mut(pointer).and_then(Value::as_object_mut).expect(pointer));
    block.to_string()
}

/// Witnesses that are refused, with what is said of each.
fn bad_witnesses() -> Vec<(&'static str, String, Vec<&'static str>)> {
    const META: &str = "/other_data/b_data/b_meta";
    let good = shipped("transfer.json");
    let on_mainnet = |time: u64| {
        let mut block = blocks("transfer.json").remove(0);
        let meta = block.pointer_mut(META).expect("a header");
        meta["block_chain_id"] = json!("0x1");
        meta["block_timestamp"] = json!(format!("{time:#x}"));
        block.to_string()
    };
    vec![
        ("nothing", String::new(), vec!["the witness is empty"]),
        ("white space", " \n\t\n".to_owned(), vec!["the witness is empty"]),
        ("no blocks", "[]".to_owned(), vec!["the witness is empty"]),
        ("truncated", good[..good.len() / 2].to_owned(), vec!["block 1 of the witness", "EOF"]),
        ("no JSON", "hello".to_owned(), vec!["block 1 of the witness"]),
        ("no block", "[{}]".to_owned(), vec!["block 1 of the witness", "missing field `block_trace`"]),
        (
            "a wrong type",
            changed("/other_data/b_data/b_meta/block_gas_used", json!([])),
            vec!["block 1 of the witness", "other_data.b_data.b_meta.block_gas_used"],
        ),
        (
            "an unknown field of the header",
            reshaped(META, |meta| drop(meta.insert("requests_hash".to_owned(), json!("0x00")))),
            vec!["block 1 of the witness", "unknown field other_data.b_data.b_meta.requests_hash"],
        ),
        (
            "an unknown field of the block",
            reshaped("", |block| drop(block.insert("requests".to_owned(), json!([])))),
            vec!["block 1 of the witness", "unknown field `requests`"],
        ),
        (
            "Shanghai, by its header",
            reshaped(META, |meta| drop(meta.remove("block_excess_blob_gas"))),
            vec!["block 1 of the witness", "missing field `block_excess_blob_gas`", "before Cancun"],
        ),
        ("Shanghai, by its time", on_mainnet(1_700_000_000), vec!["block 1 ", "pre-Cancun", "Cancun blocks only"]),
        ("Prague, by its time", on_mainnet(1_750_000_000), vec!["block 1 ", "Prague", "Cancun blocks only"]),
        (
            "Prague, by a transaction",
            changed("/block_trace/txn_info/0/meta/byte_code", json!("0x04c0")),
            vec!["block 1 ", "Prague", "transaction 0", "EIP-7702"],
        ),
        ("proof of work", changed("/other_data/b_data/b_meta/block_difficulty", json!("0x1")), vec!["pre-Merge"]),
        (
            "too few hashes",
            changed("/other_data/b_data/b_hashes/prev_hashes", json!([])),
            vec!["block 1", "prev_hashes has 0 hashes instead of 256"],
        ),
        ("genesis", changed("/other_data/b_data/b_meta/block_number", json!("0x0")), vec!["block 0", "genesis"]),
    ]
}

/// From stdin and from a file, to prove and to plan: 2, one line that names the input, and no file is left.
#[test]
fn bad_witnesses_are_refused_before_any_work() {
    let home = Home::new();
    for (name, text, parts) in bad_witnesses() {
        let outputs = ["", "--test-only", "--output-proof-file proof.json", "--proof-output-dir proofs"];
        for options in outputs {
            let run = home.run(&format!("--profile test stdio {options}"), &text);
            run.fails(&format!("{name}, {options}"), USAGE, &[&["stdin"], parts.as_slice()].concat());
        }
        let file = home.file("bad.json", &text);
        home.run("--profile test stdio bad.json", "").fails(name, USAGE, &[&["bad.json"], parts.as_slice()].concat());
        assert_eq!(home.files(), [file], "{name}: something was left");
    }
}

/// The blocks before the bad one are planned, and the error is of the bad one.
#[test]
fn blocks_must_follow_each_other() {
    let home = Home::new();
    let chain = blocks("chain.json");
    let next = |pointer: &str, value: Value| {
        let mut block = chain[1].clone();
        *block.pointer_mut(pointer).expect(pointer) = value;
        format!("{}\n{block}", chain[0])
    };
    let hash = json!(format!("0x{}", "09".repeat(32)));
    let cases = [
        ("a gap", next("/other_data/b_data/b_meta/block_number", json!("0x3")), "block 3: it follows block 1"),
        ("the order turned round", json!([chain[1], chain[0]]).to_string(), "block 1: it follows block 2"),
        ("a block twice", json!([chain[0], chain[0]]).to_string(), "block 1: it follows block 1"),
        ("another parent", next("/other_data/b_data/b_hashes/prev_hashes/255", hash.clone()), "block 2: its parent is"),
        ("another checkpoint", next("/other_data/checkpoint_state_trie_root", hash), "checkpoint_state_trie_root"),
        ("a bad second block", format!("{} {{}}", chain[0]), "block 2 of the witness does not parse"),
        ("a second block that is cut", format!("[{}, {{\"block_trace\"", chain[0]), "block 2 of the witness"),
    ];
    for (name, text, part) in cases {
        let run = home.run("--test-only stdio", &text);
        run.says(name, USAGE, &["stdin", part]);
        assert_eq!(run.stdout.lines().filter(|line| line.starts_with("block ")).count(), 1, "{name}: {}", run.stdout);
    }
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

/// A block that parses and does not execute as it says fails; its batch is named, in one line, however much detail the
/// user wants of panics.
#[test]
fn a_block_that_does_not_execute_fails() {
    let home = Home::new();
    let account = "/block_trace/txn_info/0/traces/0x4d59478094fa3c7599d6d45faeb3a1a652d93362/balance";
    let cases = [
        ("another balance", changed(account, json!("0x1")), vec!["block 1", "batch 0"]),
        (
            "no transaction",
            changed("/block_trace/txn_info/0/meta/byte_code", json!("0x02c0")),
            vec!["block 1", "batch 0"],
        ),
        ("other gas", changed("/block_trace/txn_info/0/meta/gas_used", json!(21001)), vec!["block 1"]),
    ];
    for (name, text, parts) in cases {
        let mut command = home.leader(["--test-only", "stdio"]);
        command.env("RUST_BACKTRACE", "1");
        let run = run(command, &text);
        run.says(name, FAILED, &parts);
        assert_eq!(run.stdout, "", "{name}");
        let errors = run.stderr.lines().filter(|line| !line.contains("WARN ")).count();
        assert_eq!(errors, 1, "{name}: not one line:\n{}", run.stderr);
    }
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

/// The block circuit would find this out, when everything else is proved.
#[test]
fn a_header_with_other_gas_than_the_transactions_is_refused() {
    let home = Home::new();
    let text = changed("/other_data/b_data/b_meta/block_gas_used", json!("0x5209"));
    let run = home.run("--test-only stdio", &text);
    run.says("gas", FAILED, &["block 1", "21001", "21000"]);
    assert_eq!(run.stdout, "");
}

/// So would it this: a block without a previous proof must start from its checkpoint.
#[test]
fn a_block_in_the_middle_needs_a_previous_proof() {
    let home = Home::new();
    home.file("file", "not a folder");
    // Circuits cannot be prepared there; what is wrong is known before that is tried.
    let words = "--profile test --circuits-dir file/circuits stdio";
    let run = home.run(words, &blocks("chain.json")[1].to_string());
    run.says("the second block alone", USAGE, &["block 2", "checkpoint", "--previous-proof"]);
}

/// Flags and files that cannot be: what is said, before a witness is even looked at.
#[test]
fn bad_usage_is_refused() {
    let home = Home::new();
    let file = home.file("file", "not a folder");
    let not_json = home.file("not.json", "hello");
    let empty = home.file("empty.json", "[]");
    let cases: [(&str, i32, &[&str]); 24] = [
        ("stdio absent.json", USAGE, &["absent.json"]),
        (
            "--profile test stdio --output-proof-file file/below/proof.json",
            USAGE,
            &["--output-proof-file", "file/below"],
        ),
        ("--profile test stdio --output-proof-file .", USAGE, &["--output-proof-file", "folder"]),
        ("--profile test --proof-output-dir file/below stdio", USAGE, &["--proof-output-dir", "file/below"]),
        ("--profile test --proof-output-dir file stdio", USAGE, &["--proof-output-dir", "file"]),
        ("--profile test --artifacts-dir file/below stdio", USAGE, &["file/below"]),
        ("--profile huge stdio", USAGE, &["`huge`", "test, dev, mainnet"]),
        ("--profile huge circuits build", USAGE, &["`huge`"]),
        ("--cpu nonsense stdio", USAGE, &["--cpu", "`nonsense`", "16..21"]),
        ("--cpu 17..12 stdio", USAGE, &["--cpu", "`17..12`", "holds no size"]),
        ("--memory 3..20 stdio", USAGE, &["--memory", "3..20", "2^17"]),
        (
            "--profile test --max-cpu-len-log 20 stdio",
            USAGE,
            &["--max-cpu-len-log 20", "profile test", "2^17", "--cpu"],
        ),
        ("--max-cpu-len-log 9 stdio", USAGE, &["--max-cpu-len-log"]),
        ("--max-cpu-len-log 99 stdio", USAGE, &["--max-cpu-len-log"]),
        ("--batch-size 0 stdio", USAGE, &["--batch-size"]),
        ("--num-workers 0 stdio", USAGE, &["--num-workers"]),
        ("--runtime telepathy stdio", USAGE, &["--runtime", "telepathy"]),
        ("stdio --output-proof-file a --proof-output-dir b", USAGE, &["--output-proof-file", "--proof-output-dir"]),
        ("--nonsense stdio", USAGE, &["--nonsense"]),
        ("nonsense", USAGE, &["nonsense"]),
        // A terabyte, and the word on what would help.
        ("--profile test --cpu 10..31 -m 25 stdio", RESOURCES, &["GB", "free", "--max-cpu-len-log"]),
        ("--profile test stdio --previous-proof absent.zkproof", USAGE, &["--previous-proof", "absent.zkproof"]),
        ("--profile test stdio --previous-proof not.json", USAGE, &["--previous-proof", "not.json"]),
        ("--profile test stdio -f empty.json", USAGE, &["--previous-proof", "empty.json", "holds no proof"]),
    ];
    for (words, code, parts) in cases {
        let run = home.run(words, &shipped("transfer.json"));
        run.says(words, code, parts);
        assert_eq!(run.stdout, "", "{words}");
        if run.stderr.contains("ERROR ") {
            run.fails(words, code, parts);
        }
    }
    let mut expected = vec![file, not_json, empty];
    expected.sort();
    assert_eq!(home.files(), expected, "something was left");
}

/// What is to be written is known before minutes of preparation, and so is whether it can be.
#[test]
fn a_verifier_file_that_cannot_be_written_is_refused_first() {
    let home = Home::new();
    home.file("file", "not a folder");
    let run = home.run("--profile test --circuits-dir file/circuits circuits export-verifier file/below/v.bin", "");
    run.fails("export-verifier", USAGE, &["file/below"]);
}

#[test]
fn a_folder_of_circuits_that_cannot_be_is_refused() {
    let home = Home::new();
    home.file("file", "not a folder");
    let run = home.run("--profile test --circuits-dir file/circuits circuits build", "");
    run.fails("circuits build", USAGE, &["file/circuits"]);
}

/// A file system of one megabyte, gone when dropped.
struct Small(TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.0.path().display());
    }
}

/// The first circuit file does not fit: 3, its name, and nothing half-written.
#[test]
fn no_space_left_names_the_file_and_leaves_nothing_half_written() {
    let Some(small) = Small::mount() else {
        say("not tested: a full disk; this user may not mount one");
        return;
    };
    let home = Home::new();
    let folder = small.0.path().display().to_string();
    let run = home.run(&format!("--profile test --circuits-dir {folder} circuits build"), "");
    run.says("circuits build", RESOURCES, &[&folder, "arithmetic-16.bin", "No space left"]);
    let left: Vec<_> = files(small.0.path()).into_iter().filter(|file| !file.ends_with(".lock")).collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "half-written");
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

/// What operators of zero-bin have in scripts: accepted, with one line of warning for all that does nothing.
#[test]
fn flags_of_zero_bin_are_accepted() {
    let home = Home::new();
    let words = "--runtime in-memory --load-strategy on-demand --persistence disk --serializer postcard \
                 --block-batch-size 8 --worker-run-mode default --keep-going --max-cpu-len-log 17 --batch-size 1 \
                 --arithmetic 16..17 --byte-packing 8..14 --cpu 10..18 --keccak 4..14 --keccak-sponge 8..9 \
                 --logic 4..12 --memory 17..20 --memory-before 16..18 --memory-after 7..18 --test-only stdio";
    let run = home.run(words, &shipped("transfer.json"));
    run.succeeds("flags of zero-bin");
    let warnings = run.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let flags =
        ["--load-strategy", "--persistence", "--serializer", "--worker-run-mode", "--block-batch-size", "--keep-going"];
    for flag in flags {
        assert!(warnings[0].contains(flag), "{flag}: {}", warnings[0]);
    }
    assert!(run.stdout.starts_with("block 1: 1 transactions, 21000 gas"), "{}", run.stdout);

    let run = home.run("--use-test-config --test-only stdio", &shipped("transfer.json"));
    run.succeeds("--use-test-config");
    let warnings = run.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("--use-test-config") && warnings[0].contains("--profile test"), "{}", warnings[0]);

    // Flags may come before or after the subcommand, as they did.
    let run = home.run("stdio --test-only -b 3 -m 16 --load-strategy monolithic", &shipped("transfer.json"));
    run.succeeds("flags after the subcommand");
    assert_eq!(run.warnings().len(), 1, "{}", run.stderr);
}

/// Variables have the meaning of their flags, and flags go before them.
#[test]
fn variables_are_read() {
    let home = Home::new();
    let plan = |words: &str, variables: &[(&str, &str)]| {
        let mut command = home.leader(words.split_whitespace());
        command.envs(variables.iter().copied());
        run(command, &shipped("transfer.json"))
    };
    let all = "--test-only stdio --json";
    let missing = |run: &Run| serde_json::from_str::<Value>(&run.stdout).expect("JSON")["missing_circuits"].clone();
    let run = plan(all, &[]);
    assert_eq!(missing(&run), Value::Null);
    let run = plan(all, &[("KECCAK_CIRCUIT_SIZE", "16..17")]);
    let text = missing(&run).to_string();
    assert!(
        text.contains("keccak table") && text.contains("dev-custom") && text.contains("KECCAK_CIRCUIT_SIZE"),
        "{text}"
    );
    let run = plan(all, &[("KECCAK_CIRCUIT_SIZE", "16..17"), ("PROVER_PROFILE", "mainnet")]);
    assert!(missing(&run).to_string().contains("mainnet-custom"), "{}", run.stdout);
    let run = plan("--test-only --keccak 9..12 stdio --json", &[("KECCAK_CIRCUIT_SIZE", "16..17")]);
    assert_eq!(missing(&run), Value::Null);
    plan(all, &[("CPU_CIRCUIT_SIZE", "wide")]).says("CPU_CIRCUIT_SIZE", USAGE, &["--cpu", "`wide`"]);
    plan(all, &[("PROVER_PROFILE", "huge")]).fails("PROVER_PROFILE", USAGE, &["`huge`"]);
    plan(all, &[("ZERO_BIN_KEEP_INTERMEDIATE_PROOFS", "true")]).succeeds("ZERO_BIN_KEEP_INTERMEDIATE_PROOFS");

    // Logs: in JSON, and as loud as wanted.
    let mut command = home.leader(["stdio"]);
    command.env("LOG_FORMAT", "json");
    let json = run_with(command, "");
    let line: Value = serde_json::from_str(json.stderr.trim()).expect("one JSON object");
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().is_some_and(|text| text.contains("the witness is empty")), "{line}");
    let mut command = home.leader(["--use-test-config", "stdio"]);
    command.env("RUST_LOG", "off");
    let silent = run_with(command, "");
    assert_eq!((silent.code, silent.stderr.as_str()), (Some(USAGE), ""));
}

/// `run`, where a closure has taken its name.
fn run_with(command: Command, stdin: &str) -> Run {
    run(command, stdin)
}

#[test]
fn a_plan_says_what_proving_would_take() {
    let home = Home::new();
    let text = home.run("--test-only stdio", &shipped("chain.json"));
    text.succeeds("a plan");
    assert_eq!(text.stderr, "");
    let lines: Vec<&str> = text.stdout.lines().collect();
    assert_eq!(lines.len(), 10, "{}", text.stdout);
    assert_eq!(lines[0], "block 1: 1 transactions, 21000 gas; 2 batches, 2 segments of at most 2^16 cycles, 6 tasks");
    assert_eq!(lines[1], "  batch 0: transactions 0..1, 1 segments");
    for table in [
        "arithmetic 16",
        "byte-packing ",
        "cpu 16",
        "keccak ",
        "keccak-sponge 8",
        "logic ",
        "memory ",
        "memory-before ",
    ] {
        assert!(lines[2].contains(table), "{table}: {}", lines[2]);
    }
    assert_eq!(lines[3], "  batch 1: transactions 1..1, 1 segments");
    assert_eq!(lines[5], "block 2: 0 transactions, 0 gas; 2 batches, 2 segments of at most 2^16 cycles, 6 tasks");

    let json = home.run("--test-only stdio --json", &shipped("chain.json"));
    json.succeeds("a plan in JSON");
    let plans: Vec<Value> = json.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [first, second] = &plans[..] else { panic!("{}", json.stdout) };
    let expected =
        json!({ "block_number": 1, "transactions": 1, "gas_used": 21000, "max_cpu_len_log": 16, "tasks": 6 });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(first[field], *value, "{field}");
    }
    assert_eq!(first["block_hash"], blocks("chain.json")[0]["other_data"]["b_data"]["b_hashes"]["cur_hash"]);
    assert_eq!(first["missing_circuits"], Value::Null, "the default profile is for the shipped witnesses");
    assert_eq!(second["missing_circuits"], Value::Null, "the default profile is for the shipped witnesses");
    let batches = first["batches"].as_array().expect("an array");
    assert_eq!(batches.len(), 2);
    assert_eq!(batches[0]["transactions"], json!([0, 1]));
    assert_eq!(batches[0]["segments"][0]["cpu"], 16);
    assert!(batches[0]["memory"][0].as_u64().is_some_and(|bytes| bytes > 1_000_000_000), "{batches:?}");
    assert_ne!(first["witness"], second["witness"]);
    assert_eq!(home.files(), Vec::<PathBuf>::new(), "a plan writes nothing");
}

/// A witness can be piped through `jq '.[]'`, and two processes plan the same.
#[test]
fn two_processes_plan_the_same() {
    let home = Home::new();
    let lines: Vec<String> = blocks("chain.json").iter().map(Value::to_string).collect();
    let [first, second, third] = [shipped("chain.json"), shipped("chain.json"), lines.join("\n")]
        .map(|text| home.run("--test-only -b 1 -m 12 stdio --json", &text).stdout);
    assert!(first.lines().count() == 2 && first.contains("\"witness\""), "{first}");
    assert_eq!(first, second);
    assert_eq!(first, third);
}

/// What the profile has no circuits for is said with the plan, with the flag that helps.
#[test]
fn a_plan_names_missing_circuits() {
    let home = Home::new();
    let run = home.run("--test-only -m 12 stdio", &shipped("transfer.json"));
    run.succeeds("a plan");
    let missing = run.stdout.lines().find(|line| line.contains("cannot be proved with this profile"));
    let missing = missing.unwrap_or_else(|| panic!("{}", run.stdout));
    assert!(missing.contains("2^7 rows") && missing.contains("--keccak=7..12"), "{missing}");
}

/// Stops a run that waits for its input.
#[test]
fn signals_end_a_run_with_their_own_code() {
    let home = Home::new();
    for signal in ["TERM", "INT"] {
        let mut child = home.leader(["--test-only", "stdio"]).spawn().expect("it starts");
        // It listens for signals before it reads; half a second is enough for that, and nothing tells when.
        std::thread::sleep(Duration::from_millis(500));
        let id = child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status().expect("kill is there");
        assert!(sent.success());
        let start = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            assert!(start.elapsed() < Duration::from_secs(10), "{signal}: it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        // Its stdin was open until here.
        let output = child.wait_with_output().expect("it has ended");
        assert_eq!(output.status.code(), Some(INTERRUPTED), "{signal}");
        let text = String::from_utf8(output.stderr).expect("text");
        assert!(text.lines().count() == 1 && text.contains("the same command goes on"), "{signal}: {text}");
    }
}

/// Whoever reads the output may have heard enough.
#[test]
fn a_closed_pipe_is_no_error() {
    let home = Home::new();
    for words in ["--test-only stdio", "completions bash"] {
        let mut child = home.leader(words.split_whitespace()).spawn().expect("it starts");
        drop(child.stdout.take());
        let mut stdin = child.stdin.take().expect("a pipe");
        drop(stdin.write_all(shipped("transfer.json").as_bytes()));
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(OK), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn help_is_there_for_every_subcommand() {
    let home = Home::new();
    let subcommands = [
        "",
        "stdio",
        "circuits",
        "circuits build",
        "circuits list",
        "circuits export-verifier",
        "circuits clean",
        "clean-artifacts",
        "completions",
    ];
    for subcommand in subcommands {
        for flag in ["--help", "-h"] {
            let run = home.run(&format!("{subcommand} {flag}"), "");
            run.succeeds(subcommand);
            assert!(run.stdout.contains("Usage: leader"), "{subcommand}: {}", run.stdout);
            assert_eq!(run.stderr, "", "{subcommand}");
        }
    }
    let help = home.run("--help", "").stdout;
    for part in
        ["Examples:", "leader stdio", "Exit codes:", "--profile", "--test-only", "[env: ARITHMETIC_CIRCUIT_SIZE=]"]
    {
        assert!(help.contains(part), "{part}: {help}");
    }
    let none = home.run("", "");
    assert_eq!(none.code, Some(USAGE));
    assert!(none.stderr.contains("Usage: leader"), "{}", none.stderr);
}

#[test]
fn the_version_says_what_it_is_made_of() {
    let home = Home::new();
    let long = home.run("--version", "");
    long.succeeds("--version");
    let version = env!("CARGO_PKG_VERSION");
    let parts = [
        "commit ",
        "patches ",
        "plonky2 1.0.2",
        "starky 1.0.2",
        "evm_arithmetization 0.5.1",
        "trace_decoder 0.7.0",
        "mpt_trie 0.5.0",
    ];
    for part in parts {
        assert!(long.stdout.contains(part), "{part}: {}", long.stdout);
    }
    let short = home.run("-V", "");
    short.succeeds("-V");
    assert_eq!(short.stdout.lines().count(), 1, "{}", short.stdout);
    assert!(short.stdout.starts_with(&format!("leader {version} (commit ")), "{}", short.stdout);
}

#[test]
fn completions_are_printed() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let run = home.run(&format!("completions {shell}"), "");
        run.succeeds(shell);
        assert!(run.stdout.contains("leader") && run.stdout.contains("max-cpu-len-log"), "{shell}: {}", run.stdout);
    }
    assert_eq!(home.run("completions telepathy", "").code, Some(USAGE));
}

#[test]
fn circuits_are_listed_and_removed() {
    let home = Home::new();
    let run = home.run("circuits list", "");
    run.succeeds("list");
    let folder = home.path("cache/blockproof/circuits").display().to_string();
    assert_eq!(run.stdout, format!("no circuits in {folder}\n"));
    let run = home.run("circuits list --json", "");
    run.succeeds("list --json");
    assert_eq!(serde_json::from_str::<Value>(&run.stdout).expect("JSON"), json!([]));
    home.run("circuits clean", "").succeeds("clean, with nothing there");
    home.run("clean", "").succeeds("clean as in zero-bin");
    home.run("clean-artifacts", "").succeeds("clean-artifacts, with nothing there");

    // An interrupted preparation, and a folder of somebody else's.
    let store = home.path("cache/blockproof/circuits/dev-0123456789ab");
    fs::create_dir_all(&store).expect("a folder");
    fs::write(store.join(".lock"), "").expect("a file");
    fs::write(store.join("cpu-15.bin"), vec![0; 1000]).expect("a file");
    let visitor = home.path("cache/blockproof/circuits/visitor/file");
    fs::create_dir_all(visitor.parent().expect("a folder")).expect("a folder");
    fs::write(&visitor, "not circuits").expect("a file");
    let run = home.run("circuits list", "");
    assert!(run.stdout.contains("incomplete") && run.stdout.contains("dev-0123456789ab"), "{}", run.stdout);
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
    let run = home.run("circuits list --json", "");
    let list: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!((&list[0]["complete"], &list[0]["bytes"]), (&json!(false), &json!(1000)));
    home.run("circuits clean --stale", "").succeeds("clean --stale");
    assert_eq!(home.files(), [visitor]);
}
