//! The artifact store: batch inputs and the outputs of tasks, by the digest that names them.
//!
//! In a folder or in a bucket of a cloud ([`Place`]), through the `object_store` crate. An artifact is compressed,
//! carries a checksum, and appears whole or not at all. Nothing is renamed, appended to or locked, and what is put twice
//! is the same; so nothing here depends on what a folder can do and a bucket cannot. Buckets are for binaries with the
//! feature `cloud`.

#[cfg(feature = "cloud")]
mod bucket;
mod place;
mod trouble;

use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use evm_arithmetization::{GenerationInputs, ProofWithPublicValues};
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path as Key};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;
use crate::fs::{self, FsError};
use crate::metrics::tasks;
use crate::mock::MockOutput;
use crate::task::{BlockId, TaskId};

pub use place::{Bucket, Cloud, Place, PlaceError};
pub use trouble::Trouble;

/// An artifact may not be larger than this when unpacked. The inputs of a batch have at most some megabytes.
const MAX_BYTES: usize = 1 << 30;

/// zstd level: proofs hardly compress, inputs do at any level.
const LEVEL: i32 = 3;

const CHECKSUM: usize = 32;

/// Why an artifact cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// There is none of this name.
    #[error("artifact {0} is not in the store")]
    Absent(String),
    /// It is there, but not as it was written.
    #[error("artifact {name} is damaged: {reason}")]
    Damaged {
        /// Name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The store in a folder failed.
    #[error("artifact store at {place}: {source}")]
    Store {
        /// The store.
        place: String,
        /// What it said.
        source: object_store::Error,
    },
    /// The store in a bucket failed.
    #[error("artifact store at {place}: {trouble}")]
    Bucket {
        /// The store.
        place: String,
        /// How.
        trouble: Trouble,
    },
    /// The folder of a local store is unusable.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl ArtifactError {
    /// Whether the store does not answer, rather than answering something else than was hoped for.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Store { .. } | Self::Bucket { .. }) && !self.is_full()
    }

    /// Whether there is no space left.
    pub fn is_full(&self) -> bool {
        if let Self::Bucket { trouble, .. } = self {
            return matches!(trouble, Trouble::Full(_));
        }
        let mut cause: Option<&dyn std::error::Error> = Some(self);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
            }
            cause = error.source();
        }
        false
    }

    /// What it is counted as.
    fn label(&self) -> &'static str {
        match self {
            Self::Absent(_) => "absent",
            Self::Damaged { .. } => "damaged",
            _ if self.is_full() => "full",
            _ => "outage",
        }
    }
}

/// Where artifacts are.
#[derive(Clone)]
pub struct Artifacts {
    store: Arc<dyn ObjectStore>,
    place: Place,
}

/// Not with the client of a bucket, which knows credentials.
impl fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Artifacts").field(&self.place).finish()
    }
}

impl Artifacts {
    /// A store in a local folder, which is created if need be and must be writable.
    pub fn local(folder: &Path) -> Result<Self, ArtifactError> {
        fs::check_writable(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|source| ArtifactError::Store { place: folder.display().to_string(), source })?
            .with_automatic_cleanup(true);
        Ok(Self { store: Arc::new(store), place: Place::Folder(folder.to_owned()) })
    }

    /// A store wherever it is, which must be there and let us list, read, write and delete: that is tried, since hours of
    /// work may go there. A bucket's credentials come from the environment.
    pub async fn open(place: &Place) -> Result<Self, ArtifactError> {
        let variables = std::env::vars_os();
        // Settings are text.
        let text = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::open_with(place, text).await
    }

