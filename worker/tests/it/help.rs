//! What the program says of itself: help, version, completions.

use testing::process::run;

use crate::support::{USAGE, worker};

#[test]
fn help_is_there_with_examples_and_exit_codes() {
    let home = worker();
    for subcommand in ["", "keygen", "completions"] {
        for flag in ["--help", "-h"] {
            let run = home.run(&format!("{subcommand} {flag}"), "");
            run.succeeds(subcommand);
            assert!(run.stdout.contains("Usage: worker"), "{subcommand}: {}", run.stdout);
            assert_eq!(run.stderr, "", "{subcommand}");
        }
    }
    let help = home.run("--help", "").stdout;
    let parts = [
        "Examples:",
        "AMQP_URI=",
        "worker keygen",
        "Exit codes:",
        "--amqp-uri <URI>",
        "--amqp-password-file",
        "--amqp-ca-file",
        "--class",
        "--grace",
        "--signing-key",
        "--mock-prover",
        "--profile",
    ];
    for part in parts {
        assert!(help.contains(part), "{part}: {help}");
    }
    for hidden in ["--serializer", "--load-strategy"] {
        assert!(!help.contains(hidden), "{hidden}: {help}");
    }
}

/// Variables are named with what they are set to, except those that may hold a password.
#[test]
fn help_shows_no_address() {
    let home = worker();
    for flag in ["--help", "-h"] {
        let mut command = home.command(flag);
        let run = run(command.env("AMQP_URI", "amqp://someone:hunter2@broker").env("WORKER_NAME", "shown"), "");
        run.succeeds(flag);
        let text = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("[env: AMQP_URI]") && text.contains("[env: WORKER_NAME=shown]"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("someone"), "{}", run.stdout);
    }
}

#[test]
fn the_version_says_what_it_is_made_of() {
    let home = worker();
    let long = home.run("--version", "");
    long.succeeds("--version");
    for part in ["commit ", "patches ", "plonky2 1.0.2", "evm_arithmetization 0.5.1"] {
        assert!(long.stdout.contains(part), "{part}: {}", long.stdout);
    }
    let short = home.run("-V", "");
    short.succeeds("-V");
    assert_eq!(short.stdout.lines().count(), 1, "{}", short.stdout);
    assert!(short.stdout.starts_with(&format!("worker {} (commit ", env!("CARGO_PKG_VERSION"))), "{}", short.stdout);
}

#[test]
fn completions_are_printed() {
    let home = worker();
    for shell in ["bash", "zsh", "fish"] {
        let run = home.run(&format!("completions {shell}"), "");
        run.succeeds(shell);
        assert!(run.stdout.contains("worker") && run.stdout.contains("mock-prover"), "{shell}: {}", run.stdout);
    }
    assert_eq!(home.run("completions telepathy", "").code, Some(USAGE));
}
