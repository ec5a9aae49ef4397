//! Makes block witnesses out of nothing: a Cancun chain of a genesis block and two blocks, computed from constants,
//! and the files in which a prover of Ethereum blocks takes them.
//!
//! `chain` builds the blocks from `state`, `transaction` and `header`; `witness` turns them into files.

mod chain;
mod header;
mod state;
mod transaction;
mod witness;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;

/// A file that this crate makes.
pub struct File {
    /// Its name, without a folder.
    pub name: &'static str,
    /// Its text, the same in every run.
    pub contents: String,
}

impl File {
    /// Puts the file into `dir`, which is made when it is missing. The file appears whole or not at all.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let path = dir.join(self.name);
        let draft = dir.join(format!(".{}.{}.tmp", self.name, std::process::id()));
        fs::write(&draft, &self.contents)
            .and_then(|()| fs::rename(&draft, &path))
            .inspect_err(|_| drop(fs::remove_file(&draft)))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Whether `dir` holds this file with exactly these contents.
    pub fn is_in(&self, dir: &Path) -> anyhow::Result<bool> {
        let path = dir.join(self.name);
        match fs::read(&path) {
            Ok(found) => Ok(found == self.contents.as_bytes()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// Every file that this crate makes: block 1 alone, blocks 1 and 2, and the headers of both.
pub fn files() -> anyhow::Result<Vec<File>> {
    let chain = chain::build()?;
    let file = |name, contents: anyhow::Result<String>| anyhow::Ok(File { name, contents: contents? });
    Ok(vec![
        file("transfer.json", witness::witnesses(&chain, 1..=1))?,
        file("transfer_header.json", witness::headers(&chain, 1..=1))?,
        file("chain.json", witness::witnesses(&chain, 1..=2))?,
        file("chain_header.json", witness::headers(&chain, 1..=2))?,
    ])
}
