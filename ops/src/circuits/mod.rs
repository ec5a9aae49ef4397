//! The prepared circuits of one profile: what proving needs besides its input.
//!
//! [`store`] keeps them on disk, [`build`] makes them, [`progress`] tells how that goes, [`verifier`] is the small part that checks block proofs.

pub mod build;
pub mod progress;
pub mod store;
pub mod verifier;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use evm_arithmetization::{
    AllRecursiveCircuits, AllStark, EXTENSION_DEGREE, Field, NUM_TABLES, RecursiveCircuitsForTableSize,
};

use crate::digest::Digest;
use crate::profile::{Heights, Profile};
use store::{Store, StoreError};

/// The STARKs of the nine tables.
pub type Starks = AllStark<Field, EXTENSION_DEGREE>;

type Slot = Arc<OnceLock<Arc<RecursiveCircuitsForTableSize>>>;

/// Circuits that can prove: the upper ones in memory, those of a table and size read on first use and kept.
pub struct Circuits {
    /// The profile that they were made for.
    pub profile: Profile,
    /// Digest of the verifier data: two sets of circuits with the same digest accept each other's proofs.
    pub digest: Digest,
    /// The upper circuits; their maps of table circuits are empty. Hundreds of kilobytes of targets.
    pub upper: Box<AllRecursiveCircuits>,
    /// The STARKs of the tables.
    pub starks: Starks,
    store: Store,
    tables: Mutex<HashMap<(usize, usize), Slot>>,
}

/// Circuits are passed by value on stacks of the usual size: one has been overflowed.
const _: () = assert!(size_of::<Circuits>() < 8192);

impl fmt::Debug for Circuits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuits").field("profile", &self.profile.name).field("digest", &self.digest).finish()
    }
}

/// The circuits that one segment's tables need, with the index of each size in the profile's range.
pub type SegmentCircuits = [Option<(Arc<RecursiveCircuitsForTableSize>, u8)>; NUM_TABLES];

impl Circuits {
    fn new(profile: Profile, digest: Digest, upper: AllRecursiveCircuits, store: Store) -> Self {
        Self { profile, digest, upper: Box::new(upper), starks: Starks::default(), store, tables: Mutex::default() }
    }

    /// The circuits for tables of these heights, which [`Profile::check`] must have passed.
    pub fn for_segment(&self, heights: &Heights) -> Result<SegmentCircuits, StoreError> {
        let mut circuits = [const { None }; NUM_TABLES];
        for (table, height) in heights.iter().enumerate() {
            if let &Some(size) = height {
                // The root circuit knows the verifier keys of a table by their place in the range of sizes.
                let index = (size - self.profile.sizes[table].first()) as u8;
                circuits[table] = Some((self.table(table, size)?, index));
            }
        }
        Ok(circuits)
    }

    fn table(&self, table: usize, size: usize) -> Result<Arc<RecursiveCircuitsForTableSize>, StoreError> {
        // A panic elsewhere leaves the map as it was: entries are only added.
        let slot = self
            .tables
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .entry((table, size))
            .or_default()
            .clone();
        if let Some(circuits) = slot.get() {
            return Ok(circuits.clone());
        }
        let loaded = Arc::new(self.store.table(&self.starks, table, size)?);
        Ok(slot.get_or_init(|| loaded).clone())
    }
}
