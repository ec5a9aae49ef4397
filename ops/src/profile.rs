//! Profiles: named sets of circuit sizes with a security level, and the one table of circuits they choose from.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use clap::Args;
use evm_arithmetization::NUM_TABLES;
use evm_arithmetization::fixed_recursive_verifier::RecursionConfig;
use serde::{Deserialize, Serialize};

use crate::env;

/// Logarithms of the rows of each table of a segment, `None` where the segment does not use it.
pub type Heights = [Option<usize>; NUM_TABLES];

/// One of the nine tables that a segment's execution is split into (`evm_arithmetization::all_stark::Table`).
#[derive(Debug)]
pub struct TableSpec {
    /// Name in files, flags and messages.
    pub name: &'static str,
    /// Environment variable that overrides its sizes.
    pub env_key: &'static str,
    /// Columns of the trace, and of the lookup arguments beside it: what a row costs in memory.
    pub columns: (usize, usize),
    /// Least size, given by the table's own range checks.
    pub min_size: usize,
}

const fn table(name: &'static str, env_key: &'static str, columns: (usize, usize), min_size: usize) -> TableSpec {
    TableSpec { name, env_key, columns, min_size }
}

/// The tables in the order of `evm_arithmetization`.
pub const TABLES: [TableSpec; NUM_TABLES] = [
    table("arithmetic", env::sizes::ARITHMETIC, (116, 100), 16),
    table("byte-packing", env::sizes::BYTE_PACKING, (71, 70), 8),
    table("cpu", env::sizes::CPU, (85, 24), 8),
    table("keccak", env::sizes::KECCAK, (2431, 4), 4),
    table("keccak-sponge", env::sizes::KECCAK_SPONGE, (438, 292), 8),
    table("logic", env::sizes::LOGIC, (523, 2), 4),
    table("memory", env::sizes::MEMORY, (30, 18), 17),
    table("memory-before", env::sizes::MEMORY_BEFORE, (12, 2), 16),
    table("memory-after", env::sizes::MEMORY_AFTER, (12, 4), 7),
];

/// Index of the CPU table.
pub const CPU: usize = 2;

/// Sizes that no circuit can have: the field's two-adicity leaves room for 2^32 rows, memory ends long before.
const MAX_SIZE: usize = 30;

/// A half-open range of table sizes as logarithms, written `16..21`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sizes(Range<usize>);

impl Sizes {
    const fn new(start: usize, end: usize) -> Self {
        Self(start..end)
    }

    /// The sizes, smallest first.
    pub fn iter(&self) -> Range<usize> {
        self.0.clone()
    }

    /// The smallest size.
    pub fn first(&self) -> usize {
        self.0.start
    }

    /// The largest size.
    pub fn last(&self) -> usize {
        self.0.end - 1
    }

    /// Whether there is a circuit of this size.
    pub fn contains(&self, size: usize) -> bool {
        self.0.contains(&size)
    }
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let range = text.split_once("..").and_then(|(start, end)| {
            let (end, inclusive) = end.strip_prefix('=').map_or((end, false), |end| (end, true));
            let (start, end) = (start.trim().parse::<usize>().ok()?, end.trim().parse::<usize>().ok()?);
            Some(start..end.saturating_add(usize::from(inclusive)))
        });
        match range {
            Some(range) if range.is_empty() => Err(format!("`{text}` holds no size")),
            Some(range) if range.end > MAX_SIZE + 1 => Err(format!("`{text}` goes beyond the largest size {MAX_SIZE}")),
            Some(range) => Ok(Self(range)),
            None => Err(format!("`{text}` is not a range such as 16..21")),
        }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.0.start, self.0.end)
    }
}

impl fmt::Debug for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl TryFrom<String> for Sizes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Sizes> for String {
    fn from(sizes: Sizes) -> Self {
        sizes.to_string()
    }
}

