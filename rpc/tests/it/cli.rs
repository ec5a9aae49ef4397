//! Flags, files and what the program says of itself.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use testing::process::{LIMIT, Process, run};
use testing::replay::{Heads, Replay, Wrong};
use testing::witness::read;

use crate::support::{FAILED, INTERRUPTED, USAGE, rpc};

/// What must not be repeated.
const SECRET: &str = "hunter2";

#[test]
fn bad_usage_is_refused() {
    let home = rpc();
    home.file("file", "not a folder");
    let node = "--rpc-url http://user:hunter2@127.0.0.1:1/hunter2 --max-retries 0 --no-cache";
    let with = |words: &str| format!("{node} {words}");
    home.file("url", "http://user:hunter2@127.0.0.1:1/hunter2\n");
    home.file("nonsense", "hunter2");
    home.file("empty", "\n");
    fs::write(home.path("work/binary"), b"hunter2\xff").expect("it is written");
    let by_file = |words: &str| format!("{words} --max-retries 0 --no-cache extract header 1");
    let cases: [(String, i32, &[&str]); 29] = [
        (by_file("--rpc-url-file url"), FAILED, &["no connection", "127.0.0.1:1"]),
        (by_file("--rpc-url-file url --rpc-url http://node"), USAGE, &["--rpc-url ", "--rpc-url-file", "contradict"]),
        (by_file("--rpc-url-file absent"), USAGE, &["--rpc-url-file", "absent"]),
        (by_file("--rpc-url-file ."), USAGE, &["--rpc-url-file"]),
        (by_file("--rpc-url-file binary"), USAGE, &["--rpc-url-file", "binary", "not text"]),
        (by_file("--rpc-url-file nonsense"), USAGE, &["address of the node", "http://"]),
        (by_file("--rpc-url-file empty"), USAGE, &["--rpc-url-file", "empty"]),
        (String::new(), USAGE, &["rpc"]),
        ("fetch --start-block 1".to_owned(), USAGE, &["--rpc-url", "RPC_URL"]),
        ("--rpc-url hunter2 fetch --start-block 1".to_owned(), USAGE, &["address of the node", "http://"]),
        ("--rpc-url ws://user:hunter2@node fetch --start-block 1".to_owned(), USAGE, &["ws:"]),
        ("--rpc-url http://user:hunter2@node:port fetch --start-block 1".to_owned(), USAGE, &["port"]),
        (with("fetch --start-block 1"), FAILED, &["no connection", "127.0.0.1:1"]),
        (with("extract header 1"), FAILED, &["no connection", "127.0.0.1:1"]),
        (with("fetch"), USAGE, &["--start-block"]),
        (with("fetch --start-block first"), USAGE, &["first", "latest"]),
        (with("fetch --start-block -1"), USAGE, &["-1"]),
        (with("fetch --start-block 0x"), USAGE, &["0x", "a number"]),
        (with("fetch --start-block 18446744073709551616"), USAGE, &["a number"]),
        (with(&format!("fetch --start-block 0x{}", "g".repeat(64))), USAGE, &["hexadecimal"]),
        (with("fetch --start-block 1 --max-concurrent-blocks 0"), USAGE, &["--max-concurrent-blocks"]),
        (with("fetch --start-block 1 --max-concurrent-requests 0"), USAGE, &["--max-concurrent-requests"]),
        (with("fetch --start-block 1 --timeout 0"), USAGE, &["--timeout"]),
        (with("fetch --start-block 1 --rpc-type erigon"), USAGE, &["erigon", "native, jerigon"]),
        (with("fetch --start-block 1 --cache-dir x"), USAGE, &["--no-cache", "--cache-dir"]),
        (with("extract tx 0x12"), USAGE, &["64 hexadecimal digits"]),
        (with("extract"), USAGE, &["extract"]),
        (with("nonsense"), USAGE, &["nonsense"]),
        (with("--nonsense"), USAGE, &["--nonsense"]),
    ];
    for (words, code, parts) in cases {
        let run = home.run(&words, "");
        run.expect(code, parts);
        assert_eq!(run.stdout, "", "{words}");
        assert!(!run.stderr.contains(SECRET), "{words}:\n{}", run.stderr);
    }
}

