//! Files, with the path in every error. Nothing else in the workspace writes files.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use memmap2::{Mmap, MmapOptions};
use tempfile::NamedTempFile;

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FsError {
    /// What was tried: `read`, `write`, `create folder`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

fn error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FsError {
    move |source| FsError { action, path: path.to_owned(), source }
}

/// Opens a file for reading.
pub fn open(path: &Path) -> Result<File, FsError> {
    File::open(path).map_err(error("open", path))
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, FsError> {
    std::fs::read(path).map_err(error("read", path))
}

/// A whole file as memory, which is read when it is looked at: for files of gigabytes, which would be there twice otherwise.
pub fn map(path: &Path) -> Result<Mmap, FsError> {
    let file = open(path)?;
    // SAFETY: nobody may change the file while it is mapped. Files of ours are replaced by renaming, never written to.
    #[expect(unsafe_code, reason = "others could change the file")]
    let map = unsafe { MmapOptions::new().populate().map(&file) };
    map.map_err(error("read", path))
}

/// Reads a whole file unless it is larger than `limit` bytes.
pub fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, FsError> {
    let size = open(path)?.metadata().map_err(error("read", path))?.len();
    if size > limit {
        let source = io::Error::new(io::ErrorKind::FileTooLarge, format!("{size} bytes, and {limit} are allowed"));
        return Err(FsError { action: "read", path: path.to_owned(), source });
    }
    read(path)
}

/// Creates a folder and those above it.
pub fn create_dir_all(path: &Path) -> Result<(), FsError> {
    std::fs::create_dir_all(path).map_err(error("create folder", path))
}

/// Opens the file that serves as a lock, creating it if need be.
pub fn lock_file(path: &Path) -> Result<File, FsError> {
    File::options().create(true).append(true).open(path).map_err(error("open", path))
}

/// Removes a folder and everything in it.
pub fn remove_dir_all(path: &Path) -> Result<(), FsError> {
    std::fs::remove_dir_all(path).map_err(error("remove", path))
}

/// Removes a file.
pub fn remove(path: &Path) -> Result<(), FsError> {
    std::fs::remove_file(path).map_err(error("remove", path))
}

/// Writes a file so that it appears whole or not at all, whatever happens: written beside its place, brought to disk,
/// then renamed. The user's umask decides who may read it.
pub fn write_atomic(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), FsError> {
    let draft = draft(path, 0o666, write)?;
    draft.as_file().sync_all().map_err(error("write", path))?;
    persist(draft, path)
}

/// Writes a small file that only its owner can read; like [`write_atomic`] otherwise.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let draft = draft(path, 0o600, |file| file.write_all(bytes))?;
    draft.as_file().sync_all().map_err(error("write", path))?;
    persist(draft, path)
}

/// Like [`write_atomic`], but does not wait for the disk: for gigabytes that can be made again, with a checksum that
/// tells when the machine has stopped in between.
pub fn write_cached(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), FsError> {
    persist(draft(path, 0o666, write)?, path)
}

fn draft(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<NamedTempFile, FsError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_dir_all(folder)?;
    let mut draft = tempfile::Builder::new()
        .prefix(".draft-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)
        .map_err(error("write", path))?;
    let mut buffered = io::BufWriter::with_capacity(1 << 20, draft.as_file_mut());
    write(&mut buffered).and_then(|()| buffered.flush()).map_err(error("write", path))?;
    drop(buffered);
    Ok(draft)
}

fn persist(draft: NamedTempFile, path: &Path) -> Result<(), FsError> {
    draft.persist(path).map(drop).map_err(|failed| error("write", path)(failed.error))
}

/// Gives a file another name in the same file system; what had that name is gone.
pub fn rename(from: &Path, to: &Path) -> Result<(), FsError> {
    std::fs::rename(from, to).map_err(error("rename", from))
}

/// Fails unless a file can be created in `folder`, which is created if need be: to be asked before hours of work
/// whose result goes there.
pub fn check_writable(folder: &Path) -> Result<(), FsError> {
    create_dir_all(folder)?;
    tempfile::Builder::new().prefix(".probe-").tempfile_in(folder).map_err(error("write into", folder))?;
    Ok(())
}
