//! The instructions that kernels use: the best that the processor and the system have, or fewer by
//! `PALIMPSEST_CPU`.

use std::fmt;
use std::sync::OnceLock;

/// The environment variable that asks for fewer instructions than there are.
pub const VARIABLE: &str = "PALIMPSEST_CPU";

/// A set of instructions; each has those before it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every processor of the architecture has: SSE2 on x86-64, NEON on aarch64.
    Scalar,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL. Where the processor has AVX512-BF16 too, products of bfloat16 use it.
    Avx512,
    /// Tiles for products of bfloat16 (AMX-TILE and AMX-BF16) that the system grants this process.
    Amx,
}

impl Level {
    /// All of them, the lowest first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Avx2, Self::Avx512, Self::Amx];

    /// The name that [`VARIABLE`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
        }
    }

    /// The best that this machine has.
    pub fn highest() -> Self {
        static HIGHEST: OnceLock<Level> = OnceLock::new();
        *HIGHEST.get_or_init(detect)
    }

    /// The level that kernels run at in this process: what [`VARIABLE`] asks for when it is first looked at, and
    /// the highest where it asks for none, or for one that isn't there. See [`Level::asked_for`].
    pub fn current() -> Self {
        static CURRENT: OnceLock<Level> = OnceLock::new();
        *CURRENT.get_or_init(|| Self::asked_for().unwrap_or_else(|_| Self::highest()))
    }

    /// What [`VARIABLE`] asks for.
    ///
    /// # Errors
    /// No level's name, or a level that this machine doesn't have: the message says which there are.
    pub fn asked_for() -> Result<Self, String> {
        let Some(text) = std::env::var_os(VARIABLE) else { return Ok(Self::highest()) };
        let text = text.to_string_lossy();
        match Self::ALL.into_iter().find(|level| level.name() == text) {
            // Nobody asks the system for tiles then: what it grants stays granted, and costs each signal's stack more room.
            Some(level) if level < Self::Amx && level <= detect_vectors() => Ok(level),
            _ => Self::parse(&text, Self::highest()),
        }
    }

    fn parse(text: &str, highest: Self) -> Result<Self, String> {
        let there = Self::ALL.into_iter().filter(|level| *level <= highest).map(Self::name);
        let there = there.collect::<Vec<_>>().join(", ");
        match Self::ALL.into_iter().find(|level| level.name() == text) {
            _ if text.is_empty() => Ok(highest),
            Some(level) if level <= highest => Ok(level),
            Some(_) => Err(format!("{VARIABLE}={text}: this machine has no {text}, but {there}")),
            None => {
                Err(format!("{VARIABLE}={text} names no level of instructions; this machine has {there}"))
            }
        }
    }

    /// Whether products of bfloat16 have instructions of their own at this level, rather than being widened.
    pub fn multiplies_bf16(self) -> bool {
        self >= Self::Amx || (self == Self::Avx512 && has_avx512_bf16())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn detect() -> Level {
    match detect_vectors() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 if has_avx512_bf16() && crate::amx::granted() => Level::Amx,
        level => level,
    }
}

/// The highest level but for tiles, which the system has to be asked for.
#[cfg(target_arch = "x86_64")]
fn detect_vectors() -> Level {
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        return Level::Scalar;
    }
    let wide = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    if wide { Level::Avx512 } else { Level::Avx2 }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512_bf16() -> bool {
    is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn detect_vectors() -> Level {
    Level::Scalar
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512_bf16() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_up_to_the_machines_level() {
        assert_eq!(Level::parse("avx2", Level::Avx512), Ok(Level::Avx2));
        assert_eq!(Level::parse("", Level::Avx2), Ok(Level::Avx2));
        let error = Level::parse("amx", Level::Avx512).expect_err("not there");
        assert!(error.contains("no amx, but scalar, avx2, avx512"), "{error}");
        assert!(Level::parse("sse9", Level::Avx2).expect_err("no name").contains("names no level"));
        assert!(Level::ALL.windows(2).all(|two| two[0] < two[1]));
    }
}