/// How hard a false proof is to make, by the conjecture that the configurations of plonky2 and starky go by
/// (queries × rate bits + grinding bits; `starky-1.0.2/src/config.rs`, `plonky2-1.0.2/src/plonk/circuit_data.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// 100 bits, with the parameters of the published crates.
    Standard,
    /// 100 bits, with half as many queries into twice as long extensions of the tables: cheaper proofs of small segments,
    /// dearer ones of large segments (docs/performance.md). Circuits of their own.
    Fast,
    /// One bit: for tests, worth nothing.
    Test,
}

impl Security {
    /// Conjectured bits of security.
    pub fn bits(self) -> u32 {
        match self {
            Self::Standard | Self::Fast => 100,
            Self::Test => 1,
        }
    }

    /// The parameters of every proof layer.
    pub fn config(self) -> RecursionConfig {
        match self {
            Self::Standard => RecursionConfig::default(),
            Self::Fast => {
                let mut config = RecursionConfig::default();
                config.stark_config.fri_config.rate_bits = 2;
                config.stark_config.fri_config.num_query_rounds = 42;
                config
            }
            Self::Test => RecursionConfig::test_config(),
        }
    }
}

/// A named set of circuit sizes and a security level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// `test`, `dev`, `fast`, `mainnet`, or one of these followed by `-custom` when sizes were overridden.
    pub name: String,
    /// Security level.
    pub security: Security,
    /// Sizes of each table, in the order of [`TABLES`].
    pub sizes: [Sizes; NUM_TABLES],
}

/// The names of the profiles and what each is for.
pub const PROFILES: [(&str, &str); 4] = [
    ("test", "1 bit of security, small blocks: INSECURE, for tests only"),
    ("dev", "100 bits, the few sizes that the shipped witnesses need: a proof on a laptop"),
    ("fast", "100 bits, the sizes of dev: small segments in less time, proofs that need circuits of this profile"),
    ("mainnet", "100 bits, full sizes: mainnet blocks"),
];

/// What the shipped witnesses need, found with `leader --test-only stdio`: blocks of one segment per batch.
const SHIPPED: [Sizes; NUM_TABLES] = [
    Sizes::new(16, 17),
    Sizes::new(8, 10),
    Sizes::new(10, 17),
    Sizes::new(9, 12),
    Sizes::new(8, 9),
    Sizes::new(7, 11),
    Sizes::new(17, 19),
    Sizes::new(16, 17),
    Sizes::new(7, 8),
];

/// Blocks of a few simple transactions, in segments of at most 2^17 cycles.
const SMALL: [Sizes; NUM_TABLES] = [
    Sizes::new(16, 17),
    Sizes::new(8, 14),
    Sizes::new(10, 18),
    Sizes::new(4, 14),
    Sizes::new(8, 9),
    Sizes::new(4, 12),
    Sizes::new(17, 20),
    Sizes::new(16, 18),
    Sizes::new(7, 18),
];

/// The widest ranges that the ancestor's own tools used for mainnet blocks.
const FULL: [Sizes; NUM_TABLES] = [
    Sizes::new(16, 21),
    Sizes::new(8, 21),
    Sizes::new(8, 21),
    Sizes::new(4, 20),
    Sizes::new(8, 17),
    Sizes::new(4, 21),
    Sizes::new(17, 24),
    Sizes::new(16, 23),
    Sizes::new(7, 23),
];

impl Profile {
    /// The profile of a name in [`PROFILES`].
    pub fn named(name: &str) -> Option<Self> {
        let (security, sizes) = match name {
            "test" => (Security::Test, SMALL),
            "dev" => (Security::Standard, SHIPPED),
            "fast" => (Security::Fast, SHIPPED),
            "mainnet" => (Security::Standard, FULL),
            _ => return None,
        };
        Some(Self { name: name.to_owned(), security, sizes })
    }

    /// Whether every table of a segment has circuits; otherwise the first that has none.
    pub fn check(&self, heights: &Heights) -> Result<(), SizeError> {
        for (index, height) in heights.iter().enumerate() {
            if let &Some(size) = height
                && !self.sizes[index].contains(size)
            {
                return Err(SizeError {
                    table: index,
                    size,
                    sizes: self.sizes[index].clone(),
                    profile: self.name.clone(),
                });
            }
        }
        Ok(())
    }