#[test]
fn blocks_are_checked_before_they_are_fetched() {
    let Some(replay) = Replay::jerigon() else { return };
    let home = rpc();
    home.file("file", "not a folder");
    let node = format!("--rpc-url {} --rpc-type jerigon --no-cache", replay.url());
    let cases: [(&str, i32, &[&str]); 7] = [
        ("fetch --start-block 0", USAGE, &["begin with 1"]),
        ("fetch --start-block 5 --end-block 4", USAGE, &["--end-block", "before"]),
        ("fetch --start-block 5 --checkpoint-block 5", USAGE, &["--checkpoint-block"]),
        ("fetch --start-block 5 --output-dir file/below", USAGE, &["file/below"]),
        ("fetch --start-block 5 --chain-id 1", FAILED, &["1337"]),
        ("extract tx 0x1111111111111111111111111111111111111111111111111111111111111111", FAILED, &["no transaction"]),
        ("extract header 0x1111111111111111111111111111111111111111111111111111111111111111", FAILED, &["no block"]),
    ];
    for (words, code, parts) in cases {
        home.run(&format!("{node} {words}"), "").fails(words, code, parts);
    }
}

/// Numbers, hashes and tags; an array on stdout, files in a folder, which are kept.
#[test]
fn blocks_go_where_they_are_wanted() {
    let Some(replay) = Replay::jerigon() else { return };
    replay.set_heads(Heads { latest: 6, finalized: Some(5) });
    let home = rpc();
    let node = format!("--rpc-url {} --rpc-type jerigon", replay.url());
    let fetched = |words: &str| {
        let run = home.run(&format!("{node} {words}"), "");
        run.succeeds(words);
        run.stdout
    };
    let numbers = |text: &str| read(text).expect("witnesses").iter().map(|it| it.number()).collect::<Vec<_>>();
    assert_eq!(numbers(&fetched("fetch --start-block 3 --end-block 0x5")), [3, 4, 5]);
    let array: Vec<Value> =
        serde_json::from_str(&fetched("fetch --start-block finalized --end-block latest")).expect("an array");
    assert_eq!(array.len(), 2);
    let header: Value = serde_json::from_str(&fetched("extract header latest")).expect("a header");
    assert_eq!(numbers(&fetched(&format!("fetch --start-block {}", header["hash"].as_str().expect("a hash")))), [6]);

    assert_eq!(fetched("fetch --start-block 1 --end-block 6 --output-dir out"), "");
    let files: Vec<_> = (1..=6).map(|number| home.path("work/out").join(format!("b{number}.json"))).collect();
    for (number, file) in (1..).zip(&files) {
        assert_eq!(numbers(&fs::read_to_string(file).expect("a file")), [number]);
    }
    // What is there is kept; what is broken, or of another checkpoint, is not.
    let asked = |words: &str| {
        let before = replay.calls("eth_getWitness");
        fetched(words);
        replay.calls("eth_getWitness") - before
    };
    let words = "fetch --start-block 1 --end-block 6 --output-dir out";
    assert_eq!(asked(words), 0);
    fs::write(&files[2], "[").expect("it is written");
    fs::remove_file(&files[4]).expect("it is removed");
    assert_eq!(asked(words), 2);
    assert_eq!(asked(words), 0);
    assert_eq!(asked("fetch --start-block 2 --end-block 6 --output-dir out"), 5);
}

