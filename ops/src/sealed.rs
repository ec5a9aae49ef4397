//! A file with a JSON header, a payload and a checksum over both: circuits and verifier data on disk.
//!
//! Layout, integers little-endian: the 8 bytes `SEALED01`, header length (u32), header (JSON), payload length (u64),
//! payload, BLAKE3 of everything before (32 bytes).

use std::ops::Range;
use std::path::Path;

use memmap2::Mmap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fs::{self, FsError};

const MAGIC: &[u8; 8] = b"SEALED01";
const CHECKSUM: usize = 32;

/// Why a sealed file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// There is no such file.
    #[error("it is absent")]
    Absent,
    /// The file ends early.
    #[error("it is torn: {0}")]
    Torn(&'static str),
    /// The checksum does not match.
    #[error("it is corrupted: its checksum does not match")]
    Corrupted,
    /// Another kind of file.
    #[error("it is not a file of this format")]
    Foreign,
    /// The header does not parse.
    #[error("its header is of another version: {0}")]
    Header(#[from] serde_json::Error),
    /// The file system failed.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// A sealed file in memory.
#[derive(Debug)]
pub struct Sealed<H, B> {
    /// The header.
    pub header: H,
    bytes: B,
    payload: Range<usize>,
}

impl<H, B: AsRef<[u8]>> Sealed<H, B> {
    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.bytes.as_ref()[self.payload.clone()]
    }
}

/// Writes a sealed file; it appears whole or not at all. Should the machine stop before the disk has it, the checksum
/// tells.
pub fn write<H: Serialize>(path: &Path, header: &H, payload: &[u8]) -> Result<(), FsError> {
    fs::write_cached(path, |file| {
        let header = serde_json::to_vec(header)?;
        let mut prefix = MAGIC.to_vec();
        prefix.extend((header.len() as u32).to_le_bytes());
        prefix.extend(&header);
        prefix.extend((payload.len() as u64).to_le_bytes());
        let checksum = blake3::Hasher::new().update(&prefix).update_rayon(payload).finalize();
        file.write_all(&prefix)?;
        file.write_all(payload)?;
        file.write_all(checksum.as_bytes())
    })
}

/// Reads a sealed file and checks its checksum.
pub fn read<H: DeserializeOwned>(path: &Path) -> Result<Sealed<H, Mmap>, SealedError> {
    if !path.exists() {
        return Err(SealedError::Absent);
    }
    parse(fs::map(path)?)
}

/// Checks and takes apart the bytes of a sealed file.
pub fn parse<H: DeserializeOwned, B: AsRef<[u8]>>(file: B) -> Result<Sealed<H, B>, SealedError> {
    let bytes = file.as_ref();
    let take = |at: &mut usize, len: usize, what: &'static str| {
        let range = *at..at.checked_add(len).filter(|&end| end <= bytes.len()).ok_or(SealedError::Torn(what))?;
        *at = range.end;
        Ok::<_, SealedError>(range)
    };
    let mut at = 0;
    let magic = take(&mut at, MAGIC.len(), "no room for a header")?;
    if &bytes[magic] != MAGIC {
        return Err(SealedError::Foreign);
    }
    let length = u32::from_le_bytes(array(&bytes[take(&mut at, 4, "no room for a header")?]));
    let header = take(&mut at, length as usize, "the header is cut off")?;
    let length = u64::from_le_bytes(array(&bytes[take(&mut at, 8, "the header is cut off")?]));
    let length = usize::try_from(length).map_err(|_| SealedError::Torn("the payload is cut off"))?;
    let payload = take(&mut at, length, "the payload is cut off")?;
    let checksum = take(&mut at, CHECKSUM, "the checksum is cut off")?;
    let expected = blake3::Hasher::new().update_rayon(&bytes[..payload.end]).finalize();
    if at != bytes.len() || bytes[checksum] != *expected.as_bytes() {
        return Err(SealedError::Corrupted);
    }
    Ok(Sealed { header: serde_json::from_slice(&bytes[header])?, payload, bytes: file })
}

/// The bytes as an array of their length, which the caller has made sure of.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}
