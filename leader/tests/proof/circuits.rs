//! Circuit files that were damaged: never trusted, built again one by one, with a warning that says why.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ops::circuits::store::Store;
use ops::profile::{CPU, Heights};
use serde_json::Value;
use testing::stack::on_a_large_stack;
use tracing_subscriber::fmt::MakeWriter;

use crate::chain::{CHAIN, circuits_dir, open_circuits, profile, scratch};
use crate::process::{leader_with, run, verify};

/// A store of the same circuits: every file is the same file until it is replaced.
struct Copy {
    root: tempfile::TempDir,
    folder: PathBuf,
    original: PathBuf,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is the file that it was.
    Untouched,
    /// Another file, with the content that it had.
    WrittenAgain,
    /// Another file with another content.
    Different,
}

impl Copy {
    fn new() -> Self {
        // The circuits are there once the chain is proved.
        assert!(CHAIN.verifier.exists());
        let root = scratch();
        let original = Store::new(&circuits_dir(), profile()).folder().to_owned();
        let folder = root.path().join(original.file_name().expect("it is a folder in a folder"));
        fs::create_dir(&folder).expect("the scratch folder is empty");
        // A lock would be one for both stores.
        for file in files(&original).into_iter().filter(|file| file != ".lock") {
            fs::hard_link(original.join(&file), folder.join(&file)).expect("both are on one file system");
        }
        Self { root, folder, original }
    }

    /// Replaces a file by what `change` makes of its content.
    fn replace(&self, file: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let path = self.folder.join(file);
        let changed = change(fs::read(&path).expect("it is there"));
        fs::remove_file(&path).expect("the folder is writable");
        fs::write(&path, changed).expect("the folder is writable");
    }

    fn state(&self, file: &str) -> State {
        let paths = [&self.folder, &self.original].map(|folder| folder.join(file));
        let [here, there] = paths.each_ref().map(|path| fs::metadata(path).expect("it is there").ino());
        let [content, expected] = paths.map(|path| fs::read(path).expect("it is there"));
        match (here == there, content == expected) {
            (true, _) => State::Untouched,
            (false, true) => State::WrittenAgain,
            (false, false) => State::Different,
        }
    }

    /// The files of tables, each with its state.
    fn tables(&self) -> Vec<(String, State)> {
        let upper = ["upper.bin", "verifier.bin"];
        let tables =
            files(&self.original).into_iter().filter(|file| file.ends_with(".bin") && !upper.contains(&&**file));
        tables.map(|file| (file.clone(), self.state(&file))).collect()
    }

    fn leader(&self) -> Command {
        leader_with(self.root.path(), &self.root.path().join("artifacts"))
    }

    /// `leader circuits build`: its warnings.
    fn build(&self) -> Vec<String> {
        let build = run(self.leader().args(["circuits", "build"]));
        build.expect(0, &["circuits are ready"]);
        build.stderr.lines().filter(|line| line.contains(" WARN ")).map(str::to_owned).collect()
    }

    /// Asserts that these are the circuits that they were: a verifier of theirs accepts the chain's proofs.
    fn check(&self) {
        let file = self.root.path().join("exported.bin");
        run(self.leader().args(["circuits", "export-verifier"]).arg(&file)).expect(0, &[]);
        assert_eq!(fs::read(&file).expect("it is written"), fs::read(&CHAIN.verifier).expect("it is there"));
        for proof in &CHAIN.proofs {
            verify(proof, &["--allow-insecure", "--verifier-circuit", &file.display().to_string()]).expect(0, &[]);
        }
        let list = run(self.leader().args(["circuits", "list", "--json"]));
        let list: Value = serde_json::from_str(&list.expect(0, &[]).stdout).expect("it is JSON");
        let digest = Store::new(&circuits_dir(), profile()).digest().expect("the circuits are there").to_string();
        assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
        assert_eq!(list[0]["digest"], *digest, "{list}");
        assert_eq!((&list[0]["complete"], &list[0]["current"]), (&true.into(), &true.into()), "{list}");
    }
}

/// Names of the files in a folder.
fn files(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it is readable").file_name());
    entries.map(|name| name.into_string().expect("we name files in ASCII")).collect()
}

fn flip(mut bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes
}