    /// Like [`Self::open`], with these names and values instead of the environment's.
    pub async fn open_with(
        place: &Place,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ArtifactError> {
        let bucket = match place {
            Place::Folder(folder) => return Self::local(folder),
            Place::Bucket(bucket) => bucket,
        };
        let store = Self::connect(bucket, variables);
        let store = store.map_err(|error| bucket_error(place, Trouble::new("connect", &error)))?;
        let artifacts = Self { store, place: place.clone() };
        artifacts.try_everything().await?;
        Ok(artifacts)
    }

    #[cfg(feature = "cloud")]
    fn connect(
        bucket: &Bucket,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> object_store::Result<Arc<dyn ObjectStore>> {
        bucket::connect(bucket, variables)
    }

    #[cfg(not(feature = "cloud"))]
    fn connect(
        _: &Bucket,
        _: impl IntoIterator<Item = (String, String)>,
    ) -> object_store::Result<Arc<dyn ObjectStore>> {
        Err(object_store::Error::NotSupported { source: "this program was built without clouds".into() })
    }

    /// Does once what will be done later, with an object of its own, so that missing rights are known at once.
    async fn try_everything(&self) -> Result<(), ArtifactError> {
        let failed = |operation| move |source| self.failed(operation, source);
        let probes = Key::from(format!("v{}/probes", crate::task::FORMAT));
        let probe = probes.clone().join(format!("{:016x}", fastrand::u64(..)));
        self.store.put(&probe, PutPayload::from_static(b"probe")).await.map_err(failed("put"))?;
        self.store.list(Some(&probes)).try_next().await.map_err(failed("list"))?;
        self.store.head(&probe).await.map_err(failed("get"))?;
        self.store.delete(&probe).await.map_err(failed("delete"))
    }

    /// Removes all artifacts, of whatever version, and nothing else.
    pub async fn clean(&self) -> Result<(), ArtifactError> {
        if let Place::Folder(folder) = &self.place {
            return Ok(clean_folder(folder)?);
        }
        let all = self.store.list_with_delimiter(None).await.map_err(|source| self.failed("list", source))?;
        for version in all.common_prefixes.iter().filter(|prefix| prefix.filename().is_some_and(is_version)) {
            let keys = self.store.list(Some(version)).map_ok(|object| object.location).boxed();
            let mut removed = 0;
            let mut deleted = self.store.delete_stream(keys);
            while let Some(result) = deleted.next().await {
                match result {
                    Ok(_) => removed += 1,
                    // Somebody else has removed it.
                    Err(error) if is_absent(&error) => {}
                    Err(source) => return Err(self.failed("delete", source)),
                }
            }
            tracing::info!(place = %self.place, artifacts = removed, "removed {version}");
        }
        Ok(())
    }

    /// The output of a task, if it is there. One that is damaged counts as absent, with a warning.
    pub async fn output(&self, id: &TaskId) -> Result<Option<ProofWithPublicValues>, ArtifactError> {
        self.optional(self.get(output_key(id)).await)
    }

    /// Whether the output of a task is there, readable or not.
    pub async fn has_output(&self, id: &TaskId) -> Result<bool, ArtifactError> {
        self.has(output_key(id)).await
    }

    /// Stores the output of a task.
    pub async fn put_output(&self, id: &TaskId, proof: &ProofWithPublicValues) -> Result<(), ArtifactError> {
        self.put(output_key(id), proof).await
    }

    /// The inputs of a batch.
    pub async fn inputs(&self, digest: &Digest) -> Result<GenerationInputs, ArtifactError> {
        self.get(inputs_key(digest)).await
    }

    /// Stores the inputs of a batch, unless they are there.
    pub async fn put_inputs(&self, digest: &Digest, inputs: &GenerationInputs) -> Result<(), ArtifactError> {
        match self.optional(self.get::<GenerationInputs>(inputs_key(digest)).await)? {
            Some(_) => Ok(()),
            None => self.put(inputs_key(digest), inputs).await,
        }
    }

    /// Removes the output of a task, if it is there.
    pub async fn remove_output(&self, id: &TaskId) -> Result<(), ArtifactError> {
        self.remove(output_key(id)).await
    }

    /// Removes the inputs of a batch, if they are there.
    pub async fn remove_inputs(&self, digest: &Digest) -> Result<(), ArtifactError> {
        self.remove(inputs_key(digest)).await
    }

    /// Whether a mock has done a task.
    pub async fn has_mock(&self, id: &TaskId) -> Result<bool, ArtifactError> {
        self.has(mock_key(id)).await
    }

    /// Marks a task as done by a mock.
    pub async fn put_mock(&self, id: &TaskId) -> Result<(), ArtifactError> {
        self.put(mock_key(id), &MockOutput { mock: true, id: *id }).await
    }

    /// Forgets that a mock has done a task.
    pub async fn remove_mock(&self, id: &TaskId) -> Result<(), ArtifactError> {
        self.remove(mock_key(id)).await
    }

    /// The checksum of a task's output, which a worker signs.
    pub async fn output_checksum(&self, id: &TaskId) -> Result<Option<Digest>, ArtifactError> {
        let proof = self.output(id).await?;
        proof
            .map(|proof| pack(&proof).map(|(checksum, _)| checksum))
            .transpose()
            .map_err(|error| ArtifactError::Damaged { name: id.to_string(), reason: error.to_string() })
    }

    /// Which run of a leader a block belongs to: tasks of other runs are not wanted any more. Absent when the block is
    /// proved, has failed or was cancelled.
    pub async fn run(&self, key: &RunKey) -> Result<Option<Digest>, ArtifactError> {
        self.optional(self.get(key.key()).await)
    }

    /// Begins a run of a block: tasks of earlier ones are not wanted any more.
    pub async fn begin_run(&self, key: &RunKey, run: Digest) -> Result<(), ArtifactError> {
        self.put(key.key(), &run).await
    }

    /// Ends the run of a block.
    pub async fn end_run(&self, key: &RunKey) -> Result<(), ArtifactError> {
        self.remove(key.key()).await
    }

    /// Ends the runs of all blocks in a range, whoever began them. Returns how many there were.
    pub async fn end_runs(&self, blocks: &RangeInclusive<u64>) -> Result<usize, ArtifactError> {
        let all: Vec<_> =
            self.store.list(Some(&runs_key())).try_collect().await.map_err(|source| self.failed("list", source))?;
        let mut ended = 0;
        for object in all {
            let number = object.location.filename().and_then(|name| name.split('-').next()?.parse::<u64>().ok());
            if number.is_some_and(|number| blocks.contains(&number)) {
                self.remove(object.location).await?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    fn optional<T>(&self, result: Result<T, ArtifactError>) -> Result<Option<T>, ArtifactError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(ArtifactError::Absent(_)) => Ok(None),
            Err(damaged @ ArtifactError::Damaged { .. }) => {
                tracing::warn!("making it again: {damaged}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn has(&self, key: Key) -> Result<bool, ArtifactError> {
        let head = async {
            match self.store.head(&key).await {
                Ok(_) => Ok((true, 0)),
                Err(error) if is_absent(&error) => Ok((false, 0)),
                Err(source) => Err(self.failed("head", source)),
            }
        };
        measured("head", head).await
    }

    async fn put<T: Serialize>(&self, key: Key, value: &T) -> Result<(), ArtifactError> {
        let damaged = |reason: String| ArtifactError::Damaged { name: key.to_string(), reason };
        let put = async {
            let (checksum, plain) = pack(value).map_err(|error| damaged(error.to_string()))?;
            let mut bytes = checksum.as_bytes().to_vec();
            bytes.extend(zstd::encode_all(plain.as_slice(), LEVEL).map_err(|error| damaged(error.to_string()))?);
            let length = bytes.len();
            self.store.put(&key, PutPayload::from(bytes)).await.map_err(|source| self.failed("put", source))?;
            Ok(((), length))
        };
        measured("put", put).await
    }

    async fn get<T: DeserializeOwned>(&self, key: Key) -> Result<T, ArtifactError> {
        let get = async {
            let bytes = match self.store.get(&key).await {
                Ok(found) => found.bytes().await.map_err(|source| self.failed("get", source))?,
                Err(error) if is_absent(&error) => return Err(ArtifactError::Absent(key.to_string())),
                Err(source) => return Err(self.failed("get", source)),
            };
            let damaged = |reason: &str| ArtifactError::Damaged { name: key.to_string(), reason: reason.to_owned() };
            let (checksum, packed) = bytes.split_at_checked(CHECKSUM).ok_or_else(|| damaged("it is torn"))?;
            let plain = unpack(packed).map_err(|error| damaged(&error.to_string()))?;
            if Digest::of_bytes(&plain).as_bytes() != checksum {
                return Err(damaged("its checksum does not match"));
            }
            let value = postcard::from_bytes(&plain).map_err(|error| damaged(&error.to_string()))?;
            Ok((value, bytes.len()))
        };
        measured("get", get).await
    }

    async fn remove(&self, key: Key) -> Result<(), ArtifactError> {
        let delete = async {
            match self.store.delete(&key).await {
                Ok(()) => Ok(((), 0)),
                Err(error) if is_absent(&error) => Ok(((), 0)),
                Err(source) => Err(self.failed("delete", source)),
            }
        };
        measured("delete", delete).await
    }

    fn failed(&self, operation: &'static str, source: object_store::Error) -> ArtifactError {
        match &self.place {
            Place::Folder(folder) => ArtifactError::Store { place: folder.display().to_string(), source },
            Place::Bucket(_) => bucket_error(&self.place, Trouble::new(operation, &source)),
        }
    }
}

fn bucket_error(place: &Place, trouble: Trouble) -> ArtifactError {
    ArtifactError::Bucket { place: place.to_string(), trouble }
}

/// Whether an error says that there is no such object.
fn is_absent(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. }) && !trouble::is_no_bucket(error)
}

/// Counts and times an operation, whose result comes with the bytes that it moved.
async fn measured<T>(
    operation: &'static str,
    work: impl Future<Output = Result<(T, usize), ArtifactError>>,
) -> Result<T, ArtifactError> {
    let start = Instant::now();
    match work.await {
        Ok((value, bytes)) => {
            tasks::families().store(operation, start.elapsed(), bytes);
            Ok(value)
        }
        Err(error) => {
            tasks::families().store_failed(operation, error.label());
            Err(error)
        }
    }
}

/// A value as bytes, with their checksum.
fn pack<T: Serialize>(value: &T) -> postcard::Result<(Digest, Vec<u8>)> {
    let plain = postcard::to_stdvec(value)?;
    Ok((Digest::of_bytes(&plain), plain))
}

/// Unpacks at most [`MAX_BYTES`], however well they were packed.
fn unpack(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut plain = Vec::new();
    zstd::Decoder::new(packed)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut plain)?;
    match plain.len() > MAX_BYTES {
        true => Err(std::io::Error::other(format!("it unpacks to more than {MAX_BYTES} bytes"))),
        false => Ok(plain),
    }
}

/// Names the run of a block by a group of leaders.
#[derive(Clone, Debug)]
pub struct RunKey {
    /// The group.
    pub group: String,
    /// The block.
    pub block: BlockId,
}

impl RunKey {
    fn key(&self) -> Key {
        let BlockId { number, hash } = self.block;
        runs_key().join(self.group.as_str()).join(format!("{number}-{hash:x}"))
    }
}

fn runs_key() -> Key {
    Key::from(format!("v{}/runs", crate::task::FORMAT))
}

fn mock_key(id: &TaskId) -> Key {
    Key::from(format!("v{}/mock/{id}", crate::task::FORMAT))
}

fn output_key(id: &TaskId) -> Key {
    Key::from(format!("v{}/outputs/{id}", crate::task::FORMAT))
}

fn inputs_key(digest: &Digest) -> Key {
    Key::from(format!("v{}/inputs/{digest}", crate::task::FORMAT))
}

/// Removes all artifacts from a place, of whatever version, and nothing else. A folder need not be there.
pub async fn clean(place: &Place) -> Result<(), ArtifactError> {
    match place {
        Place::Folder(folder) => Ok(clean_folder(folder)?),
        Place::Bucket(_) => Artifacts::open(place).await?.clean().await,
    }
}

fn clean_folder(folder: &Path) -> Result<(), FsError> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_version) {
            fs::remove_dir_all(&entry.path())?;
            tracing::info!(folder = %entry.path().display(), "removed");
        }
    }
    Ok(())
}

/// Whether all below this name is ours.
fn is_version(name: &str) -> bool {
    name.strip_prefix('v').is_some_and(|version| version.parse::<u32>().is_ok())
}

/// The default folder of what can be made again: `$XDG_CACHE_HOME/blockproof`, or `~/.cache/blockproof`.
pub fn cache_dir() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("blockproof")
}
