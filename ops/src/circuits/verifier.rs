//! The verifier file: the few kilobytes that check a block proof.

use std::path::Path;

use evm_arithmetization::VerifierData;
use plonky2::util::serialization::DefaultGateSerializer;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::fs::FsError;
use crate::profile::Profile;
use crate::sealed::{self, SealedError};

/// Format of the file. Goes up with every change of header or payload.
const FORMAT: u32 = 1;

/// A verifier file may not be larger than this; real ones have some 2 kB.
const MAX_BYTES: u64 = 16 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    kind: String,
    format: u32,
    profile: Profile,
    digest: Digest,
}

/// What a verifier knows of the circuits.
#[derive(Debug)]
pub struct Verifier {
    /// The profile of the circuits.
    pub profile: Profile,
    /// Digest of the verifier data.
    pub digest: Digest,
    /// The verifier data of the block circuit.
    pub data: VerifierData,
}

impl Verifier {
    /// The verifier of freshly built or loaded circuits.
    pub fn new(profile: Profile, data: VerifierData) -> Result<Self, VerifierError> {
        let digest = Digest::of_bytes(&data.to_bytes(&DefaultGateSerializer).map_err(|_| VerifierError::Serialize)?);
        Ok(Self { profile, digest, data })
    }

    /// Writes the verifier file.
    pub fn write(&self, path: &Path) -> Result<(), VerifierError> {
        let payload = self.data.to_bytes(&DefaultGateSerializer).map_err(|_| VerifierError::Serialize)?;
        let header =
            Header { kind: "verifier".to_owned(), format: FORMAT, profile: self.profile.clone(), digest: self.digest };
        sealed::write(path, &header, &payload)?;
        Ok(())
    }

    /// Reads a verifier file.
    pub fn read(path: &Path) -> Result<Self, VerifierError> {
        if !path.exists() {
            return Err(SealedError::Absent.into());
        }
        let sealed = sealed::parse::<Header>(crate::fs::read_limited(path, MAX_BYTES)?)?;
        if sealed.header.kind != "verifier" || sealed.header.format != FORMAT {
            return Err(VerifierError::Version { found: sealed.header.format });
        }
        let data = VerifierData::from_bytes(sealed.payload().to_vec(), &DefaultGateSerializer)
            .map_err(|_| VerifierError::Serialize)?;
        let digest = Digest::of_bytes(sealed.payload());
        if digest != sealed.header.digest {
            return Err(SealedError::Corrupted.into());
        }
        Ok(Self { profile: sealed.header.profile, digest, data })
    }
}

/// Why a verifier file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// The container is unusable.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// The file system failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// Written by another version.
    #[error("it is of format {found}, and this version reads format {FORMAT}")]
    Version {
        /// Format found.
        found: u32,
    },
    /// plonky2 cannot (de)serialize the data.
    #[error("its verifier data cannot be read")]
    Serialize,
}
