//! Statistics of comparisons over seeds: few runs, paired by seed, on one task or several.
//!
//! | question | here |
//! |---|---|
//! | does the candidate differ from the baseline, given n paired runs? | [`sign_flip()`] |
//! | by how much? | [`hodges_lehmann()`], [`mean_interval()`] |
//! | how often is it better? | [`improvement`](Scores::improvement), [`paired_improvement`](Scores::paired_improvement) |
//! | what holds over several tasks? | [`interquartile_mean()`] in a [`Bootstrap`], [`mean_improvement`] |
//! | which of several comparisons stand? | [`holm()`] |
//! | does one figure rise with another over the settings of a study? | [`rank_correlation()`] |
//! | do two changes help each other? | [`interaction`](Cells::interaction), then [`sign_flip()`] |
//! | does the pre-training's seed matter, or the head's? | [`variance_components()`] |
//! | how sure is one run's accuracy, given so many test images? | [`Accuracy`] |
//!
//! Nothing here is random: what is drawn is a function of a seed ([`Draws`]). Values that are not finite are refused, not
//! passed on. Each file names its formula's source and the function of scipy, statsmodels or R that gives the same
//! figures; the tests compare with those.

mod bootstrap;
mod check;
mod draws;
mod error;
mod hodges_lehmann;
mod holm;
mod interaction;
mod interquartile_mean;
mod interval;
mod mean_interval;
mod paired;
mod probability_of_improvement;
mod proportion;
mod quantile;
mod rank_correlation;
mod sign_flip;
mod signed_rank;
mod variance_components;

pub use bootstrap::{Bootstrap, BootstrapInterval};
pub use draws::Draws;
pub use error::Error;
pub use hodges_lehmann::{HodgesLehmann, ShiftInterval, hodges_lehmann};
pub use holm::holm;
pub use interaction::Cells;
pub use interquartile_mean::interquartile_mean;
pub use interval::Interval;
pub use mean_interval::{MeanInterval, mean_interval};
pub use paired::Scores;
pub use probability_of_improvement::{mean_improvement, mean_improvement_interval};
pub use proportion::Accuracy;
pub use rank_correlation::{RankCorrelation, rank_correlation};
pub use sign_flip::{EXACT_LIMIT, Patterns, Sides, SignFlip, least_p, sign_flip};
pub use variance_components::{VarianceComponents, variance_components};
