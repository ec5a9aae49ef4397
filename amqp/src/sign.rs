//! Who may report: workers sign what they say, leaders know the keys.
//!
//! Ed25519. A worker's key file holds the 32 secret bytes in hexadecimal digits; a leader's list holds one line for each
//! worker: the public key, and whatever helps to know whose it is.

use std::path::Path;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use ops::digest::Digest;
use ops::fs::{self, FsError};

/// Keys and lists may not be larger than this.
const MAX_BYTES: u64 = 1 << 20;

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// Not a key.
    #[error("{path}: line {line} is no key: expected 64 hexadecimal digits")]
    NoKey {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
    },
}

/// A worker's secret key.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the secret key of {}", self.public())
    }
}

impl SecretKey {
    /// A new key.
    pub fn generate() -> Result<Self, FsError> {
        let mut secret = [0; 32];
        let random = Path::new("/dev/urandom");
        std::io::Read::read_exact(&mut fs::open(random)?, &mut secret).map_err(|source| FsError {
            action: "read",
            path: random.to_owned(),
            source,
        })?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// Reads a key file.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let bytes = fs::read_limited(path, MAX_BYTES)?;
        let text = String::from_utf8_lossy(&bytes);
        let secret = key(text.trim()).ok_or_else(|| KeyError::NoKey { path: path.display().to_string(), line: 1 })?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// Writes a key file that only its owner can read.
    pub fn write(&self, path: &Path) -> Result<(), FsError> {
        fs::write_private(path, format!("{}\n", hex::encode(self.0.to_bytes())).as_bytes())
    }

    /// The public key, for the leader's list.
    pub fn public(&self) -> String {
        hex::encode(self.0.verifying_key().to_bytes())
    }

    /// Signs.
    pub fn sign(&self, digest: &Digest) -> String {
        hex::encode(self.0.sign(digest.as_bytes()).to_bytes())
    }
}

/// The public keys of the workers that are believed.
#[derive(Clone, Debug)]
pub struct AllowList(Vec<VerifyingKey>);

impl AllowList {
    /// Reads a list: a key in each line, then anything; empty lines and those that begin with `#` do not count.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let bytes = fs::read_limited(path, MAX_BYTES)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let keys = lines.map(|(index, line)| {
            let word = line.split_whitespace().next().unwrap_or_default();
            key(word)
                .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
                .ok_or_else(|| KeyError::NoKey { path: path.display().to_string(), line: index + 1 })
        });
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }

    /// The one of the keys that has signed this, in hexadecimal digits.
    pub fn signer(&self, digest: &Digest, signature: Option<&str>) -> Option<String> {
        let mut bytes = [0; 64];
        hex::decode_to_slice(signature?, &mut bytes).ok()?;
        let signature = Signature::from_bytes(&bytes);
        let key = self.0.iter().find(|key| key.verify_strict(digest.as_bytes(), &signature).is_ok())?;
        Some(hex::encode(key.to_bytes()))
    }
}

fn key(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}