/// At once, whatever the node is doing.
#[test]
fn it_can_be_interrupted() {
    let Some(replay) = Replay::jerigon() else { return };
    let home = rpc();
    replay.fault("eth_getWitness", None, Wrong::Slow(Duration::from_secs(600)));
    for signal in ["TERM", "INT"] {
        let asked = replay.calls("eth_getWitness");
        let words = format!("--rpc-url {} -t jerigon --no-cache fetch --start-block 3 -o out", replay.url());
        let mut process = Process::start(&mut home.command(&words));
        let start = Instant::now();
        while replay.calls("eth_getWitness") == asked {
            assert!(start.elapsed() < LIMIT, "it has asked nothing");
            std::thread::sleep(Duration::from_millis(10));
        }
        process.signal(signal);
        let run = process.end(LIMIT);
        run.fails(signal, INTERRUPTED, &["kept"]);
        assert!(run.stopping < Duration::from_secs(30), "{:?}", run.stopping);
    }
}

#[test]
fn things_are_extracted() {
    let Some(replay) = Replay::jerigon() else { return };
    let home = rpc();
    let extracted = |words: &str| -> Value {
        let run = home.run(&format!("--rpc-url {} --no-cache extract {words}", replay.url()), "");
        run.succeeds(words);
        serde_json::from_str(&run.stdout).expect("JSON")
    };
    let block = extracted("block 3");
    assert_eq!(block["number"], "0x3");
    let hash = block["transactions"][0]["hash"].as_str().expect("a hash").to_owned();
    let transaction = extracted(&format!("tx {hash}"));
    assert_eq!(transaction["transaction"]["hash"], hash.as_str());
    assert_eq!(transaction["receipt"]["transactionHash"], hash.as_str());
    assert!(transaction["raw"].as_str().is_some_and(|raw| raw.starts_with("0x02")), "{transaction}");
    let header = extracted("header 3");
    assert_eq!(header["transactions"][0], hash.as_str());
    let file = home.file("header.json", &header.to_string());
    assert_eq!(ops::header::read(&file).expect("a header that a verifier reads").len(), 1);
}

#[test]
fn variables_are_read() {
    let Some(replay) = Replay::jerigon() else { return };
    let home = rpc();
    let with = |words: &str, url: &str| run(home.command(words).env("RPC_URL", url), "");
    with("extract header 3", &replay.url()).succeeds("RPC_URL");
    with("extract header 3", "").fails("an empty one", USAGE, &["--rpc-url"]);
    let flag = format!("--rpc-url {} extract header 3", replay.url());
    with(&flag, "http://127.0.0.1:1").succeeds("a flag before its variable");
    let file = home.file("url", &format!("{}\r\n", replay.url()));
    let by_file =
        |words: &str, url: &str, file: &str| run(home.command(words).env("RPC_URL", url).env("RPC_URL_FILE", file), "");
    let path = file.to_str().expect("text");
    by_file("extract header 3", "", path).succeeds("RPC_URL_FILE");
    by_file("extract header 3", &replay.url(), "").succeeds("an empty RPC_URL_FILE");
    by_file("extract header 3", &replay.url(), path).fails("both", USAGE, &["RPC_URL and RPC_URL_FILE"]);
    let help = with("--help", "http://user:hunter2@node");
    help.succeeds("--help");
    assert!(help.stdout.contains("[env: RPC_URL]") && !help.stdout.contains(SECRET), "{}", help.stdout);
}

#[test]
fn help_is_there_with_examples_and_exit_codes() {
    let home = rpc();
    for subcommand in ["", "fetch", "extract", "extract tx", "extract header", "extract block", "completions"] {
        for flag in ["--help", "-h"] {
            let run = home.run(&format!("{subcommand} {flag}"), "");
            run.succeeds(subcommand);
            assert!(run.stdout.contains("Usage: rpc"), "{subcommand}: {}", run.stdout);
            assert_eq!(run.stderr, "", "{subcommand}");
        }
    }
    let help = home.run("--help", "").stdout;
    for part in
        ["Examples:", "Exit codes:", "--rpc-url", "--rpc-type", "--max-retries", "--cache-dir", "fetch", "extract"]
    {
        assert!(help.contains(part), "{part}: {help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let run = home.run(&format!("completions {shell}"), "");
        run.succeeds(shell);
        assert!(run.stdout.contains("rpc") && run.stdout.contains("start-block"), "{shell}");
    }
}
