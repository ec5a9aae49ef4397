//! How long the allocator (jemalloc, in programs that prove) keeps memory that was freed.
//!
//! Proofs of recursive circuits take the same few hundred megabytes again and again: kept for three seconds, a block takes
//! a tenth less time (docs/performance.md). The tables of a large segment are gigabytes, each of another shape: what is
//! kept of one does not fit the next, and would be two fifths of the segment's memory.

use std::sync::{Mutex, PoisonError};

use tikv_jemalloc_ctl::{arenas, raw};

use crate::machine::GB;

/// Milliseconds otherwise: what `.cargo/config.toml` says, too.
const KEPT: isize = 3000;
/// Milliseconds while the tables of a large segment are proved.
const KEPT_BESIDE_LARGE: isize = 0;
/// Bytes of a segment that is large: full ones of 2^17 cycles are not.
const LARGE: u64 = 4 * GB;

static LARGE_SEGMENTS: Mutex<usize> = Mutex::new(0);

/// While this lives, freed memory goes back to the system at once.
#[derive(Debug)]
pub struct Frugal(());

impl Frugal {
    /// For the tables of a segment of so many bytes; none where they are few.
    pub fn for_segment(bytes: u64) -> Option<Self> {
        (bytes >= LARGE).then(|| {
            count(|segments| *segments += 1);
            Self(())
        })
    }
}

impl Drop for Frugal {
    fn drop(&mut self) {
        count(|segments| *segments -= 1);
    }
}

fn count(change: impl FnOnce(&mut usize)) {
    let mut segments = LARGE_SEGMENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let before = *segments;
    change(&mut segments);
    match (before, *segments) {
        (0, 1) => keep_for(KEPT_BESIDE_LARGE),
        (1, 0) => keep_for(KEPT),
        _ => {}
    }
}

/// Tells every arena, and those to come; of arenas that are not in use yet jemalloc does not take it.
fn keep_for(milliseconds: isize) {
    let arenas = arenas::narenas::read().unwrap_or(0);
    let names = (0..arenas).map(|arena| format!("arena.{arena}.dirty_decay_ms\0"));
    let mut told = 0;
    for name in names.chain(["arenas.dirty_decay_ms\0".to_owned()]) {
        // SAFETY: the name ends with a zero, and jemalloc documents the value as an `ssize_t`.
        #[expect(unsafe_code, reason = "jemalloc's settings have no other interface")]
        let result = unsafe { raw::write(name.as_bytes(), milliseconds) };
        told += usize::from(result.is_ok());
    }
    tracing::debug!(arenas = told, milliseconds, "freed memory is kept for another time");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> isize {
        // SAFETY: as in `keep_for`.
        #[expect(unsafe_code, reason = "jemalloc's settings have no other interface")]
        unsafe { raw::read(b"arenas.dirty_decay_ms\0") }.expect("a setting of jemalloc")
    }

    #[test]
    fn memory_is_kept_for_less_while_any_large_segment_is_proved() {
        assert!(Frugal::for_segment(LARGE - 1).is_none());
        let first = Frugal::for_segment(LARGE);
        let second = Frugal::for_segment(LARGE);
        assert_eq!(kept(), KEPT_BESIDE_LARGE);
        drop(first);
        assert_eq!(kept(), KEPT_BESIDE_LARGE);
        drop(second);
        assert_eq!(kept(), KEPT);
    }
}