    /// Number of circuits of tables.
    pub fn table_circuits(&self) -> usize {
        self.sizes.iter().map(|sizes| sizes.iter().len()).sum()
    }
}

/// A table of a segment that the profile has no circuits for.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "the {} table has 2^{size} rows, and profile {profile} has circuits for {sizes} only; \
     set --{}={} (or {}), or make segments smaller with --max-cpu-len-log",
    TABLES[*table].name, TABLES[*table].name, self.wanted(), TABLES[*table].env_key
)]
pub struct SizeError {
    /// Index in [`TABLES`].
    pub table: usize,
    /// Logarithm of the rows needed.
    pub size: usize,
    /// Sizes that there are.
    pub sizes: Sizes,
    /// Name of the profile.
    pub profile: String,
}

impl SizeError {
    fn wanted(&self) -> Sizes {
        Sizes::new(self.sizes.first().min(self.size), (self.sizes.last() + 1).max(self.size + 1))
    }
}

macro_rules! profile_args {
    ($($field:ident $(or $alias:literal)?: $index:literal),*) => {
        /// The flags that choose a profile.
        #[derive(Args, Clone, Debug, Default)]
        pub struct ProfileArgs {
            /// Circuit sizes and security level: `test` (1 bit, INSECURE), `dev` (100 bits, small blocks), `fast` (the same
            /// with other parameters, and circuits of its own) or `mainnet` (100 bits, full sizes).
            #[arg(long, global = true, value_name = "NAME", env = env::PROFILE, default_value = "dev")]
            profile: String,

            /// Same as `--profile test`; kept for scripts of zero-bin.
            #[arg(long, global = true, hide = true)]
            use_test_config: bool,

            $(
                #[arg(
                    long, $(alias = $alias,)? global = true, value_name = "SIZES", env = TABLES[$index].env_key, help_heading = "Circuit sizes",
                    help = concat!("Sizes of the ", stringify!($field), " table, as logarithms of its rows, such as 16..21"),
                )]
                $field: Option<Sizes>,
            )*
        }

        impl ProfileArgs {
            fn overrides(&self) -> [Option<&Sizes>; NUM_TABLES] {
                [$(self.$field.as_ref()),*]
            }
        }
    };
}

profile_args!(
    arithmetic: 0, byte_packing: 1, cpu: 2, keccak: 3, keccak_sponge: 4, logic: 5, memory: 6, memory_before or "mem-before": 7,
    memory_after or "mem-after": 8
);

/// Flags that name no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is no profile of this name.
    #[error("there is no profile `{0}`; the profiles are {names}", names = PROFILES.map(|(name, _)| name).join(", "))]
    Unknown(String),
    /// Sizes that the table never has.
    #[error("--{table} {sizes}: this table never has fewer than 2^{least} rows")]
    TooSmall {
        /// Name of the table.
        table: &'static str,
        /// Sizes asked for.
        sizes: Sizes,
        /// Least size.
        least: usize,
    },
}

impl ProfileArgs {
    /// The profile that the flags ask for.
    pub fn resolve(&self) -> Result<Profile, ProfileError> {
        let name = if self.use_test_config {
            tracing::warn!("--use-test-config means --profile test: 1 bit of security");
            "test"
        } else {
            &self.profile
        };
        let mut profile = Profile::named(name).ok_or_else(|| ProfileError::Unknown(name.to_owned()))?;
        for (index, sizes) in self.overrides().into_iter().enumerate() {
            let Some(sizes) = sizes else { continue };
            let spec = &TABLES[index];
            if sizes.first() < spec.min_size {
                return Err(ProfileError::TooSmall { table: spec.name, sizes: sizes.clone(), least: spec.min_size });
            }
            if profile.sizes[index] != *sizes {
                profile.sizes[index] = sizes.clone();
                if !profile.name.ends_with("-custom") {
                    profile.name.push_str("-custom");
                }
            }
        }
        Ok(profile)
    }
}