fn tear(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

#[test]
fn damaged_circuits_are_built_again_and_all_others_left_alone() {
    let copy = Copy::new();
    let memory = fs::read(copy.folder.join("memory-17.bin")).unwrap();
    copy.replace("upper.bin", flip);
    copy.replace("cpu-16.bin", flip);
    copy.replace("keccak-11.bin", tear);
    copy.replace("keccak-12.bin", |_| Vec::new());
    copy.replace("logic-10.bin", |_| b"these are no circuits".to_vec());
    copy.replace("memory-18.bin", |_| memory);
    fs::remove_file(copy.folder.join("cpu-10.bin")).unwrap();
    let damaged = [
        ("upper.bin", "checksum does not match"),
        ("cpu-16.bin", "checksum does not match"),
        ("keccak-11.bin", "it is torn"),
        ("keccak-12.bin", "it is torn"),
        ("logic-10.bin", "not a file of this format"),
        ("memory-18.bin", "not a file of this format"),
    ];
    let warnings = copy.build();
    for (file, reason) in damaged {
        let warning = warnings.iter().find(|line| line.contains(file));
        assert!(warning.is_some_and(|line| line.contains(reason)), "{file}: {warnings:#?}");
    }
    assert_eq!(warnings.len(), damaged.len(), "{warnings:#?}");
    for (file, state) in copy.tables() {
        let again = damaged.iter().any(|(name, _)| *name == file) || file == "cpu-10.bin";
        assert_eq!(state, if again { State::WrittenAgain } else { State::Untouched }, "{file}");
    }
    copy.check();
}

#[test]
fn a_manifest_of_other_versions_is_not_believed() {
    let copy = Copy::new();
    // The folder's name has a part of the key only, so a folder may well be that of other versions.
    copy.replace("manifest.json", |bytes| {
        let mut manifest: Value = serde_json::from_slice(&bytes).unwrap();
        manifest["inputs"]["crates"][0][1] = "9.9.9".into();
        serde_json::to_vec(&manifest).unwrap()
    });
    let warnings = copy.build();
    assert!(matches!(&warnings[..], [line] if line.contains("manifest is that of other circuits")), "{warnings:#?}");
    // The files say themselves of which circuits they are.
    for (file, state) in copy.tables() {
        assert_eq!(state, State::Untouched, "{file}");
    }
    copy.check();
}

#[test]
fn a_damaged_verifier_file_is_refused_and_written_again() {
    let copy = Copy::new();
    copy.replace("verifier.bin", flip);
    let file = copy.folder.join("verifier.bin").display().to_string();
    let run = verify(&CHAIN.proofs[0], &["--allow-insecure", "--verifier-circuit", &file]);
    run.expect(2, &["verifier.bin", "checksum"]);
    copy.check();
    assert_eq!(copy.state("verifier.bin"), State::WrittenAgain);
}

#[test]
fn a_damaged_file_of_a_table_is_built_again_when_a_segment_needs_it() {
    let copy = Copy::new();
    let circuits = open_circuits(copy.root.path());
    let heights: Heights = CHAIN.plan(1).0.batches[0].segments[0];
    let cpu = format!("cpu-{}.bin", heights[CPU].unwrap());
    // Damaged after the store was opened.
    copy.replace(&cpu, flip);
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    let loaded =
        on_a_large_stack(|| tracing::subscriber::with_default(subscriber, || circuits.for_segment(&heights).unwrap()));
    for (table, height) in heights.iter().enumerate() {
        let first = profile().sizes[table].first();
        let index = loaded[table].as_ref().map(|(_, index)| usize::from(*index));
        assert_eq!(index, height.map(|height| height - first), "table {table}");
    }
    let log = log.text();
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains(&cpu) && log.contains("checksum does not match"), "{log}");
    assert_eq!(copy.state(&cpu), State::WrittenAgain);
}

/// What was logged on a thread.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").clone()).expect("logs are text")
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A worker of a cluster neither prepares circuits nor can: their volume is mounted for reading.
#[test]
fn circuits_that_somebody_else_prepares_are_waited_for_and_only_read() {
    let copy = Copy::new();
    // Written last: without it the circuits are not complete.
    let (manifest, held_back) = (copy.folder.join("manifest.json"), copy.root.path().join("held-back"));
    fs::rename(&manifest, &held_back).expect("the folder is writable");
    let before = files(&copy.folder);
    let store = Store::new(copy.root.path(), profile());
    let circuits = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| on_a_large_stack(|| store.wait()));
        std::thread::sleep(Duration::from_secs(3));
        assert!(!waiting.is_finished(), "circuits that are not complete were taken");
        fs::rename(&held_back, &manifest).expect("the folder is writable");
        waiting.join().expect("nobody panics").expect("the circuits are complete")
    });
    assert_eq!(Some(circuits.digest), store.digest());
    let mut expected = before;
    expected.push("manifest.json".to_owned());
    expected.sort();
    let mut after = files(&copy.folder);
    after.sort();
    assert_eq!(after, expected, "something was written");

    // Nothing is built in their place either.
    copy.replace("upper.bin", flip);
    let error = on_a_large_stack(|| store.wait()).expect_err("the circuits are damaged").to_string();
    assert!(error.contains("cannot be used") && error.contains("leader circuits build"), "{error}");
}
