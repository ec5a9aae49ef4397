//! The artifact store: what goes in comes out, or is known not to.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use evm_arithmetization::GenerationInputs;
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path as Key};
use ops::artifacts::{self, ArtifactError, Artifacts, Bucket, Cloud, Place, PlaceError, RunKey, Trouble};
use ops::digest::Digest;
use ops::exit;
use ops::task::{BlockId, FORMAT};
use serde_json::Value;
use tempfile::{TempDir, tempdir};
use testing::folder::{Small, files};
use testing::proof::hollow_proof;
use testing::relay::Relay;
use testing::say;
use testing::stores::{STORES, Stores};
use testing::witness::{batches, transfer};

use crate::support::{Refusing, parse};

/// What must not be repeated.
const SECRET: &str = "hunter2";

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

/// An empty store of some kind, and a way into it past what is tested.
struct Ground {
    place: Place,
    variables: Vec<(String, String)>,
    raw: Arc<dyn ObjectStore>,
    _folder: Option<TempDir>,
}

impl Ground {
    fn folder() -> Self {
        let folder = tempdir().expect("a folder");
        let place = Place::Folder(folder.path().to_owned());
        let raw = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).expect("a folder"));
        Self { place, variables: vec![], raw, _folder: Some(folder) }
    }

    fn bucket(stores: &Stores, scheme: &str, prefix: &str, variables: Vec<(String, String)>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Letters and digits only: other characters reach the server in two spellings, of which it knows one.
        let name = format!("bucket{}", COUNT.fetch_add(1, Ordering::Relaxed));
        stores.make(&name);
        // Fails when one is installed already, which then serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = AmazonS3Builder::new().with_bucket_name(&name).with_endpoint(stores.url()).with_allow_http(true);
        let raw = builder.with_access_key_id("tester").with_secret_access_key("none").build().expect("a client");
        let place = place(&format!("{scheme}://{name}{prefix}"));
        Self { place, variables, raw: Arc::new(raw), _folder: None }
    }

    /// One of each kind; folders only, said aloud, where there is no server for buckets.
    fn all() -> Vec<Self> {
        let mut all = vec![Self::folder()];
        if let Some(stores) = STORES.as_ref() {
            all.push(Self::bucket(stores, "s3", "", stores.s3(SECRET)));
            all.push(Self::bucket(stores, "s3", "/some/where", stores.s3(SECRET)));
            all.push(Self::bucket(stores, "gs", "/prefix/", stores.gs(SECRET)));
        }
        all
    }

    async fn open(&self) -> Artifacts {
        let opened = Artifacts::open_with(&self.place, self.variables.clone()).await;
        opened.unwrap_or_else(|error| panic!("{}: {error}", self.place))
    }

    async fn objects(&self) -> Vec<Key> {
        let mut all: Vec<_> =
            self.raw.list(None).map_ok(|object| object.location).try_collect().await.expect("it is listed");
        all.sort();
        all
    }

    async fn only_object(&self) -> Key {
        let mut all = self.objects().await;
        assert_eq!(all.len(), 1, "{}: {all:?}", self.place);
        all.remove(0)
    }

    async fn read(&self, key: &Key) -> Vec<u8> {
        self.raw.get(key).await.expect("it is there").bytes().await.expect("it is read").to_vec()
    }

    async fn write(&self, key: &Key, bytes: Vec<u8>) {
        self.raw.put(key, PutPayload::from(bytes)).await.expect("it is written");
    }

    /// How many damages are worth their time: a bucket is slower.
    fn damages(&self) -> usize {
        if matches!(self.place, Place::Folder(_)) { 300 } else { 25 }
    }
}

