//! Answers about finalized blocks on disk. Whoever reads one checks it like an answer of the node.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ops::sealed;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Larger answers are not kept.
const LARGEST: u64 = 64 << 20;

/// Of the files; another number and they are not read.
const FORMAT: u32 = 1;

/// Everything that determines an answer.
#[derive(Serialize, Deserialize, PartialEq)]
struct Key {
    format: u32,
    chain: u64,
    method: String,
    params: Value,
}

/// A folder of answers.
pub(super) struct Cache {
    folder: Arc<Path>,
    chain: u64,
}

impl Cache {
    pub(super) fn new(folder: &Path, chain: u64) -> Self {
        Self { folder: folder.join(format!("chain-{chain}")).into(), chain }
    }

    fn place(&self, (method, params): &(&str, Value)) -> (PathBuf, Key) {
        let key = Key { format: FORMAT, chain: self.chain, method: (*method).to_owned(), params: params.clone() };
        let name = alloy::primitives::keccak256(format!("{method} {params}"));
        let name = hex::encode(&name[..16]);
        (self.folder.join(&name[..2]).join(&name[2..]), key)
    }

    /// An answer, if there is a whole one.
    pub(super) async fn get(&self, key: &(&str, Value)) -> Option<Box<RawValue>> {
        let (path, key) = self.place(key);
        let read = move || {
            let sealed = sealed::read::<Key>(&path).ok()?;
            let text = (sealed.header == key).then(|| std::str::from_utf8(sealed.payload()).ok())??;
            RawValue::from_string(text.to_owned()).ok()
        };
        tokio::task::spawn_blocking(read).await.ok()?
    }

    /// Keeps an answer. A disk that fails costs speed, nothing else.
    pub(super) async fn put(&self, key: &(&str, Value), text: &RawValue) {
        if text.get().len() as u64 > LARGEST / 2 {
            return;
        }
        let (path, key) = self.place(key);
        let text = text.get().to_owned();
        let write = move || {
            if let Some(folder) = path.parent() {
                ops::fs::create_dir_all(folder)?;
            }
            sealed::write(&path, &key, text.as_bytes())
        };
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "an answer is not kept"),
            Err(error) => tracing::warn!(%error, "an answer is not kept"),
        }
    }
}
