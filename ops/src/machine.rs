//! The machine: cores and memory, as far as this process may use them, and what proving takes of them.

use evm_arithmetization::NUM_TABLES;

use crate::profile::{CPU, Heights, Profile, Security, TABLES};

/// One gigabyte, 10^9 bytes.
pub const GB: u64 = 1_000_000_000;

/// The name of this machine, or of this pod.
pub fn host_name() -> String {
    sysinfo::System::host_name().unwrap_or_else(|_| "unknown".to_owned())
}

/// Cores and memory at hand.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Cores.
    pub cores: usize,
    /// Bytes that can be allocated before something has to go, by the system and by the control group.
    pub free: u64,
    /// Bytes that there are in all, by the system and by the control group.
    pub total: u64,
}

impl Machine {
    /// Looks.
    pub fn look() -> Self {
        let (free, total) = match sysinfo::System::new() {
            Ok(mut system) => {
                system.refresh_memory();
                let (free, total) = (system.available_memory(), system.total_memory());
                let group = system.cgroup_limits();
                group.map_or((free, total), |group| (free.min(group.free_memory), total.min(group.total_memory)))
            }
            Err(error) => {
                tracing::warn!("cannot find out how much memory there is, assuming enough: {error}");
                (u64::MAX, u64::MAX)
            }
        };
        Self { cores: std::thread::available_parallelism().map_or(1, usize::from), free, total }
    }
}

/// One megabyte, 10^6 bytes.
pub const MB: u64 = 1_000_000;

/// Part of the memory that is planned with.
const HEADROOM: f64 = 0.85;

/// Tables whose circuits a segment needs at most, and one more for sizes that vary between segments.
const TABLES_AT_ONCE: usize = 14;

/// What recursion takes beside the circuits, and the kernel with the interpreter.
const FIXED: u64 = 1_200_000_000;

/// Freed memory that is kept for a moment: of small segments two fifths, of large ones nothing ([`crate::allocator`]).
const KEPT: u64 = 800 * MB;

/// Below it a segment has no room for what every one begins and ends with.
const SMALLEST_CPU_LEN_LOG: u8 = 10;

/// Above it only the fixed cost of recursion shrinks, and that is below a tenth already.
const MAX_USEFUL_CPU_LEN_LOG: u8 = 20;

/// Bytes that proving a segment with tables of these heights takes beside the circuits: for each row the coefficients of
/// every column and lookup column with the hashes over twice as many rows, and once the widest table's twofold extension
/// while it is worked on. Full segments of 2^17 and 2^19 cycles took 2.4 and 9.0 GB where this says 3.4 and 11.7, of which
/// 1.2 GB are for the recursion that comes after.
pub fn segment_bytes(heights: &Heights) -> u64 {
    let table = |index: usize| {
        let rows = heights[index].map_or(0, |height| 1u64 << height);
        let (columns, aux) = TABLES[index].columns;
        (rows * (8 * columns as u64 + 128 + 8 * aux as u64), 16 * rows * columns as u64)
    };
    let all: u64 = (0..NUM_TABLES).map(|index| table(index).0).sum();
    let widest = (0..NUM_TABLES).map(|index| table(index).1).max().unwrap_or(0);
    FIXED + all + widest + KEPT.min((all + widest) * 2 / 5)
}

/// Bytes that a full segment of 2^`max_cpu_len_log` cycles takes beside the circuits, by [`segment_bytes`] of a mainnet
/// block's at 17 and 19.
pub fn full_segment_bytes(max_cpu_len_log: u8) -> u64 {
    FIXED + ((11 * GB) as f64 * (f64::from(max_cpu_len_log) - 19.0).exp2()) as u64
}

/// Bytes of the upper circuits, and of the circuits of one table and size, once all of them have proved: measured.
fn circuit_bytes(security: Security) -> (u64, u64) {
    match security {
        Security::Standard | Security::Fast => (2_700 * MB, 200 * MB),
        Security::Test => (860 * MB, 25 * MB),
    }
}

/// Bytes that the upper circuits and those of so many tables take in memory.
pub fn circuits_bytes(profile: &Profile, tables: usize) -> u64 {
    let (upper, table) = circuit_bytes(profile.security);
    upper + table * tables as u64
}

/// Bytes that the circuits take that are in use at a time.
pub fn used_circuits_bytes(profile: &Profile) -> u64 {
    circuits_bytes(profile, TABLES_AT_ONCE.min(profile.table_circuits()))
}

/// Bytes for segments beside the circuits, of so many bytes of memory.
pub fn segment_budget(profile: &Profile, memory: u64) -> u64 {
    ((memory as f64 * HEADROOM) as u64).saturating_sub(used_circuits_bytes(profile))
}

/// Logarithm of the most CPU cycles in a segment that so many bytes of memory have room for, by the profile's circuits and
/// up to a useful size; none where the smallest does not fit.
pub fn largest_segment(profile: &Profile, memory: u64) -> Option<u8> {
    let budget = segment_budget(profile, memory);
    (SMALLEST_CPU_LEN_LOG..=largest_useful_segment(profile)).rev().find(|size| full_segment_bytes(*size) <= budget)
}

/// Logarithm of the most CPU cycles in a segment that the profile has circuits for and that are worth their latency,
/// whatever memory there is.
pub fn largest_useful_segment(profile: &Profile) -> u8 {
    // The circuits' sizes are below 32.
    (profile.sizes[CPU].last() as u8).min(MAX_USEFUL_CPU_LEN_LOG)
}

/// Bytes that building all circuits of a profile takes, with a seventh to spare: circuits of tables have no leaves yet. The
/// 22 of profile `dev` took 4.3 GB, 87 of profile `mainnet` 11.9 GB.
pub fn building_bytes(profile: &Profile) -> u64 {
    let (upper, table) = match profile.security {
        Security::Standard | Security::Fast => (2_100 * MB, 135 * MB),
        Security::Test => (1_720 * MB, 25 * MB),
    };
    upper + table * profile.table_circuits() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_segments_of_mainnet_fit_into_24_gib() {
        let largest = |name: &str, gib: u64| largest_segment(&Profile::named(name).expect("a profile"), gib << 30);
        assert_eq!(largest("mainnet", 24), Some(19));
        assert_eq!(largest("mainnet", 16), Some(18));
        assert_eq!(largest("mainnet", 6), None);
        assert_eq!(largest("dev", 64), Some(16), "the profile has no circuits for more");
    }
}
