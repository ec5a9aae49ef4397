//! Blobs (EIP-4844) whose commitments and proofs are known without computing any.
//!
//! A blob is a polynomial by its values. One that is everywhere the same has no slope: its commitment is that many
//! times the generator of G1, and the quotient that proofs commit to is zero, committed to by the point at infinity.

use alloy::eips::eip4844::{BlobTransactionSidecar, Bytes48};
use alloy::primitives::{B256, FixedBytes, fixed_bytes};
use sha2::{Digest, Sha256};

/// The point at infinity of G1, compressed.
pub const INFINITY: Bytes48 =
    fixed_bytes!("c00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000");
/// The generator of G1, compressed.
pub const GENERATOR: Bytes48 =
    fixed_bytes!("97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb");
/// Twice the generator.
pub const TWICE: Bytes48 =
    fixed_bytes!("a572cbea904d67468808c8eb50a9450c9721db309128012543902d0ac358a62ae28f75bb8f1c7c42c39a8c5529bf0f4e");
/// The generator times the secret of the trusted setup: the commitment to the polynomial `x`. It is the second of the
/// powers in G1 of Ethereum's ceremony.
pub const SECRET: Bytes48 =
    fixed_bytes!("ad3eb50121139aa34db1d545093ac9374ab7bca2c0f3bf28e27c8dcd8fc7cb42d25926fc0c97b336e9f0fb35e5a04c81");

/// A value that all 4096 field elements of a blob have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blob {
    /// 0.
    Zeros,
    /// 1.
    Ones,
    /// 2.
    Twos,
}

impl Blob {
    fn commitment(self) -> Bytes48 {
        match self {
            Self::Zeros => INFINITY,
            Self::Ones => GENERATOR,
            Self::Twos => TWICE,
        }
    }

    /// The hash that a transaction names it by.
    pub fn versioned_hash(self) -> B256 {
        versioned_hash(&self.commitment())
    }
}

/// The hash of a commitment.
pub fn versioned_hash(commitment: &Bytes48) -> B256 {
    let mut hash = <[u8; 32]>::from(Sha256::digest(commitment));
    hash[0] = 1;
    hash.into()
}

/// What a transaction pool wants with a transaction of these blobs.
pub fn sidecar(blobs: &[Blob]) -> BlobTransactionSidecar {
    BlobTransactionSidecar {
        blobs: blobs
            .iter()
            .map(|blob| {
                let element = FixedBytes::<32>::with_last_byte(*blob as u8);
                FixedBytes::from_slice(&element.repeat(4096))
            })
            .collect(),
        commitments: blobs.iter().map(|blob| blob.commitment()).collect(),
        proofs: blobs.iter().map(|_| INFINITY).collect(),
    }
}
