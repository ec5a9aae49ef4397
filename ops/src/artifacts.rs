//! The artifact store: batch inputs and the outputs of tasks, by the digest that names them.
//!
//! A local directory now, through the `object_store` crate, whose other back ends a cluster will use. An artifact is
//! compressed, carries a checksum, and appears whole or not at all.

use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evm_arithmetization::{GenerationInputs, ProofWithPublicValues};
use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path as Key};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;
use crate::fs::{self, FsError};
use crate::mock::MockOutput;
use crate::task::{BlockId, TaskId};

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
    /// The store failed.
    #[error("artifact store at {place}: {source}")]
    Store {
        /// The store.
        place: String,
        /// What it said.
        source: object_store::Error,
    },
    /// The folder of a local store is unusable.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl ArtifactError {
    /// Whether the store does not answer, rather than answering something else than was hoped for.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Store { .. }) && !self.is_full()
    }

    /// Whether there is no space left.
    pub fn is_full(&self) -> bool {
        let mut cause: Option<&dyn std::error::Error> = Some(self);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
            }
            cause = error.source();
        }
        false
    }
}

/// Where artifacts are.
#[derive(Clone, Debug)]
pub struct Artifacts {
    store: Arc<dyn ObjectStore>,
    place: String,
}

impl Artifacts {
    /// A store in a local folder, which is created if need be and must be writable.
    pub fn local(folder: &Path) -> Result<Self, ArtifactError> {
        fs::check_writable(folder)?;
        let place = folder.display().to_string();
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|source| ArtifactError::Store { place: place.clone(), source })?
            .with_automatic_cleanup(true);
        Ok(Self { store: Arc::new(store), place })
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
            self.store.list(Some(&runs_key())).try_collect().await.map_err(|source| self.failed(source))?;
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
        match self.store.head(&key).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(self.failed(source)),
        }
    }

    async fn put<T: Serialize>(&self, key: Key, value: &T) -> Result<(), ArtifactError> {
        let damaged = |reason: String| ArtifactError::Damaged { name: key.to_string(), reason };
        let (checksum, plain) = pack(value).map_err(|error| damaged(error.to_string()))?;
        let mut bytes = checksum.as_bytes().to_vec();
        bytes.extend(zstd::encode_all(plain.as_slice(), LEVEL).map_err(|error| damaged(error.to_string()))?);
        self.store.put(&key, PutPayload::from(bytes)).await.map_err(|source| self.failed(source))?;
        Ok(())
    }

    async fn get<T: DeserializeOwned>(&self, key: Key) -> Result<T, ArtifactError> {
        let bytes = match self.store.get(&key).await {
            Ok(found) => found.bytes().await.map_err(|source| self.failed(source))?,
            Err(object_store::Error::NotFound { .. }) => return Err(ArtifactError::Absent(key.to_string())),
            Err(source) => return Err(self.failed(source)),
        };
        let damaged = |reason: &str| ArtifactError::Damaged { name: key.to_string(), reason: reason.to_owned() };
        let (checksum, packed) = bytes.split_at_checked(CHECKSUM).ok_or_else(|| damaged("it is torn"))?;
        let plain = unpack(packed).map_err(|error| damaged(&error.to_string()))?;
        if Digest::of_bytes(&plain).as_bytes() != checksum {
            return Err(damaged("its checksum does not match"));
        }
        postcard::from_bytes(&plain).map_err(|error| damaged(&error.to_string()))
    }

    async fn remove(&self, key: Key) -> Result<(), ArtifactError> {
        match self.store.delete(&key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.failed(source)),
        }
    }

    fn failed(&self, source: object_store::Error) -> ArtifactError {
        ArtifactError::Store { place: self.place.clone(), source }
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

/// Removes everything that a local store in this folder holds, of whatever version.
pub fn clean(folder: &Path) -> Result<(), FsError> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let version =
            name.to_str().and_then(|name| name.strip_prefix('v')).and_then(|version| version.parse::<u32>().ok());
        if version.is_some() {
            fs::remove_dir_all(&entry.path())?;
            tracing::info!(folder = %entry.path().display(), "removed");
        }
    }
    Ok(())
}

/// The default folder of what can be made again: `$XDG_CACHE_HOME/blockproof`, or `~/.cache/blockproof`.
pub fn cache_dir() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("blockproof")
}