fn place(text: &str) -> Place {
    Place::parse(OsStr::new(text)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[tokio::test]
async fn inputs_come_out_as_they_went_in() {
    for ground in Ground::all() {
        let artifacts = ground.open().await;
        assert_eq!(ground.objects().await, [], "{}: opening leaves something", ground.place);
        assert!(matches!(artifacts.inputs(&name()).await, Err(ArtifactError::Absent(_))));
        artifacts.put_inputs(&name(), &inputs()).await.expect("it is put");
        assert_eq!(json(&artifacts.inputs(&name()).await.expect("it is there")), json(&inputs()));
        let object = ground.only_object().await;
        let (bytes, plain) = (ground.read(&object).await.len(), json(&inputs()).to_string().len());
        assert!(bytes < plain / 2, "{bytes} bytes for {plain} of JSON: not compressed");

        // Another store in the same place, as after a restart.
        let again = ground.open().await;
        assert_eq!(json(&again.inputs(&name()).await.expect("it is there")), json(&inputs()));
        assert!(matches!(again.inputs(&Digest::of_bytes(b"other")).await, Err(ArtifactError::Absent(_))));

        again.remove_inputs(&name()).await.expect("it is removed");
        again.remove_inputs(&name()).await.expect("removed twice");
        assert!(matches!(artifacts.inputs(&name()).await, Err(ArtifactError::Absent(_))));
    }
}

#[tokio::test]
async fn outputs_come_out_as_they_went_in() {
    for ground in Ground::all() {
        let artifacts = ground.open().await;
        let proof = hollow_proof();
        assert!(!artifacts.has_output(&name()).await.expect("it looks"));
        assert!(artifacts.output(&name()).await.expect("it looks").is_none());
        artifacts.put_output(&name(), &proof).await.expect("it is put");
        // Two workers may have had the same task.
        artifacts.put_output(&name(), &proof).await.expect("it is put twice");
        assert!(artifacts.has_output(&name()).await.expect("it looks"));
        let found = artifacts.output(&name()).await.expect("it looks").expect("it is there");
        assert_eq!(found.intern, proof.intern);
        assert_eq!(found.public_values, proof.public_values);
        // Inputs and outputs do not share names.
        assert!(matches!(artifacts.inputs(&name()).await, Err(ArtifactError::Absent(_))));
        artifacts.remove_output(&name()).await.expect("it is removed");
        artifacts.remove_output(&name()).await.expect("removed twice");
        assert!(artifacts.output(&name()).await.expect("it looks").is_none());
        assert_eq!(ground.objects().await, []);
    }
}

/// What leaders say of their runs, and what operators end.
#[tokio::test]
async fn runs_begin_and_end() {
    for ground in Ground::all() {
        let artifacts = ground.open().await;
        let key = |group: &str, number: u64| RunKey {
            group: group.to_owned(),
            block: BlockId { number, hash: [7; 32].into() },
        };
        let (first, second) = (Digest::of_bytes(b"first"), Digest::of_bytes(b"second"));
        assert_eq!(artifacts.run(&key("a", 1)).await.expect("it looks"), None);
        artifacts.begin_run(&key("a", 1), first).await.expect("it begins");
        artifacts.begin_run(&key("a", 1), second).await.expect("it begins again");
        assert_eq!(artifacts.run(&key("a", 1)).await.expect("it looks"), Some(second));
        artifacts.end_run(&key("a", 1)).await.expect("it ends");
        artifacts.end_run(&key("a", 1)).await.expect("it ends twice");
        assert_eq!(artifacts.run(&key("a", 1)).await.expect("it looks"), None);

        assert_eq!(artifacts.end_runs(&(0..=u64::MAX)).await.expect("there are none"), 0);
        for (group, number) in [("a", 1), ("a", 2), ("b", 2), ("b", 3)] {
            artifacts.begin_run(&key(group, number), first).await.expect("it begins");
        }
        assert_eq!(artifacts.end_runs(&(2..=2)).await.expect("they end"), 2);
        assert_eq!(artifacts.run(&key("a", 1)).await.expect("it looks"), Some(first));
        assert_eq!(artifacts.run(&key("b", 2)).await.expect("it looks"), None);
        assert_eq!(artifacts.run(&key("b", 3)).await.expect("it looks"), Some(first));
        assert_eq!(artifacts.end_runs(&(0..=u64::MAX)).await.expect("they end"), 2);
        assert_eq!(ground.objects().await, []);
    }
}

/// Every way to damage a file: cut anywhere, one bit changed anywhere, something appended, other content.
fn damages(whole: &[u8], count: usize) -> Vec<(String, Vec<u8>)> {
    let step = (whole.len() / count).max(1);
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
    for ground in Ground::all() {
        let artifacts = ground.open().await;
        artifacts.put_inputs(&name(), &inputs()).await.expect("it is put");
        let object = ground.only_object().await;
        let whole = ground.read(&object).await;
        let (expected, mut refused) = (json(&inputs()), 0);
        for (how, damaged) in damages(&whole, ground.damages()) {
            ground.write(&object, damaged).await;
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
        assert!(refused > ground.damages() * 3 / 4, "{refused} refused");
        // The last one is damaged, too: putting it again mends it.
        artifacts.put_inputs(&name(), &inputs()).await.expect("it is put");
        assert_eq!(json(&artifacts.inputs(&name()).await.expect("it is whole")), json(&inputs()));
    }
}

#[tokio::test]
async fn a_damaged_output_counts_as_absent() {
    for ground in Ground::all() {
        let artifacts = ground.open().await;
        artifacts.put_output(&name(), &hollow_proof()).await.expect("it is put");
        let object = ground.only_object().await;
        let whole = ground.read(&object).await;
        let mut absent = 0;
        for (how, damaged) in damages(&whole, ground.damages()) {
            ground.write(&object, damaged).await;
            let found = artifacts.output(&name()).await.unwrap_or_else(|error| panic!("{how}: {error}"));
            match found {
                None => absent += 1,
                // A bit of the packing that the content does not depend on.
                Some(found) => assert_eq!(found.intern, hollow_proof().intern, "{how}: trusted"),
            }
        }
        assert!(absent > ground.damages() * 3 / 4, "{absent} absent");
        artifacts.put_output(&name(), &hollow_proof()).await.expect("it is put");
        assert!(artifacts.output(&name()).await.expect("it looks").is_some());
    }
}

/// An artifact of one kind in the place of another: whole, with a good checksum, and of no use.
#[tokio::test]
async fn an_artifact_of_another_kind_is_refused() {
    for ground in Ground::all() {
        let artifacts = ground.open().await;
        artifacts.put_inputs(&name(), &inputs()).await.expect("it is put");
        let of_inputs = ground.only_object().await;
        artifacts.put_output(&name(), &hollow_proof()).await.expect("it is put");
        let of_output = ground.objects().await.into_iter().find(|key| *key != of_inputs).expect("another object");
        ground.write(&of_inputs, ground.read(&of_output).await).await;
        let result = artifacts.inputs(&name()).await;
        assert!(matches!(result, Err(ArtifactError::Damaged { .. })), "{result:?}");
    }
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
    for ground in Ground::all() {
        let artifacts = ground.open().await;
        artifacts.put_inputs(&name(), &inputs()).await.expect("it is put");
        let object = ground.only_object().await.to_string();
        artifacts.put_output(&name(), &hollow_proof()).await.expect("it is put");
        let (prefix, _) = object.split_once(&format!("v{FORMAT}/")).expect("a version");
        // Of another version of this program.
        let old = |index| Key::from(format!("{prefix}v0/outputs/{index}"));
        for index in 0..3 {
            ground.write(&old(index), vec![0]).await;
        }
        let mut kept =
            ["value.txt", "visitors/file", "vx/file"].map(|name| Key::from(format!("{prefix}{name}"))).to_vec();
        for key in &kept {
            ground.write(key, b"not an artifact".to_vec()).await;
        }
        artifacts.clean().await.expect("it is cleaned");
        kept.sort();
        assert_eq!(ground.objects().await, kept, "{}", ground.place);
        artifacts.clean().await.expect("it is cleaned again");
        artifacts.put_inputs(&name(), &inputs()).await.expect("it is of use");
    }
    let folder = tempdir().expect("a folder");
    artifacts::clean(&Place::Folder(folder.path().join("absent"))).await.expect("there is nothing to clean");
    assert!(!folder.path().join("absent").exists());
}

/// One bucket may have several stores.
#[tokio::test]
async fn prefixes_keep_stores_apart() {
    let Some(stores) = STORES.as_ref() else { return };
    let ground = Ground::bucket(stores, "s3", "", stores.s3(SECRET));
    let opened = async |suffix: &str| {
        let place = place(&format!("{}{suffix}", ground.place));
        Artifacts::open_with(&place, ground.variables.clone()).await.expect("a store")
    };
    // A prefix is a folder, not the beginning of a word.
    let (one, other) = (opened("/a").await, opened("/ab/c").await);
    one.put_inputs(&name(), &inputs()).await.expect("it is put");
    other.put_output(&name(), &hollow_proof()).await.expect("it is put");
    assert!(matches!(other.inputs(&name()).await, Err(ArtifactError::Absent(_))));
    assert!(!one.has_output(&name()).await.expect("it looks"));
    let names: Vec<_> = ground.objects().await.iter().map(ToString::to_string).collect();
    assert_eq!(names, [format!("a/v{FORMAT}/inputs/{}", name()), format!("ab/c/v{FORMAT}/outputs/{}", name())]);
    one.clean().await.expect("it is cleaned");
    assert!(other.has_output(&name()).await.expect("it looks"));
    assert_eq!(ground.objects().await.len(), 1);
}

/// What a place can look like, and what is refused without being repeated.
#[test]
fn places_are_read() {
    let bucket = |cloud, name: &str, prefix: &str| {
        Place::Bucket(Bucket { cloud, name: name.to_owned(), prefix: Key::parse(prefix).expect("a prefix") })
    };
    let folder = |path: &str| Place::Folder(path.into());
    let good = [
        ("artifacts", folder("artifacts"), "artifacts"),
        ("/mnt/nfs/a b", folder("/mnt/nfs/a b"), "/mnt/nfs/a b"),
        ("./s3://x", folder("./s3://x"), "./s3://x"),
        ("a:b", folder("a:b"), "a:b"),
        ("gs", folder("gs"), "gs"),
        ("gs://bucket", bucket(Cloud::Google, "bucket", ""), "gs://bucket"),
        ("gs://bucket/", bucket(Cloud::Google, "bucket", ""), "gs://bucket"),
        ("gs://my.bucket_1/a/b/", bucket(Cloud::Google, "my.bucket_1", "a/b"), "gs://my.bucket_1/a/b"),
        ("s3://Bucket-2/run 7", bucket(Cloud::S3, "Bucket-2", "run 7"), "s3://Bucket-2/run 7"),
    ];
    for (text, expected, shown) in good {
        let place = place(text);
        assert_eq!(place, expected, "{text}");
        assert_eq!(place.to_string(), shown);
    }
    let long = format!("gs://{}", "b".repeat(223));
    let bad = [
        ("http://hunter2/bucket", PlaceError::Form),
        ("azure://hunter2", PlaceError::Form),
        ("file:///hunter2", PlaceError::Form),
        ("s3a://hunter2", PlaceError::Form),
        ("GS://hunter2", PlaceError::Form),
        ("gs:hunter2", PlaceError::Form),
        ("s3:/hunter2", PlaceError::Form),
        ("gs://", PlaceError::Name),
        ("gs:///hunter2", PlaceError::Name),
        ("s3://ab", PlaceError::Name),
        ("s3://key:hunter2@bucket/a", PlaceError::Name),
        ("s3://bucket?endpoint=hunter2", PlaceError::Name),
        (&*long, PlaceError::Name),
        ("s3://bucket/a?key=hunter2", PlaceError::Prefix),
        ("s3://bucket/a#b", PlaceError::Prefix),
        ("s3://bucket/a//b", PlaceError::Prefix),
        ("s3://bucket/a/../b", PlaceError::Prefix),
    ];
    for (text, expected) in bad {
        let error = Place::parse(OsStr::new(text)).expect_err(text);
        assert_eq!(error, expected, "{text}");
        assert!(!error.to_string().contains(SECRET), "{error}");
        if !matches!(error, PlaceError::Prefix) {
            for form in ["a folder", "gs://BUCKET/PREFIX", "s3://BUCKET/PREFIX"] {
                assert!(error.to_string().contains(form), "{error}");
            }
        }
    }
}

/// One sentence, without credentials, and without the pages that servers send.
#[track_caller]
fn says(error: &ArtifactError, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(text.len() < 500 && !text.contains('\n') && !text.contains('<'), "{text}");
    assert!(!text.contains(SECRET) && !format!("{error:?}").contains(SECRET), "{text}");
}

#[tokio::test]
async fn a_wrong_bucket_is_named_at_once() {
    let Some(stores) = STORES.as_ref() else { return };
    for (scheme, variables) in [("s3", stores.s3(SECRET)), ("gs", stores.gs(SECRET))] {
        let place = place(&format!("{scheme}://nowhere/prefix"));
        let error = Artifacts::open_with(&place, variables).await.expect_err("there is no such bucket");
        assert!(matches!(&error, ArtifactError::Bucket { trouble: Trouble::NoBucket(_), .. }), "{error:?}");
        says(&error, &[&format!("artifact store at {scheme}://nowhere/prefix: "), "no such bucket", "404"]);
        assert_eq!(exit::code_of(&error.into()), exit::USAGE);
    }
}

/// A bucket that is deleted while it is in use is no store without artifacts: tasks would be taken for unwanted.
#[tokio::test]
async fn a_bucket_that_vanishes_is_an_outage() {
    let Some(stores) = STORES.as_ref() else { return };
    for ground in Ground::all().into_iter().skip(1) {
        let artifacts = ground.open().await;
        let Place::Bucket(bucket) = &ground.place else { panic!("a bucket") };
        stores.remove(&bucket.name);
        let error = artifacts.output(&name()).await.expect_err("nobody can say");
        assert!(error.is_outage() && !error.is_full(), "{error:?}");
        says(&error, &[&ground.place.to_string(), "no such bucket"]);
        assert!(artifacts.put_output(&name(), &hollow_proof()).await.expect_err("nowhere to put it").is_outage());
    }
}

/// What servers say when they refuse, as one sentence with the status, and what it counts as.
#[tokio::test]
async fn refusals_are_told_apart() {
    let answer = |code: &str, message: &str| {
        format!(
            "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\n\
                 <AWSAccessKeyId>hunter2</AWSAccessKeyId><Details>the account has no such right</Details></Error>"
        )
    };
    let denied = answer("AccessDenied", "Access Denied.");
    let full = answer("QuotaExceeded", "More than this is not allowed.");
    let page = "long ".repeat(1000);
    let cases: [(u16, &str, &[&str], bool); 7] = [
        (403, "<html><body>hunter2</body></html>", &["refused to put: 403 Forbidden; the rights"], false),
        (
            403,
            &denied,
            &["refused to put", "403 Forbidden", "AccessDenied", "no such right", "list, read, write"],
            false,
        ),
        (401, "", &["refused to put", "401", "list, read, write and delete"], false),
        (403, &full, &["no space left", "QuotaExceeded", "More than this"], true),
        (301, &denied, &["failed to put", "redirect", "region"], false),
        (400, &answer("InvalidRequest", "No."), &["failed to put", "400 Bad Request", "InvalidRequest: No."], false),
        (200, "", &["failed to put"], false),
    ];
    for (status, body, parts, full) in cases {
        let server = Refusing::start(status, body);
        let url = server.url();
        let variables = [
            ("AWS_ENDPOINT", url.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            // An empty one is none.
            ("AWS_SESSION_TOKEN", ""),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let opened = Artifacts::open_with(&place("s3://bucket/prefix"), variables).await;
        let error = opened.err().unwrap_or_else(|| panic!("{status}: opened"));
        says(&error, &[&["artifact store at s3://bucket/prefix: "], parts].concat());
        assert_eq!((error.is_full(), error.is_outage()), (full, !full), "{error:?}");
        assert_eq!(exit::code_of(&error.into()), if full { exit::RESOURCES } else { exit::USAGE });
    }
    // A long answer is cut.
    let server = Refusing::start(400, &page);
    let variables = [("GOOGLE_BASE_URL", server.url()), ("GOOGLE_ALLOW_HTTP", "true".to_owned())];
    let variables = variables.into_iter().chain([("GOOGLE_BEARER_TOKEN", SECRET.to_owned())]);
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    let error = Artifacts::open_with(&place("gs://bucket"), variables).await.expect_err("it is refused");
    assert!(error.to_string().len() < 500 && !error.to_string().contains(SECRET), "{error}");
}

#[tokio::test]
async fn missing_credentials_are_said() {
    // Where machines ask who they are, nobody knows.
    let server = Refusing::start(404, "");
    let variables =
        [("AWS_METADATA_ENDPOINT".to_owned(), server.url()), ("AWS_ALLOW_HTTP".to_owned(), "true".to_owned())];
    let error = Artifacts::open_with(&place("s3://bucket"), variables).await.expect_err("nobody");
    says(&error, &["artifact store at s3://bucket: ", "no credentials", "environment"]);
    let file = [("GOOGLE_APPLICATION_CREDENTIALS".to_owned(), "/nowhere/key.json".to_owned())];
    let error = Artifacts::open_with(&place("gs://bucket"), file).await.expect_err("no such file");
    says(&error, &["artifact store at gs://bucket: ", "/nowhere/key.json"]);
    let half = [("AWS_SECRET_ACCESS_KEY".to_owned(), SECRET.to_owned())];
    let error = Artifacts::open_with(&place("s3://bucket"), half).await.expect_err("half of a credential");
    says(&error, &["artifact store at s3://bucket: "]);
    let secret = [("GOOGLE_SERVICE_ACCOUNT_KEY".to_owned(), format!("{{\"private_key\": \"{SECRET}\""))];
    let error = Artifacts::open_with(&place("gs://bucket"), secret).await.expect_err("torn");
    says(&error, &["artifact store at gs://bucket: "]);
}

/// A short outage is waited for, a longer one is told, in bounded time, and is over when it is over.
#[tokio::test]
async fn an_outage_passes() {
    let Some(stores) = STORES.as_ref() else { return };
    let relay = Relay::to(stores.port());
    let mut variables = stores.s3(SECRET);
    variables.retain(|(name, _)| name != "AWS_ENDPOINT_URL");
    variables.push(("AWS_ENDPOINT_URL".to_owned(), format!("http://127.0.0.1:{}", relay.port())));
    let ground = Ground::bucket(stores, "s3", "/here", variables);
    let artifacts = ground.open().await;
    artifacts.put_inputs(&name(), &inputs()).await.expect("it is put");

    // A connection that is kept open is cut.
    relay.cut();
    assert_eq!(json(&artifacts.inputs(&name()).await.expect("it is there")), json(&inputs()));
    let short = async {
        relay.refuse(true);
        relay.cut();
        tokio::time::sleep(Duration::from_millis(300)).await;
        relay.refuse(false);
    };
    let wanted = name();
    let (found, ()) = tokio::join!(artifacts.inputs(&wanted), short);
    assert_eq!(json(&found.expect("it is there")), json(&inputs()));

    relay.refuse(true);
    relay.cut();
    let start = Instant::now();
    let error = artifacts.inputs(&name()).await.expect_err("nobody answers");
    assert!(error.is_outage() && start.elapsed() < Duration::from_secs(90), "{error}, after {:?}", start.elapsed());
    says(&error, &["artifact store at s3://bucket", "/here: ", "failed to get", "refused"]);
    relay.refuse(false);
    assert_eq!(json(&artifacts.inputs(&name()).await.expect("it is there again")), json(&inputs()));
}

/// A store is part of what is logged when something goes wrong.
#[tokio::test]
async fn credentials_are_not_shown() {
    let Some(stores) = STORES.as_ref() else { return };
    let ground = Ground::bucket(stores, "s3", "", stores.s3(SECRET));
    let text = format!("{:?}", ground.open().await);
    assert!(text.contains("bucket") && !text.contains(SECRET), "{text}");
}
