//! Which vector instructions to use.

use std::sync::OnceLock;

/// A set of vector instructions that the kernels are written for, ordered by how much they do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// None: callers do one thing after the other.
    Scalar,
    /// AVX2: four lanes.
    Avx2,
    /// AVX-512 (F, DQ): eight lanes.
    Avx512,
}

impl Level {
    /// All levels, the least first.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];

    /// The variable that holds the level down, for comparisons: `scalar`, `avx2` or `avx512`.
    pub const VARIABLE: &'static str = "GOLDILOCKS_LEVEL";

    /// The level that kernels use: the best of this processor, unless the environment asks for less. Read once.
    pub fn current() -> Self {
        static CURRENT: OnceLock<Level> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let best = Self::best();
            let asked = std::env::var(Self::VARIABLE).ok();
            let asked = Self::ALL.into_iter().find(|level| Some(level.name()) == asked.as_deref());
            asked.map_or(best, |asked| asked.min(best))
        })
    }

    /// The best level that this processor has.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512dq") {
                return Self::Avx512;
            }
            if std::is_x86_feature_detected!("avx2") {
                return Self::Avx2;
            }
        }
        Self::Scalar
    }

    /// The word for it in the environment and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}
