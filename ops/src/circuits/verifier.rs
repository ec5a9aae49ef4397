//! The verifier file: what checks block proofs, and the proofs of a block's tasks; some kilobytes.

use std::path::Path;

use evm_arithmetization::{AllRecursiveCircuits, ProofWithPublicValues, PublicValues, VerifierData};
use plonky2::util::serialization::DefaultGateSerializer;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::fs::FsError;
use crate::panics;
use crate::profile::Profile;
use crate::proof;
use crate::sealed::{self, SealedError};
use crate::statement::Statement;
use crate::task::Kind;

/// Format of the file. Goes up with every change of header or payload.
const FORMAT: u32 = 2;

/// A verifier file may not be larger than this; real ones have some 10 kB.
const MAX_BYTES: u64 = 16 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    kind: String,
    format: u32,
    profile: Profile,
    digest: Digest,
}

/// Verifier data as bytes, in the order of [`Kind::ALL`].
type Payload = [Vec<u8>; Kind::ALL.len()];

/// What a verifier knows of the circuits.
#[derive(Debug)]
pub struct Verifier {
    /// The profile of the circuits.
    pub profile: Profile,
    /// Digest of the verifier data of the block circuit, which contains those below it.
    pub digest: Digest,
    /// The verifier data of the block circuit.
    pub data: VerifierData,
    /// Those of segments, segment merges and batch merges.
    below: [VerifierData; 3],
}

impl Verifier {
    /// The verifier of freshly built or loaded circuits.
    pub fn new(profile: Profile, circuits: &AllRecursiveCircuits) -> Result<Self, VerifierError> {
        let data = circuits.final_verifier_data();
        let below = [
            circuits.root.circuit.verifier_data(),
            circuits.segment_aggregation.circuit.verifier_data(),
            circuits.batch_aggregation.circuit.verifier_data(),
        ];
        Ok(Self { profile, digest: Digest::of_bytes(&to_bytes(&data)?), data, below })
    }

    /// Writes the verifier file.
    pub fn write(&self, path: &Path) -> Result<(), VerifierError> {
        let [segment, segment_merge, batch_merge] = &self.below;
        let payload: Payload =
            [to_bytes(segment)?, to_bytes(segment_merge)?, to_bytes(batch_merge)?, to_bytes(&self.data)?];
        let payload = postcard::to_stdvec(&payload).map_err(|_| VerifierError::Serialize)?;
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
        let sealed = sealed::parse::<Header, _>(crate::fs::read_limited(path, MAX_BYTES)?)?;
        if sealed.header.kind != "verifier" || sealed.header.format != FORMAT {
            return Err(VerifierError::Version { found: sealed.header.format });
        }
        let payload: Payload = postcard::from_bytes(sealed.payload()).map_err(|_| VerifierError::Serialize)?;
        let [segment, segment_merge, batch_merge, block] = payload;
        let digest = Digest::of_bytes(&block);
        if digest != sealed.header.digest {
            return Err(SealedError::Corrupted.into());
        }
        let below = [from_bytes(segment)?, from_bytes(segment_merge)?, from_bytes(batch_merge)?];
        Ok(Self { profile: sealed.header.profile, digest, data: from_bytes(block)?, below })
    }

    /// Whether the output of a task is a valid proof of what the task was to prove. Some ten milliseconds; if not, why.
    pub fn check_output(&self, kind: Kind, wanted: &Statement, output: &ProofWithPublicValues) -> Result<(), String> {
        let [segment, segment_merge, batch_merge] = &self.below;
        let data = match kind {
            Kind::Segment => segment,
            Kind::SegmentMerge => segment_merge,
            Kind::BatchMerge => batch_merge,
            Kind::Block => &self.data,
        };
        // A proof of the wrong shape can make the verifier panic.
        let verify = || {
            data.verify(output.intern.clone())?;
            Ok::<_, anyhow::Error>(PublicValues::from_public_inputs(&output.intern.public_inputs))
        };
        let stated = match kind {
            Kind::Block => proof::verify_intern(&output.intern, data).map_err(|no| no.to_string())?,
            _ => panics::catch(verify)?.map_err(|error| format!("{error:#}"))?,
        };
        match stated == output.public_values {
            true => wanted.check(kind, &stated),
            false => Err("its public values are not those beside it".to_owned()),
        }
    }
}

fn to_bytes(data: &VerifierData) -> Result<Vec<u8>, VerifierError> {
    data.to_bytes(&DefaultGateSerializer).map_err(|_| VerifierError::Serialize)
}

fn from_bytes(bytes: Vec<u8>) -> Result<VerifierData, VerifierError> {
    VerifierData::from_bytes(bytes, &DefaultGateSerializer).map_err(|_| VerifierError::Serialize)
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
