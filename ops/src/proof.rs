//! Proof files: a block proof with what is needed to know it by.
//!
//! A file holds a JSON array of objects. Each has the fields of the ancestor's format, `b_height` and `intern`, so its
//! readers read ours; ours add the version, the profile, the circuits and the range of blocks, under a checksum. A
//! file of the ancestor's, without these, can be read and verified too.

use std::path::Path;

use evm_arithmetization::proof::PublicValues;
use evm_arithmetization::{Field, ProofWithPublicInputs, ProofWithPublicValues, VerifierData};
use plonky2::recursion::cyclic_recursion::check_cyclic_proof_verifier_data;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::digest::Digest;
use crate::fs::{self, FsError};
use crate::panics;
use crate::profile::Profile;

/// Format of the objects in a proof file. Goes up with every change.
pub const FORMAT: u32 = 1;

/// A proof file may not be larger than this; a block proof has some 460 kB.
const MAX_BYTES: u64 = 1 << 30;

/// A block proof as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockProof {
    /// [`FORMAT`].
    pub version: u32,
    /// Last block that the proof covers.
    pub b_height: u64,
    /// First block that the proof covers: as the prover says, it is not among the public values.
    pub first_block: u64,
    /// Name of the profile.
    pub profile: String,
    /// Conjectured bits of security.
    pub security_bits: u32,
    /// Digest of the verifier data.
    pub circuits: Digest,
    /// Over all other fields.
    pub checksum: Digest,
    /// The proof with its public inputs.
    pub intern: ProofWithPublicInputs,
}

/// A block proof as the ancestor writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BareProof {
    /// Last block that the proof covers.
    pub b_height: u64,
    /// The proof with its public inputs.
    pub intern: ProofWithPublicInputs,
}

/// A block proof of either format.
#[derive(Clone, Debug)]
pub enum AnyProof {
    /// Ours.
    Known(Box<BlockProof>),
    /// The ancestor's: nothing is known of its circuits.
    Bare(Box<BareProof>),
}

/// Why a proof file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProofFileError {
    /// The file system failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// Not JSON, or not of a known format.
    #[error("{file}: proof {position} does not parse: {message}")]
    Parse {
        /// The file.
        file: String,
        /// Position in the array, from 1.
        position: usize,
        /// Field and reason.
        message: String,
    },
    /// An empty array.
    #[error("{file} holds no proof")]
    Empty {
        /// The file.
        file: String,
    },
    /// Made by a mock prover.
    #[error("{file} holds no proof: a mock has written it, and nothing was proved")]
    Mock {
        /// The file.
        file: String,
    },
    /// Written by a later version.
    #[error("{file}: the proof has format {found}, and this version reads format {FORMAT}")]
    Version {
        /// The file.
        file: String,
        /// Format found.
        found: u32,
    },
}

impl BlockProof {
    /// Puts a proof into the file format.
    pub fn new(profile: &Profile, circuits: Digest, first_block: u64, proof: &ProofWithPublicValues) -> Self {
        let mut proof = Self {
            version: FORMAT,
            b_height: proof.public_values.block_metadata.block_number.low_u64(),
            first_block,
            profile: profile.name.clone(),
            security_bits: profile.security.bits(),
            circuits,
            checksum: Digest::of_bytes(&[]),
            intern: proof.intern.clone(),
        };
        proof.checksum = proof.expected_checksum();
        proof
    }

    /// The checksum that the other fields give.
    pub fn expected_checksum(&self) -> Digest {
        let Self { version, b_height, first_block, profile, security_bits, circuits, checksum: _, intern } = self;
        Digest::of("block proof", &(version, b_height, first_block, profile, security_bits, circuits, intern))
    }
}

impl AnyProof {
    /// Last block that the proof says it covers.
    pub fn height(&self) -> u64 {
        match self {
            Self::Known(proof) => proof.b_height,
            Self::Bare(proof) => proof.b_height,
        }
    }

    /// The proof itself.
    pub fn intern(&self) -> &ProofWithPublicInputs {
        match self {
            Self::Known(proof) => &proof.intern,
            Self::Bare(proof) => &proof.intern,
        }
    }
}

