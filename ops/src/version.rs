//! What this build is made of, for `--version` and for whatever depends on it: circuits on disk, proofs.

/// The proving crates, by the exact versions that `Cargo.toml` pins.
pub const CRATES: [(&str, &str); 5] = [
    ("plonky2", "1.0.2"),
    ("starky", "1.0.2"),
    ("evm_arithmetization", "0.5.1"),
    ("trace_decoder", "0.7.0"),
    ("mpt_trie", "0.5.0"),
];

/// What a build without a repository, such as that of an image, is told that it is built from.
pub const GIVEN_COMMIT: &str = match option_env!("BLOCKPROOF_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Short version line: version, commit, patches. The commit is given by the binary: were it compiled in here, every
/// commit would compile everything again.
pub fn short(commit: &str) -> String {
    format!("{} (commit {commit}, patches {})", env!("CARGO_PKG_VERSION"), patches::digest())
}

/// The short line, and the proving crates below it.
pub fn long(commit: &str) -> String {
    let crates: Vec<String> = CRATES.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!("{}\n{}", short(commit), crates.join("\n"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn crates_are_those_of_the_lock_file() {
        let lock = include_str!("../../Cargo.lock");
        for (name, version) in super::CRATES {
            assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{name} {version}");
        }
    }
}
