//! Flags and files: what is refused with one sentence, keys, and what is taken from scripts of zero-bin.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use amqp::sign::SecretKey;
use testing::certificates::Certificates;
use testing::process::{Process, run};

use crate::support::{NODE, OK, SOON, USAGE, vhost, word, worker};

/// What must not be repeated.
const SECRET: &str = "hunter2";

#[test]
fn bad_usage_is_refused() {
    let home = worker();
    home.file("file", "not a folder");
    home.file("binary", "\u{fffd}");
    fs::write(home.path("work/binary"), b"hunter2\xff").expect("it is written");
    let certificates = Certificates::write(&home.path("work"));
    let ca = word(&certificates.ca);
    let here = "--mock-prover constant:1 --amqp-uri amqp://user:hunter2@127.0.0.1:1";
    let with = |words: &str| format!("{here} {words}");
    let cases: [(String, &[&str]); 25] = [
        (String::new(), &["--amqp-uri", "AMQP_URI"]),
        ("--amqp-uri hunter2".to_owned(), &["--amqp-uri", "amqp://"]),
        ("--amqp-uri amqp:user:hunter2@broker".to_owned(), &["--amqp-uri", "amqp://"]),
        ("--amqp-uri http://user:hunter2@broker".to_owned(), &["--amqp-uri", "amqp://"]),
        ("--amqp-uri amqp://user:hunter2@broker:port".to_owned(), &["--amqp-uri", "port"]),
        ("--amqp-uri amqp://user:12/hunter2@broker".to_owned(), &["--amqp-uri", "%2f"]),
        (with("--amqp-password-file absent"), &["absent"]),
        (with("--amqp-username-file ."), &["."]),
        (with("--amqp-password-file binary"), &["binary", "not text"]),
        (with(&format!("--amqp-ca-file {ca}")), &["certificates", "not amqps://"]),
        (with("--amqp-cert-file file"), &["--amqp-cert-file", "--amqp-key-file"]),
        (with("--amqp-key-file file"), &["--amqp-cert-file", "--amqp-key-file"]),
        ("--amqp-uri amqps://broker --amqp-ca-file absent".to_owned(), &["absent"]),
        ("--amqp-uri amqps://broker --amqp-ca-file file".to_owned(), &["file", "no certificate"]),
        (with("--signing-key absent"), &["--signing-key", "absent"]),
        (with("--signing-key file"), &["--signing-key", "file", "64 hexadecimal digits"]),
        (with("--artifacts-dir file/below"), &["file/below"]),
        (with("--profile huge"), &["`huge`", "test, dev, fast, mainnet"]),
        ("--amqp-uri amqp://broker --mock-prover slow:1".to_owned(), &["--mock-prover", "slow:1", "constant:MS"]),
        (with("--class tiny"), &["--class", "tiny"]),
        (with("--slots 0"), &["--slots"]),
        (with("--task-timeout 0"), &["--task-timeout"]),
        (with("--runtime in-memory"), &["--runtime", "in-memory"]),
        (with("--nonsense"), &["--nonsense"]),
        (with("nonsense"), &["nonsense"]),
    ];
    for (words, parts) in cases {
        let run = home.run(&words, "");
        run.says(&words, USAGE, parts);
        assert_eq!(run.stdout, "", "{words}");
        assert!(!run.stderr.contains(SECRET), "{words}:\n{}", run.stderr);
        if run.stderr.contains("ERROR ") {
            let words_of_mocks = run.stderr.lines().filter(|line| !line.contains("WARN MOCK"));
            assert_eq!(words_of_mocks.filter(|line| !line.trim().is_empty()).count(), 1, "{words}:\n{}", run.stderr);
        }
    }
}

#[test]
fn a_broker_that_does_not_let_it_in_is_named() {
    let home = worker();
    let (vhost, address) = vhost();
    let password = home.file("password", "hunter2\n");
    let cases = [
        (NODE.uri_of("guest", "hunter2"), "", "ACCESS_REFUSED"),
        (NODE.uri_of("nobody", "hunter2"), "", "ACCESS_REFUSED"),
        (NODE.uri(), &*format!("--amqp-password-file {}", word(&password)), "ACCESS_REFUSED"),
        (address.replace(&vhost, "elsewhere"), "", "elsewhere"),
    ];
    for (address, words, reason) in cases {
        let words = format!("--mock-prover constant:1 --amqp-uri {address} {words}");
        let run = home.run(&words, "");
        run.fails(&words, USAGE, &["the broker at amqp://127.0.0.1:", "refuses", reason]);
        assert!(!run.stderr.contains(SECRET), "{}", run.stderr);
    }
}