/// Reads a proof file: an array, or one object.
pub fn read(path: &Path) -> Result<Vec<AnyProof>, ProofFileError> {
    #[derive(Deserialize)]
    struct Probe {
        version: Option<u32>,
        #[serde(default)]
        mock: bool,
    }
    let file = path.display().to_string();
    let bytes = fs::read_limited(path, MAX_BYTES)?;
    let fail = |position: usize| {
        let file = file.clone();
        move |error: serde_json::Error| ProofFileError::Parse { file, position, message: error.to_string() }
    };
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let raw: Vec<Box<RawValue>> = match first {
        Some(b'[') => serde_json::from_slice(&bytes).map_err(fail(1))?,
        _ => vec![serde_json::from_slice(&bytes).map_err(fail(1))?],
    };
    if raw.is_empty() {
        return Err(ProofFileError::Empty { file });
    }
    raw.iter()
        .enumerate()
        .map(|(index, json)| {
            let fail = || fail(index + 1);
            let Probe { version, mock } = serde_json::from_str(json.get()).map_err(fail())?;
            if mock {
                return Err(ProofFileError::Mock { file: file.clone() });
            }
            match version {
                None => Ok(AnyProof::Bare(serde_json::from_str(json.get()).map_err(fail())?)),
                Some(FORMAT) => Ok(AnyProof::Known(serde_json::from_str(json.get()).map_err(fail())?)),
                Some(found) => Err(ProofFileError::Version { file: file.clone(), found }),
            }
        })
        .collect()
}

/// Why a proof does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// The file was changed after it was written.
    #[error("its checksum does not match: the file was changed after it was written")]
    Checksum,
    /// Made with other circuits.
    #[error("it was made with circuits {found} (profile {profile}), and the verifier is for circuits {expected}")]
    OtherCircuits {
        /// Short digest in the proof.
        found: String,
        /// Profile in the proof.
        profile: String,
        /// Short digest of the verifier.
        expected: String,
    },
    /// It says it was made with another profile than its circuits are.
    #[error("it says profile {found}, and its circuits are those of profile {expected}")]
    OtherProfile {
        /// Profile in the proof.
        found: String,
        /// Profile of the circuits.
        expected: String,
    },
    /// The proof system says no.
    #[error("the proof does not verify: {0}")]
    Invalid(String),
    /// The file says a range of blocks that is none.
    #[error("the file says blocks {first} to {last}, which is no range")]
    Range {
        /// First block in the file.
        first: u64,
        /// Last block in the file.
        last: u64,
    },
    /// What the file says of the proof is not what the proof says.
    #[error("the file says block {said}, and the proof is of block {proved}")]
    Height {
        /// In the file.
        said: u64,
        /// In the public values.
        proved: u64,
    },
}

/// Verifies a proof and says what it states. What is beside the proof is checked against the circuits and against what
/// the proof states; that the statement is the wanted one is for the caller to compare.
pub fn verify(
    proof: &AnyProof,
    profile: &Profile,
    digest: Digest,
    verifier: &VerifierData,
) -> Result<PublicValues<Field>, Rejected> {
    if let AnyProof::Known(proof) = proof {
        if proof.checksum != proof.expected_checksum() {
            return Err(Rejected::Checksum);
        }
        if proof.circuits != digest {
            let (found, expected) = (proof.circuits.short(), digest.short());
            return Err(Rejected::OtherCircuits { found, profile: proof.profile.clone(), expected });
        }
        if proof.profile != profile.name || proof.security_bits != profile.security.bits() {
            return Err(Rejected::OtherProfile { found: proof.profile.clone(), expected: profile.name.clone() });
        }
    }
    if let AnyProof::Known(proof) = proof
        && proof.first_block > proof.b_height
    {
        return Err(Rejected::Range { first: proof.first_block, last: proof.b_height });
    }
    let public_values = verify_intern(proof.intern(), verifier)?;
    let proved = public_values.block_metadata.block_number.low_u64();
    match proof.height() == proved {
        true => Ok(public_values),
        false => Err(Rejected::Height { said: proof.height(), proved }),
    }
}

/// Verifies the proof itself: the block circuit accepted it, and every block proof inside it was by that same circuit.
pub fn verify_intern(proof: &ProofWithPublicInputs, verifier: &VerifierData) -> Result<PublicValues<Field>, Rejected> {
    // A proof of the wrong shape can make the verifier panic.
    let verify = || {
        verifier.verify(proof.clone())?;
        check_cyclic_proof_verifier_data(proof, &verifier.verifier_only, &verifier.common)?;
        // A number of the field has one form: with another, a file could be changed and state the same. Comparison of
        // numbers does not see the difference, their text does.
        let canonical = ProofWithPublicInputs::from_bytes(proof.to_bytes(), &verifier.common)?;
        if serde_json::to_vec(&canonical)? != serde_json::to_vec(proof)? {
            anyhow::bail!("a number in it is not in canonical form");
        }
        Ok::<_, anyhow::Error>(PublicValues::from_public_inputs(&proof.public_inputs))
    };
    match panics::catch(verify) {
        Ok(Ok(public_values)) => Ok(public_values),
        Ok(Err(error)) => Err(Rejected::Invalid(format!("{error:#}"))),
        Err(panic) => Err(Rejected::Invalid(panic)),
    }
}
