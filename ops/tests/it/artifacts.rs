//! The artifact store: what goes in comes out, or is known not to.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use evm_arithmetization::GenerationInputs;
use ops::artifacts::{self, ArtifactError, Artifacts};
use ops::digest::Digest;
use ops::exit;
use serde_json::Value;
use tempfile::{TempDir, tempdir};
use testing::folder::{Small, files};
use testing::proof::hollow_proof;
use testing::say;
use testing::witness::{batches, transfer};

use crate::support::parse;

/// A real batch: the one with the transaction of `transfer.json`.
fn inputs() -> GenerationInputs {
    batches(parse(&transfer()), 1).remove(0)
}

fn json(inputs: &GenerationInputs) -> Value {
    serde_json::to_value(inputs).expect("JSON")
}

fn name() -> Digest {
    Digest::of_bytes(b"a name")
}

fn store() -> (TempDir, Artifacts) {
    let folder = tempdir().expect("a folder");
    let artifacts = Artifacts::local(folder.path()).expect("a store");
    (folder, artifacts)
}

fn only_file(folder: &Path) -> PathBuf {
    let mut files = files(folder);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[tokio::test]
async fn inputs_come_out_as_they_went_in() {
    let (folder, artifacts) = store();
    assert!(matches!(artifacts.inputs(&name()).await, Err(ArtifactError::Absent(_))));
    artifacts.put_inputs(&name(), &inputs()).await.expect("it is put");
    assert_eq!(json(&artifacts.inputs(&name()).await.expect("it is there")), json(&inputs()));
    let file = only_file(folder.path());
    let (bytes, plain) = (fs::metadata(&file).expect("a file").len(), json(&inputs()).to_string().len());
    assert!(bytes < plain as u64 / 2, "{bytes} bytes for {plain} of JSON: not compressed");

    // Another store on the same folder, as after a restart.
    let again = Artifacts::local(folder.path()).expect("a store");
    assert_eq!(json(&again.inputs(&name()).await.expect("it is there")), json(&inputs()));
    assert!(matches!(again.inputs(&Digest::of_bytes(b"other")).await, Err(ArtifactError::Absent(_))));

    again.remove_inputs(&name()).await.expect("it is removed");
    again.remove_inputs(&name()).await.expect("removed twice");
    assert!(matches!(artifacts.inputs(&name()).await, Err(ArtifactError::Absent(_))));
}

#[tokio::test]
async fn outputs_come_out_as_they_went_in() {
    let (_folder, artifacts) = store();
    let proof = hollow_proof();
    assert!(!artifacts.has_output(&name()).await.expect("it looks"));
    assert!(artifacts.output(&name()).await.expect("it looks").is_none());
    artifacts.put_output(&name(), &proof).await.expect("it is put");
    assert!(artifacts.has_output(&name()).await.expect("it looks"));
    let found = artifacts.output(&name()).await.expect("it looks").expect("it is there");
    assert_eq!(found.intern, proof.intern);
    assert_eq!(found.public_values, proof.public_values);
    // Inputs and outputs do not share names.
    assert!(matches!(artifacts.inputs(&name()).await, Err(ArtifactError::Absent(_))));
    artifacts.remove_output(&name()).await.expect("it is removed");
    artifacts.remove_output(&name()).await.expect("removed twice");
    assert!(artifacts.output(&name()).await.expect("it looks").is_none());
}

/// Every way to damage a file: cut anywhere, one bit changed anywhere, something appended, other content.
fn damages(whole: &[u8]) -> Vec<(String, Vec<u8>)> {
    let step = (whole.len() / 300).max(1);
    let cut = (0..whole.len()).step_by(step).map(|end| (format!("cut at {end}"), whole[..end].to_vec()));
    let flipped = (0..whole.len()).step_by(step).map(|position| {
        let mut changed = whole.to_vec();
        changed[position] ^= 1 << (position % 8);
        (format!("byte {position} changed"), changed)
    });
    let others = [
        ("a byte more".to_owned(), [whole, b"x"].concat()),
        ("other content".to_owned(), vec![0x55; whole.len()]),
        ("twice".to_owned(), [whole, whole].concat()),
    ];
    cut.chain(flipped).chain(others).collect()
}

#[tokio::test]
async fn damaged_inputs_are_refused_and_made_again() {
    let (folder, artifacts) = store();
    artifacts.put_inputs(&name(), &inputs()).await.expect("it is put");
    let file = only_file(folder.path());
    let whole = fs::read(&file).expect("a file");
    let (expected, mut refused) = (json(&inputs()), 0);
    for (how, damaged) in damages(&whole) {
        fs::write(&file, damaged).expect("it is damaged");
        match artifacts.inputs(&name()).await {
            Err(error @ ArtifactError::Damaged { .. }) => {
                refused += 1;
                assert!(error.to_string().contains(&name().to_string()), "{how}: {error}");
            }
            // A bit of the packing that the content does not depend on.
            Ok(found) => assert_eq!(json(&found), expected, "{how}: trusted"),
            Err(other) => panic!("{how}: {other}"),
        }
    }
    assert!(refused > 250, "{refused} refused");
    // The last one is damaged, too: putting it again mends it.
    artifacts.put_inputs(&name(), &inputs()).await.expect("it is put");
    assert_eq!(json(&artifacts.inputs(&name()).await.expect("it is whole")), json(&inputs()));
}

#[tokio::test]
async fn a_damaged_output_counts_as_absent() {
    let (folder, artifacts) = store();
    artifacts.put_output(&name(), &hollow_proof()).await.expect("it is put");
    let file = only_file(folder.path());
    let whole = fs::read(&file).expect("a file");
    let mut absent = 0;
    for (how, damaged) in damages(&whole) {
        fs::write(&file, damaged).expect("it is damaged");
        let found = artifacts.output(&name()).await.unwrap_or_else(|error| panic!("{how}: {error}"));
        match found {
            None => absent += 1,
            // A bit of the packing that the content does not depend on.
            Some(found) => assert_eq!(found.intern, hollow_proof().intern, "{how}: trusted"),
        }
    }
    assert!(absent > 250, "{absent} absent");
    artifacts.put_output(&name(), &hollow_proof()).await.expect("it is put");
    assert!(artifacts.output(&name()).await.expect("it looks").is_some());
}

/// An artifact of one kind in the place of another: whole, with a good checksum, and of no use.
#[tokio::test]
async fn an_artifact_of_another_kind_is_refused() {
    let (folder, artifacts) = store();
    artifacts.put_inputs(&name(), &inputs()).await.expect("it is put");
    let inputs_file = only_file(folder.path());
    artifacts.put_output(&name(), &hollow_proof()).await.expect("it is put");
    let output_file = files(folder.path()).into_iter().find(|file| *file != inputs_file).expect("another file");
    fs::copy(&output_file, &inputs_file).expect("it is copied");
    let result = artifacts.inputs(&name()).await;
    assert!(matches!(result, Err(ArtifactError::Damaged { .. })), "{result:?}");
}

/// A hundred kilobytes that unpack to more than a gigabyte.
#[tokio::test]
async fn a_bomb_is_refused() {
    let (folder, artifacts) = store();
    artifacts.put_inputs(&name(), &inputs()).await.expect("it is put");
    let mut bomb = vec![0; 32];
    let zeros = std::io::repeat(0).take((1 << 30) + 1);
    zstd::stream::copy_encode(zeros, &mut bomb, 1).expect("it is packed");
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    fs::write(only_file(folder.path()), bomb).expect("it is written");
    match artifacts.inputs(&name()).await {
        Err(ArtifactError::Damaged { reason, .. }) => assert!(reason.contains("unpacks to more than"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_folder_that_cannot_be_is_refused_at_once() {
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "no folder").expect("a file");
    for path in [file.clone(), file.join("below")] {
        let error = Artifacts::local(&path).expect_err("a file is in the way");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert_eq!(exit::code_of(&error.into()), exit::USAGE);
    }
    assert_eq!(files(folder.path()), [file]);
}

/// The folder turns read-only while the store is in use.
#[tokio::test]
async fn a_read_only_folder_is_an_error_and_nothing_is_left() {
    let (folder, artifacts) = store();
    let (open, closed) = permissions(folder.path());
    fs::set_permissions(folder.path(), closed).expect("its owner may");
    let written = fs::write(folder.path().join("probe"), "").is_ok();
    let result = artifacts.put_inputs(&name(), &inputs()).await;
    fs::set_permissions(folder.path(), open).expect("its owner may");
    if written {
        say("not tested: a read-only folder; this user may write everywhere");
        return;
    }
    let error = result.expect_err("nobody may write there");
    assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
}

fn permissions(folder: &Path) -> (fs::Permissions, fs::Permissions) {
    let open = fs::metadata(folder).expect("a folder").permissions();
    let mut closed = open.clone();
    closed.set_readonly(true);
    (open, closed)
}

#[tokio::test]
async fn no_space_left_is_an_error_of_its_own_and_nothing_is_left() {
    let Some(small) = Small::mount("64k") else { return };
    let folder = small.path();
    let artifacts = Artifacts::local(folder).expect("a store");
    fs::write(folder.join("ballast"), vec![1; 56 << 10]).expect("there is room for that");
    let mut inputs = inputs();
    // Nothing that packs well.
    let noise: Vec<u8> = (0..4000u32).flat_map(|number| *Digest::of_bytes(&number.to_le_bytes()).as_bytes()).collect();
    inputs.signed_txns.push(noise);
    let error = artifacts.put_inputs(&name(), &inputs).await.expect_err("there is no room");
    assert!(error.to_string().contains(&folder.display().to_string()), "{error}");
    assert_eq!(files(folder), [folder.join("ballast")], "half-written");
    assert_eq!(exit::code_of(&error.into()), exit::RESOURCES);
}

#[tokio::test]
async fn cleaning_removes_artifacts_and_nothing_else() {
    let (folder, artifacts) = store();
    artifacts.put_inputs(&name(), &inputs()).await.expect("it is put");
    artifacts.put_output(&name(), &hollow_proof()).await.expect("it is put");
    let kept = [folder.path().join("value.txt"), folder.path().join("visitors/file")];
    fs::create_dir(folder.path().join("visitors")).expect("a folder");
    for file in &kept {
        fs::write(file, "not an artifact").expect("a file");
    }
    artifacts::clean(folder.path()).expect("it is cleaned");
    assert_eq!(files(folder.path()), kept);
    artifacts::clean(&folder.path().join("absent")).expect("there is nothing to clean");
}
