//! Signatures: who is believed, and what a signature covers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use amqp::message::ResultMessage;
use amqp::sign::{AllowList, SecretKey};
use ops::digest::Digest;
use ops::queue::{Cause, Outcome};
use tempfile::TempDir;

use crate::support::block;

fn list(folder: &TempDir, text: &str) -> AllowList {
    let path = folder.path().join("list");
    fs::write(&path, text).expect("it is written");
    AllowList::read(&path).expect("a list")
}

#[test]
fn a_key_is_written_for_its_owner_alone_and_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("worker.key");
    let key = SecretKey::generate().expect("a key");
    key.write(&path).expect("it is written");
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    let read = SecretKey::read(&path).expect("a key");
    assert_eq!(read.public(), key.public());
    assert_eq!(key.public().len(), 64);
    let text = fs::read_to_string(&path).expect("text");
    assert_eq!(text.trim().len(), 64);
    assert!(!format!("{key:?}").contains(text.trim()), "{key:?}");
    assert_ne!(SecretKey::generate().expect("another").public(), key.public());

    // As an editor may leave it.
    fs::write(&path, format!("  {}\r\n\n", text.trim())).expect("it is written");
    assert_eq!(SecretKey::read(&path).expect("a key").public(), key.public());
    for text in ["", "hello", &text[..63], &format!("{}00", text.trim())] {
        fs::write(&path, text).expect("it is written");
        let error = SecretKey::read(&path).expect_err(text).to_string();
        assert!(error.contains("worker.key") && error.contains("64 hexadecimal digits"), "{error}");
    }
    assert!(SecretKey::read(&folder.path().join("absent")).is_err());
}

#[test]
fn those_of_the_list_are_believed_and_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let [one, two, stranger] = [(); 3].map(|()| SecretKey::generate().expect("a key"));
    let allow = list(&folder, &format!("# ours\n\n{} the one\n{}\n", one.public(), two.public()));
    let (said, other) = (Digest::of_bytes(b"said"), Digest::of_bytes(b"other"));
    assert_eq!(allow.signer(&said, Some(&one.sign(&said))), Some(one.public()));
    assert_eq!(allow.signer(&said, Some(&two.sign(&said))), Some(two.public()));
    let signature = one.sign(&said);
    let mut changed = signature.clone().into_bytes();
    changed[0] = if changed[0] == b'0' { b'1' } else { b'0' };
    let changed = String::from_utf8(changed).expect("digits");
    let wrong = [
        None,
        Some(""),
        Some("hello"),
        Some(&signature[..126]),
        Some(changed.as_str()),
        Some(&*format!("{signature}00")),
    ]
    .map(|signature| signature.map(str::to_owned));
    for signature in wrong.iter().chain([&Some(stranger.sign(&said)), &Some(one.sign(&other))]) {
        assert_eq!(allow.signer(&said, signature.as_deref()), None, "{signature:?}");
    }
    assert_eq!(list(&folder, "# nobody\n").signer(&said, Some(&one.sign(&said))), None);
}

#[test]
fn a_list_with_a_line_that_is_no_key_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("list");
    let good = SecretKey::generate().expect("a key").public();
    let cases = [("hello", 1), (&good[1..], 1)];
    for (line, number) in cases {
        fs::write(&path, format!("{line}\n{good}")).expect("it is written");
        let error = AllowList::read(&path).expect_err(line).to_string();
        assert!(error.contains("list") && error.contains(&format!("line {number} ")), "{error}");
    }
    fs::write(&path, format!("{good}\n\n# no key\nnot a key either")).expect("it is written");
    let error = AllowList::read(&path).expect_err("the last line").to_string();
    assert!(error.contains("line 4 "), "{error}");
}

#[test]
fn a_signature_covers_every_field_of_a_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = SecretKey::generate().expect("a key");
    let allow = list(&folder, &key.public());
    let report = ResultMessage {
        id: Digest::of_bytes(b"id"),
        task: Digest::of_bytes(b"task"),
        block: block(7),
        run: Digest::of_bytes(b"run"),
        worker: "worker".to_owned(),
        outcome: Some(Outcome::Done { reused: false, time: Duration::from_secs(1) }),
        output: Some(Digest::of_bytes(b"output")),
        signature: None,
    };
    let signature = key.sign(&report.signed());
    assert_eq!(allow.signer(&report.signed(), Some(&signature)), Some(key.public()));
    let other = Digest::of_bytes(b"other");
    let failed = Outcome::Failed { cause: Cause::Invalid, reason: String::new() };
    let changed = [
        ResultMessage { id: other, ..report.clone() },
        ResultMessage { task: other, ..report.clone() },
        ResultMessage { block: block(8), ..report.clone() },
        ResultMessage { run: other, ..report.clone() },
        ResultMessage { worker: "another".to_owned(), ..report.clone() },
        ResultMessage { outcome: None, ..report.clone() },
        ResultMessage { outcome: Some(failed), ..report.clone() },
        ResultMessage { output: Some(other), ..report.clone() },
        ResultMessage { output: None, ..report.clone() },
    ];
    for report in changed {
        assert_eq!(allow.signer(&report.signed(), Some(&signature)), None, "{report:?}");
    }
}
