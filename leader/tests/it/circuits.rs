//! `leader circuits`: folders that cannot be, a disk that is full, what is listed and what is removed.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use testing::folder::{Small, files};

use crate::support::{RESOURCES, USAGE, leader};

/// What is to be written is known before minutes of preparation, and so is whether it can be.
#[test]
fn a_verifier_file_that_cannot_be_written_is_refused_first() {
    let home = leader();
    home.file("file", "not a folder");
    let run = home.run("--profile test --circuits-dir file/circuits circuits export-verifier file/below/v.bin", "");
    run.fails("export-verifier", USAGE, &["file/below"]);
}

#[test]
fn a_folder_of_circuits_that_cannot_be_is_refused() {
    let home = leader();
    home.file("file", "not a folder");
    let run = home.run("--profile test --circuits-dir file/circuits circuits build", "");
    run.fails("circuits build", USAGE, &["file/circuits"]);
}

/// The first circuit file does not fit: 3, its name, and nothing half-written.
#[test]
fn no_space_left_names_the_file_and_leaves_nothing_half_written() {
    let Some(small) = Small::mount("1m") else { return };
    let home = leader();
    let folder = small.path().display().to_string();
    let run = home.run(&format!("--profile test --circuits-dir {folder} circuits build"), "");
    run.says("circuits build", RESOURCES, &[&folder, ".bin", "No space left"]);
    let left: Vec<_> = files(small.path()).into_iter().filter(|file| !file.ends_with(".lock")).collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "half-written");
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

#[test]
fn circuits_are_listed_and_removed() {
    let home = leader();
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
