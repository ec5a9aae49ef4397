//! Which patches the dependencies are compiled with.
//!
//! Some dependencies are compiled from a copy that the patches in the folder `patches/NAME-VERSION/` were applied to
//! (see `README.md`). They decide how a node runs and which circuits it builds, so the program and its files name them.
//! Compiling this crate fails, with the command that helps, when a dependency was compiled with other patches than
//! those on disk.

/// What the build script found.
struct Patches {
    series: &'static [(&'static str, &'static str)],
    digest: &'static str,
}

const PATCHES: Patches = include!(concat!(env!("OUT_DIR"), "/series.rs"));

/// The patch series in use, in order of name: the crate as `NAME-VERSION`, and the digest of its series (40 hex digits,
/// over the name and content of every file and the script that applies them).
pub const SERIES: &[(&str, &str)] = PATCHES.series;

/// One digest over all series, 12 hex digits; `none` without a series.
#[must_use]
pub fn digest() -> String {
    match PATCHES.digest.get(..12) {
        Some(digest) => digest.to_owned(),
        None => "none".to_owned(),
    }
}

/// Whether two texts are equal, at compile time, where `==` is not to be had.
const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}
