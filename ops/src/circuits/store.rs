//! The circuit store: one folder per profile, one file per circuit.
//!
//! ```text
//! <root>/<profile>-<key>/manifest.json      complete: sizes of all files, digest of the verifier data
//!                       /upper.bin          the upper circuits
//!                       /cpu-15.bin         the circuits of one table and size
//!                       /verifier.bin       what `verifier` needs
//! ```
//!
//! The key is a digest of everything that determines the circuits, so other versions, other sizes or another security
//! level are another folder. Each file carries the key and a checksum; a file that does not pass is built again, with
//! a warning that says why. Circuits of tables are written as soon as they are built: an interrupted preparation goes
//! on where it was.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use evm_arithmetization::fixed_recursive_verifier::RecursiveCircuitsForTable;
use evm_arithmetization::{AllRecursiveCircuits, NUM_TABLES, RecursiveCircuitsForTableSize};
use memmap2::Mmap;
use plonky2::util::serialization::{Buffer, DefaultGateSerializer, DefaultGeneratorSerializer};
use serde::{Deserialize, Serialize};

use super::build::{self, Step, Steps};
use super::verifier::{Verifier, VerifierError};
use super::{Circuits, Starks};
use crate::digest::Digest;
use crate::fs::{self, FsError};
use crate::machine::{self, Machine};
use crate::metrics::tasks;
use crate::profile::{Profile, TABLES};
use crate::sealed::{self, Sealed, SealedError};
use crate::version;

/// Layout of the store. Goes up with every change of a file's format.
const FORMAT: u32 = 2;

/// A manifest may not be larger than this; the largest have some ten kilobytes.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Rest between two looks whether somebody else has prepared the circuits, and so many looks between words about it.
const LOOK: Duration = Duration::from_secs(2);
const LOOKS_PER_WORD: u32 = 30;

type GeneratorSerializer = DefaultGeneratorSerializer<evm_arithmetization::RecursionConfig, 2>;

/// Why circuits cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The verifier data is unusable.
    #[error("verifier data: {0}")]
    Verifier(#[from] VerifierError),
    /// plonky2 cannot serialize a circuit.
    #[error("circuits of {what} cannot be serialized")]
    Serialize {
        /// Name of the circuit.
        what: String,
    },
    /// Building takes more memory than there is.
    #[error(
        "preparing the circuits of profile {profile} needs {:.1} GB of memory, and {:.1} GB are free; prepare them on a \
         larger machine and copy the folder {}, or use fewer sizes",
        *needed as f64 / machine::GB as f64, *free as f64 / machine::GB as f64, path.display()
    )]
    Memory {
        /// Name of the profile.
        profile: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// Folder of the store.
        path: PathBuf,
    },
    /// Somebody else's circuits cannot be used, and here none are built.
    #[error("the circuits in {} cannot be used: {reason}; prepare them again with `leader circuits build`", path.display())]
    Unusable {
        /// Folder of the store.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A rebuilt circuit is not the one that the others were built for.
    #[error("circuits rebuilt from the same sources have digest {found}, and the store at {} says {expected}; remove it with `leader circuits clean`", path.display())]
    Changed {
        /// Digest in the manifest.
        expected: Digest,
        /// Digest now.
        found: Digest,
        /// Folder of the store.
        path: PathBuf,
    },
}

/// Everything that determines circuits; its digest is the key of their folder.
///
/// The patches of the proving crates are not among it: they change how circuits are made and used and how fast, never
/// what they are, which `leader/tests/proof` holds them to. A patch that did would have to change [`FORMAT`].
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Inputs {
    format: u32,
    crates: Vec<(String, String)>,
    kernel: String,
    profile: Profile,
}

/// Written last: the store is complete.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    inputs: Inputs,
    digest: Digest,
    files: Vec<(String, u64)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FileHeader {
    what: String,
    key: Digest,
}

/// The folder of one profile's circuits.
#[derive(Clone, Debug)]
pub struct Store {
    profile: Profile,
    folder: PathBuf,
    key: Digest,
}

