//! Why a statistic was refused.

use std::fmt;

/// Why a statistic was refused. Its text is one sentence: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// There are fewer values than the statistic needs.
    TooFew {
        /// What is counted: "paired differences", "tasks".
        of: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        least: usize,
    },
    /// A value is NaN or infinite.
    NotFinite {
        /// Which one, from 0.
        position: usize,
        /// The value.
        value: f64,
    },
    /// Scores that belong together by seed are not as many on both sides.
    Unpaired {
        /// How many the first side has.
        first: usize,
        /// How many the other has.
        second: usize,
    },
    /// A confidence level is not between 0 and 1.
    Level {
        /// The level.
        level: f64,
    },
    /// A p-value is not in 0..=1.
    PValue {
        /// Which one, from 0.
        position: usize,
        /// The value.
        value: f64,
    },
    /// No draws were asked for where chance has to be drawn.
    NoDraws,
    /// More images are right than there are.
    Count {
        /// How many are right.
        correct: u64,
        /// How many there are.
        images: u64,
    },
    /// A statistic of drawn values is NaN or infinite.
    Statistic {
        /// At which draw, from 0; none at the values themselves.
        draw: Option<u32>,
        /// What it gave.
        value: f64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew { of, found, least } => {
                write!(f, "{of}: {found} of them, where at least {least} are needed; add runs")
            }
            Self::NotFinite { position, value } => {
                write!(
                    f,
                    "value {position} (from 0) is {value}: without a finite score a run can't be compared; leave its seed out"
                )
            }
            Self::Unpaired { first, second } => {
                write!(
                    f,
                    "scores: {first} on one side, {second} on the other; pair them by seed, one of each"
                )
            }
            Self::Level { level } => {
                write!(f, "confidence level {level}: it is a share between 0 and 1, such as 0.95")
            }
            Self::PValue { position, value } => {
                write!(
                    f,
                    "p-value {position} (from 0) is {value}: it has to be in 0 to 1; leave out comparisons that have none"
                )
            }
            Self::NoDraws => write!(f, "draws: 0 of them; ask for some thousands"),
            Self::Count { correct, images } => {
                write!(
                    f,
                    "accuracy: {correct} right of {images} images; give counts of the same images, at least one"
                )
            }
            Self::Statistic { draw: Some(draw), value } => {
                write!(
                    f,
                    "draw {draw} (from 0): the statistic is {value}; give one that is finite for any values drawn"
                )
            }
            Self::Statistic { draw: None, value } => {
                write!(f, "statistic: it is {value} of the values themselves; give one that is finite")
            }
        }
    }
}

impl std::error::Error for Error {}