#[test]
fn a_key_is_made_for_its_owner_alone() {
    let home = worker();
    let run = home.run("keygen keys/worker.key", "");
    run.succeeds("keygen");
    assert_eq!(run.stderr, "");
    let path = home.path("work/keys/worker.key");
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    let key = SecretKey::read(&path).expect("a key");
    assert_eq!(run.stdout, format!("{}\n", key.public()));
    assert!(!fs::read_to_string(&path).expect("text").contains(run.stdout.trim()));

    home.file("file", "not a folder");
    home.run("keygen file/worker.key", "").fails("keygen below a file", USAGE, &["file"]);
    home.run("keygen", "").says("keygen without a name", USAGE, &["required"]);
}

/// A key is not lost by making another in its place.
#[test]
fn a_key_that_is_there_is_not_written_over() {
    let home = worker();
    let first = home.run("keygen worker.key", "");
    first.succeeds("keygen");
    home.run("keygen worker.key", "").fails("keygen again", USAGE, &["worker.key", "exists"]);
    let kept = SecretKey::read(&home.path("work/worker.key")).expect("a key");
    assert_eq!(first.stdout.trim(), kept.public());
}

/// What operators of zero-bin have in scripts: accepted, with one line of warning for all that does nothing.
#[test]
fn flags_of_zero_bin_are_accepted() {
    let home = worker();
    let (_, address) = vhost();
    let words = "--runtime amqp --load-strategy on-demand --persistence disk --serializer postcard \
                 --block-batch-size 8 --worker-run-mode default --keep-going --mock-prover constant:1";
    let mut process = Process::start(home.command(words).env("AMQP_URI", address));
    process.wait_for("ready to prove", SOON);
    process.signal("TERM");
    let run = process.end(SOON);
    run.expect(OK, &["drained"]);
    let said: Vec<_> = run.stderr.lines().filter(|line| line.contains("zero-bin")).collect();
    assert_eq!(said.len(), 1, "{}", run.stderr);
    let flags =
        ["--load-strategy", "--persistence", "--serializer", "--worker-run-mode", "--block-batch-size", "--keep-going"];
    for flag in flags {
        assert!(said[0].contains(flag), "{flag}: {}", said[0]);
    }
}

/// Variables have the meaning of their flags, flags go before them, and one that is empty is none.
#[test]
fn variables_are_read() {
    let home = worker();
    let with = |words: &str, variables: &[(&str, &str)]| run(home.command(words).envs(variables.iter().copied()), "");
    let mock = "--mock-prover constant:1";
    with(mock, &[("AMQP_URI", "")]).fails("empty", USAGE, &["--amqp-uri"]);
    with(mock, &[("AMQP_URI", "hunter2")]).fails("no address", USAGE, &["--amqp-uri", "amqp://"]);
    let uri = ("AMQP_URI", "amqp://127.0.0.1:1");
    with(mock, &[uri, ("AMQP_PASSWORD_FILE", "absent")]).fails("password", USAGE, &["absent"]);
    with(mock, &[uri, ("AMQP_USERNAME_FILE", "absent")]).fails("user", USAGE, &["absent"]);
    let tls = ("AMQP_URI", "amqps://127.0.0.1:1");
    with(mock, &[tls, ("AMQP_CA_FILE", "absent")]).fails("authority", USAGE, &["absent"]);
    let empty = [uri, ("AMQP_CA_FILE", ""), ("AMQP_CERT_FILE", ""), ("AMQP_KEY_FILE", ""), ("PROVER_PROFILE", "huge")];
    with(mock, &empty).fails("profile", USAGE, &["`huge`"]);
    let flag = "--mock-prover constant:1 --amqp-uri http://broker";
    with(flag, &[uri]).fails("a flag before its variable", USAGE, &["--amqp-uri", "amqp://"]);
}
