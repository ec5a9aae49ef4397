//! What the program says of itself: help, version, completions.

use crate::support::{USAGE, leader};

#[test]
fn help_is_there_for_every_subcommand() {
    let home = leader();
    let subcommands = [
        "",
        "stdio",
        "circuits",
        "circuits build",
        "circuits list",
        "circuits export-verifier",
        "circuits clean",
        "rpc",
        "queue",
        "scale",
        "scale explain",
        "scale simulate",
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
    let home = leader();
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
    let home = leader();
    for shell in ["bash", "zsh", "fish"] {
        let run = home.run(&format!("completions {shell}"), "");
        run.succeeds(shell);
        assert!(run.stdout.contains("leader") && run.stdout.contains("max-cpu-len-log"), "{shell}: {}", run.stdout);
    }
    assert_eq!(home.run("completions telepathy", "").code, Some(USAGE));
}