/// A profile's folder as `leader circuits list` shows it.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Folder.
    pub path: PathBuf,
    /// Profile, if the manifest could be read.
    pub profile: Option<String>,
    /// Digest of the verifier data, if complete.
    pub digest: Option<Digest>,
    /// Whether everything is there.
    pub complete: bool,
    /// Whether this build of the program would use it.
    pub current: bool,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Store {
    /// The folder of a profile's circuits under `root`; nothing is read or made yet.
    pub fn new(root: &Path, profile: Profile) -> Self {
        let key = Digest::of("circuits", &inputs(&profile));
        let folder = root.join(format!("{}-{}", profile.name, key.short()));
        Self { profile, folder, key }
    }

    /// Name of the profile.
    pub fn profile_name(&self) -> &str {
        &self.profile.name
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The digest of the circuits, if they are complete.
    pub fn digest(&self) -> Option<Digest> {
        self.manifest().map(|manifest| manifest.digest)
    }

    /// Bytes of all files, if the store is complete; in memory circuits take about three times as much.
    pub fn bytes(&self) -> Option<u64> {
        self.manifest().map(|manifest| manifest.files.iter().map(|(_, bytes)| bytes).sum())
    }

    /// The verifier of a complete store.
    pub fn verifier(&self) -> Result<Verifier, StoreError> {
        Ok(Verifier::read(&self.path("verifier"))?)
    }

    /// Circuits ready to prove, that somebody else prepares: waits until they are complete, and only reads.
    pub fn wait(&self) -> Result<Circuits, StoreError> {
        self.wait_until_complete();
        let unusable = |reason: String| StoreError::Unusable { path: self.folder.clone(), reason };
        let upper = self.read_upper().map_err(|error| unusable(error.to_string()))?;
        let verifier = Verifier::new(self.profile.clone(), &upper)?;
        if self.digest() != Some(verifier.digest) {
            return Err(unusable("the upper ones are not those of the manifest".to_owned()));
        }
        Ok(Circuits::new(self.profile.clone(), verifier.digest, upper, self.clone()))
    }

    /// Waits until somebody else has prepared the circuits.
    pub fn wait_until_complete(&self) {
        for looks in 0u32.. {
            if self.digest().is_some() {
                return;
            }
            if looks.is_multiple_of(LOOKS_PER_WORD) {
                let (profile, folder) = (self.profile_name(), self.folder.display());
                tracing::info!("waiting until the circuits of profile {profile} are prepared in {folder}");
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Circuits ready to prove: read if they are there, built and written if not. `listen` hears every step.
    pub fn open(&self, listen: &(dyn Fn(Step) + Sync)) -> Result<Circuits, StoreError> {
        fs::create_dir_all(&self.folder)?;
        // Two leaders on one folder: the second waits and then finds everything there. Released when dropped.
        let lock_path = self.folder.join(".lock");
        let lock = fs::lock_file(&lock_path)?;
        if lock.try_lock().is_err() {
            tracing::info!(folder = %self.folder.display(), "waiting for another process that prepares these circuits");
            lock.lock().map_err(|source| FsError { action: "lock", path: lock_path, source })?;
        }
        let expected = self.manifest().map(|manifest| manifest.digest);
        if let Some(expected) = expected {
            let mut steps = Steps::new(1, listen);
            steps.next("reading the upper circuits");
            match self.read_upper() {
                Ok(upper) => {
                    let circuits = self.with_verifier(upper)?;
                    if circuits.digest == expected {
                        return Ok(circuits);
                    }
                    tracing::warn!("building circuits again: the upper ones are not those of the manifest");
                }
                Err(reason) => self.warn_rebuilding("upper", &reason),
            }
        }
        let circuits = self.build(listen)?;
        if let Some(expected) = expected.filter(|expected| *expected != circuits.digest) {
            return Err(StoreError::Changed { expected, found: circuits.digest, path: self.folder.clone() });
        }
        self.write_manifest(circuits.digest)?;
        Ok(circuits)
    }

    /// Circuits from their upper ones; writes the verifier file unless it is there and theirs.
    fn with_verifier(&self, upper: AllRecursiveCircuits) -> Result<Circuits, StoreError> {
        let verifier = Verifier::new(self.profile.clone(), &upper)?;
        let there = match self.verifier() {
            Ok(there) if there.digest == verifier.digest => true,
            Err(StoreError::Verifier(VerifierError::Sealed(SealedError::Absent))) => false,
            Ok(_) => {
                tracing::warn!("writing the verifier file again: it was that of other circuits");
                false
            }
            Err(reason) => {
                tracing::warn!("writing the verifier file again: {reason}");
                false
            }
        };
        if !there {
            verifier.write(&self.path("verifier"))?;
        }
        Ok(Circuits::new(self.profile.clone(), verifier.digest, upper, self.clone()))
    }

    /// The circuits of one table and size, built again if their file is unusable.
    pub fn table(
        &self,
        starks: &Starks,
        table: usize,
        size: usize,
    ) -> Result<RecursiveCircuitsForTableSize, StoreError> {
        match self.read_table(table, size) {
            Ok(circuits) => Ok(circuits),
            Err(reason) => {
                self.warn_rebuilding(&table_name(table, size), &reason);
                self.build_table(starks, table, size)
            }
        }
    }

    fn build(&self, listen: &(dyn Fn(Step) + Sync)) -> Result<Circuits, StoreError> {
        self.check_memory()?;
        let starks = Starks::default();
        let mut steps = Steps::new(Steps::total_of(&self.profile), listen);
        let mut by_table: [RecursiveCircuitsForTable<_, _, 2>; NUM_TABLES] =
            std::array::from_fn(|_| RecursiveCircuitsForTable { by_stark_size: Default::default() });
        let chains = self.profile.sizes.iter().enumerate();
        let chains = chains.flat_map(|(table, sizes)| sizes.iter().map(move |size| (table, size))).collect();
        let built = build::side_by_side(chains, &mut steps, |(table, size), steps| {
            let name = TABLES[table].name;
            build::announce(steps, format!("circuits of the {name} table, 2^{size} rows"));
            match self.read_table(table, size) {
                Ok(circuits) => Ok(circuits),
                Err(SealedError::Absent) => self.build_table(&starks, table, size),
                Err(reason) => {
                    self.warn_rebuilding(&table_name(table, size), &reason);
                    self.build_table(&starks, table, size)
                }
            }
        })?;
        for ((table, size), circuits) in built {
            by_table[table].by_stark_size.insert(size, circuits);
        }
        let start = Instant::now();
        let mut upper = build::upper(by_table, &self.profile, &mut steps);
        tasks::families().circuits("build", start.elapsed());
        steps.next("writing the upper circuits");
        // From here on they are read again one by one, when a segment needs them.
        for table in &mut upper.by_table {
            table.by_stark_size.clear();
        }
        let bytes = upper
            .to_bytes(true, &DefaultGateSerializer, &GeneratorSerializer::default())
            .map_err(|_| StoreError::Serialize { what: "upper".to_owned() })?;
        self.write("upper", &bytes)?;
        self.with_verifier(upper)
    }

    /// Refuses what would end in the system killing this process after minutes of work.
    fn check_memory(&self) -> Result<(), StoreError> {
        let needed = machine::building_bytes(&self.profile);
        let free = Machine::look().free;
        match needed <= free {
            true => Ok(()),
            false => {
                let profile = self.profile.name.clone();
                Err(StoreError::Memory { profile, needed, free, path: self.folder.clone() })
            }
        }
    }

    fn build_table(
        &self,
        starks: &Starks,
        table: usize,
        size: usize,
    ) -> Result<RecursiveCircuitsForTableSize, StoreError> {
        let start = Instant::now();
        let circuits = build::table(starks, &self.profile, table, size);
        tasks::families().circuits("build", start.elapsed());
        let what = table_name(table, size);
        let mut bytes = Vec::new();
        circuits
            .to_buffer(&mut bytes, &DefaultGateSerializer, &GeneratorSerializer::default())
            .map_err(|_| StoreError::Serialize { what: what.clone() })?;
        self.write(&what, &bytes)?;
        Ok(circuits)
    }

    fn read_table(&self, table: usize, size: usize) -> Result<RecursiveCircuitsForTableSize, SealedError> {
        let start = Instant::now();
        let sealed = self.read(&table_name(table, size))?;
        let mut buffer = Buffer::new(sealed.payload());
        let (gates, generators) = (&DefaultGateSerializer, &GeneratorSerializer::default());
        let circuits = RecursiveCircuitsForTableSize::from_buffer(&mut buffer, gates, generators);
        tasks::families().circuits("load_table", start.elapsed());
        circuits.map_err(|_| SealedError::Foreign)
    }

    fn read_upper(&self) -> Result<AllRecursiveCircuits, SealedError> {
        let start = Instant::now();
        let sealed = self.read("upper")?;
        let (gates, generators) = (&DefaultGateSerializer, &GeneratorSerializer::default());
        let circuits = AllRecursiveCircuits::from_bytes(sealed.payload(), true, gates, generators);
        tasks::families().circuits("load", start.elapsed());
        circuits.map_err(|_| SealedError::Foreign)
    }

    fn read(&self, what: &str) -> Result<Sealed<FileHeader, Mmap>, SealedError> {
        let sealed = sealed::read::<FileHeader>(&self.path(what))?;
        match sealed.header.key == self.key && sealed.header.what == what {
            true => Ok(sealed),
            false => Err(SealedError::Foreign),
        }
    }

    fn write(&self, what: &str, payload: &[u8]) -> Result<(), FsError> {
        sealed::write(&self.path(what), &FileHeader { what: what.to_owned(), key: self.key }, payload)
    }

    fn path(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{what}.bin"))
    }

    fn warn_rebuilding(&self, what: &str, reason: &SealedError) {
        tracing::warn!(file = %self.path(what).display(), "building circuits again, the file cannot be used: {reason}");
    }

    fn manifest(&self) -> Option<Manifest> {
        let path = self.folder.join("manifest.json");
        let rebuilding = |reason: &str| tracing::warn!(file = %path.display(), "preparing circuits again: {reason}");
        if !path.exists() {
            return None;
        }
        match read_manifest(&self.folder) {
            Some(manifest) if manifest.inputs == inputs(&self.profile) => return Some(manifest),
            Some(_) => rebuilding("the manifest is that of other circuits"),
            None => rebuilding("the manifest cannot be read"),
        }
        None
    }

    fn write_manifest(&self, digest: Digest) -> Result<(), StoreError> {
        let manifest = Manifest { inputs: inputs(&self.profile), digest, files: files(&self.folder) };
        Ok(fs::write_atomic(&self.folder.join("manifest.json"), |file| {
            Ok(serde_json::to_writer_pretty(file, &manifest)?)
        })?)
    }
}

fn inputs(profile: &Profile) -> Inputs {
    let own = |(name, version): (&str, &str)| (name.to_owned(), version.to_owned());
    Inputs {
        format: FORMAT,
        crates: version::CRATES.into_iter().map(own).collect(),
        kernel: format!("{:?}", evm_arithmetization::cpu::kernel::aggregator::KERNEL.hash()),
        profile: profile.clone(),
    }
}

fn table_name(table: usize, size: usize) -> String {
    format!("{}-{size}", TABLES[table].name)
}

/// Names and bytes of the circuit files in a folder, in the order of their names.
fn files(folder: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.len())))
        .filter(|(name, _)| name.ends_with(".bin"))
        .collect();
    files.sort();
    files
}

/// The verifier file of the circuits with this digest, if there is a store of them under `root`.
pub fn find_verifier(root: &Path, digest: Digest) -> Option<PathBuf> {
    let stores = std::fs::read_dir(root).ok()?.flatten().map(|entry| entry.path());
    stores
        .filter(|path| read_manifest(path).is_some_and(|manifest| manifest.digest == digest))
        .map(|path| path.join("verifier.bin"))
        .find(|path| path.exists())
}

/// The manifest in a folder, if it can be read, of whatever version.
fn read_manifest(folder: &Path) -> Option<Manifest> {
    let bytes = fs::read_limited(&folder.join("manifest.json"), MAX_MANIFEST_BYTES).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// All stores under `root`, of this version and of others.
pub fn list(root: &Path) -> Result<Vec<Entry>, FsError> {
    if !root.exists() {
        return Ok(Vec::new());
    }
    let entries =
        std::fs::read_dir(root).map_err(|source| FsError { action: "list", path: root.to_owned(), source })?;
    let mut list: Vec<Entry> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join(".lock").exists())
        .map(|path| {
            let manifest = read_manifest(&path);
            let profile = manifest.as_ref().map(|manifest| manifest.inputs.profile.clone());
            Entry {
                current: profile.as_ref().is_some_and(|profile| Store::new(root, profile.clone()).folder == path),
                profile: profile.map(|profile| profile.name),
                digest: manifest.as_ref().map(|manifest| manifest.digest),
                complete: manifest.is_some(),
                bytes: files(&path).iter().map(|(_, bytes)| bytes).sum(),
                path,
            }
        })
        .collect();
    list.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(list)
}
