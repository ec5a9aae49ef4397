//! Flags and variables: what is refused before a witness is even looked at, and what is taken from scripts of zero-bin.

use serde_json::Value;
use testing::process::{Run, run};
use testing::witness::shipped;

use crate::support::{RESOURCES, USAGE, leader};

/// Flags and files that cannot be: what is said, before a witness is even looked at.
#[test]
fn bad_usage_is_refused() {
    let home = leader();
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
        ("--profile huge stdio", USAGE, &["`huge`", "test, dev, fast, mainnet"]),
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

fn warnings(run: &Run) -> Vec<&str> {
    run.stderr.lines().filter(|line| line.contains("WARN ")).collect()
}

/// What operators of zero-bin have in scripts: accepted, with one line of warning for all that does nothing.
#[test]
fn flags_of_zero_bin_are_accepted() {
    let home = leader();
    let words = "--runtime in-memory --load-strategy on-demand --persistence disk --serializer postcard \
                 --block-batch-size 8 --worker-run-mode default --keep-going --max-cpu-len-log 17 --batch-size 1 \
                 --arithmetic 16..17 --byte-packing 8..14 --cpu 10..18 --keccak 4..14 --keccak-sponge 8..9 \
                 --logic 4..12 --memory 17..20 --memory-before 16..18 --memory-after 7..18 --test-only stdio";
    let run = home.run(words, &shipped("transfer.json"));
    run.succeeds("flags of zero-bin");
    let said = warnings(&run);
    assert_eq!(said.len(), 1, "{said:?}");
    let flags =
        ["--load-strategy", "--persistence", "--serializer", "--worker-run-mode", "--block-batch-size", "--keep-going"];
    for flag in flags {
        assert!(said[0].contains(flag), "{flag}: {}", said[0]);
    }
    assert!(run.stdout.starts_with("block 1: 1 transactions, 21000 gas"), "{}", run.stdout);

    let run = home.run("--use-test-config --test-only stdio", &shipped("transfer.json"));
    run.succeeds("--use-test-config");
    let said = warnings(&run);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("--use-test-config") && said[0].contains("--profile test"), "{}", said[0]);

    // Flags may come before or after the subcommand, as they did.
    let run = home.run("stdio --test-only -b 3 -m 16 --load-strategy monolithic", &shipped("transfer.json"));
    run.succeeds("flags after the subcommand");
    assert_eq!(warnings(&run).len(), 1, "{}", run.stderr);
}

/// Variables have the meaning of their flags, and flags go before them.
#[test]
fn variables_are_read() {
    let home = leader();
    let plan = |words: &str, variables: &[(&str, &str)]| {
        run(home.command(words).envs(variables.iter().copied()), &shipped("transfer.json"))
    };
    let all = "--test-only stdio --json";
    let missing = |run: &Run| serde_json::from_str::<Value>(&run.stdout).expect("JSON")["missing_circuits"].clone();
    assert_eq!(missing(&plan(all, &[])), Value::Null);
    let text = missing(&plan(all, &[("KECCAK_CIRCUIT_SIZE", "16..17")])).to_string();
    assert!(
        text.contains("keccak table") && text.contains("dev-custom") && text.contains("KECCAK_CIRCUIT_SIZE"),
        "{text}"
    );
    let text = missing(&plan(all, &[("KECCAK_CIRCUIT_SIZE", "16..17"), ("PROVER_PROFILE", "mainnet")])).to_string();
    assert!(text.contains("mainnet-custom"), "{text}");
    let flag = "--test-only --keccak 9..12 stdio --json";
    assert_eq!(missing(&plan(flag, &[("KECCAK_CIRCUIT_SIZE", "16..17")])), Value::Null);
    plan(all, &[("CPU_CIRCUIT_SIZE", "wide")]).says("CPU_CIRCUIT_SIZE", USAGE, &["--cpu", "`wide`"]);
    plan(all, &[("PROVER_PROFILE", "huge")]).fails("PROVER_PROFILE", USAGE, &["`huge`"]);
    plan(all, &[("ZERO_BIN_KEEP_INTERMEDIATE_PROOFS", "true")]).succeeds("ZERO_BIN_KEEP_INTERMEDIATE_PROOFS");

    // Logs: in JSON, and as loud as wanted.
    let json = run(home.command("stdio").env("LOG_FORMAT", "json"), "");
    let line: Value = serde_json::from_str(json.stderr.trim()).expect("one JSON object");
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().is_some_and(|text| text.contains("the witness is empty")), "{line}");
    let silent = run(home.command("--use-test-config stdio").env("RUST_LOG", "off"), "");
    assert_eq!((silent.code, silent.stderr.as_str()), (Some(USAGE), ""));
}
