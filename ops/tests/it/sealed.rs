//! Sealed files: whole and unchanged, or refused with a reason.

use ops::sealed::{self, SealedError};
use serde::{Deserialize, Serialize};
use tempfile::tempdir;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    kind: String,
    size: u32,
}

fn header() -> Header {
    Header { kind: "circuits".to_owned(), size: 15 }
}

fn file(payload: &[u8]) -> Vec<u8> {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("file");
    sealed::write(&path, &header(), payload).expect("it is written");
    std::fs::read(path).expect("it is there")
}

#[test]
fn what_is_written_is_read() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("new/folders/file");
    for payload in [&b""[..], b"x", &[7; 100_000]] {
        sealed::write(&path, &header(), payload).expect("it is written");
        let sealed = sealed::read::<Header>(&path).expect("it is read");
        assert_eq!(sealed.header, header());
        assert_eq!(sealed.payload(), payload);
    }
    let left: Vec<_> = std::fs::read_dir(path.parent().expect("a folder")).expect("a folder").collect();
    assert_eq!(left.len(), 1, "something beside the file was left: {left:?}");
}

#[test]
fn a_torn_file_is_refused() {
    let whole = file(b"some payload");
    for length in 0..whole.len() {
        let result = sealed::parse::<Header, _>(whole[..length].to_vec());
        assert!(matches!(result, Err(SealedError::Torn(_))), "{length} of {}: {result:?}", whole.len());
    }
    sealed::parse::<Header, _>(whole).expect("the whole");
}

#[test]
fn a_longer_file_is_refused() {
    let mut whole = file(b"some payload");
    whole.push(0);
    let result = sealed::parse::<Header, _>(whole);
    assert!(matches!(result, Err(SealedError::Corrupted)), "{result:?}");
}

#[test]
fn a_file_with_any_byte_changed_is_refused() {
    let whole = file(b"some payload");
    for position in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[position] ^= 1 << bit;
            let result = sealed::parse::<Header, _>(changed);
            assert!(result.is_err(), "byte {position}, bit {bit}: {result:?}");
        }
    }
}

#[test]
fn a_foreign_file_is_refused() {
    for bytes in [&b"SEALED02 and more that follows"[..], b"{\"not\": \"sealed\"}", &[0; 100]] {
        let result = sealed::parse::<Header, _>(bytes.to_vec());
        assert!(matches!(result, Err(SealedError::Foreign)), "{result:?}");
    }
}

#[test]
fn a_header_of_another_version_is_refused() {
    #[derive(Debug, Deserialize)]
    struct Later {
        #[expect(dead_code, reason = "it is absent")]
        added_later: String,
    }
    let result = sealed::parse::<Later, _>(file(b"some payload"));
    let Err(error @ SealedError::Header(_)) = result else { panic!("{result:?}") };
    assert!(error.to_string().contains("added_later"), "{error}");
}

#[test]
fn an_absent_file_is_absent_and_a_folder_is_no_file() {
    let folder = tempdir().expect("a folder");
    let absent = sealed::read::<Header>(&folder.path().join("absent"));
    assert!(matches!(absent, Err(SealedError::Absent)), "{absent:?}");
    let result = sealed::read::<Header>(folder.path());
    let Err(error @ SealedError::Fs(_)) = result else { panic!("{result:?}") };
    assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
}

/// What was there before stays, and nothing half-written is left, when a write fails.
#[test]
fn a_failed_write_leaves_the_former_file() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("file");
    sealed::write(&path, &header(), b"former").expect("it is written");
    let unserializable = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = sealed::write(&path, &unserializable, b"later").expect_err("no JSON keys");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert_eq!(sealed::read::<Header>(&path).expect("the former").payload(), b"former");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
}
