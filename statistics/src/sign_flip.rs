//! The sign-flip (permutation) test of paired differences: Fisher, "The Design of Experiments" (1935), section 21; Pitman,
//! "Significance tests which may be applied to samples from any populations" (1937).
//!
//! If the two variants of each pair may be swapped, each difference is as likely as its negative, and all 2^n patterns of
//! signs are equally likely. The p-value is the share of patterns whose mean is at least as extreme as the one observed,
//! which is itself among them. It needs no normal distribution, and is exact for any n.
//!
//! The same figures: `scipy.stats.permutation_test((d,), numpy.mean, permutation_type="samples", n_resamples=numpy.inf)`,
//! but where scores are rounded: there it can miss ties, and its p is then too small. Its two-sided p is twice the smaller
//! one-sided one, which is the same thing here, as the distribution is symmetric.

use crate::draws::Stream;
use crate::{Draws, Error, check};

/// Up to so many differences all patterns are gone through: 65,536 of 16.
pub const EXACT_LIMIT: usize = 16;

/// Sums that differ by less than this share of the sum of all |d| are equal: a tie with the observed sum has to count, and
/// in floating point the sums of 0.01 + 0.02 - 0.03 and of its negative differ in the last digit. The measure is the sum of
/// |d| and not the observed sum (as in scipy), which may itself be nothing but rounding. Rounding is far below it: some
/// n * 1e-16, and as scores near 1 are rounded before they are subtracted, 1e-16 / |d|: 1e-12 where accuracies differ by
/// 1e-4. What differs in truth is far above it: with accuracies of a million images and 16 seeds, two sums differ by 6e-8 of
/// the largest sum possible.
const TIE: f64 = 1e-10;

/// How many tails count as extreme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// A difference in either direction.
    Two,
    /// A difference in the direction named beforehand.
    One,
}

/// Which patterns of signs were gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patterns {
    /// All of them, so many: p is exact.
    All(u32),
    /// So many draws: p = (1 + count) / (1 + draws), which is valid for any number of draws (Phipson and Smyth,
    /// "Permutation p-values should never be zero", 2010).
    Drawn(u32),
}

/// What [`sign_flip`] gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignFlip {
    /// The mean of the differences.
    pub mean: f64,
    /// p of: there is no difference.
    pub two_sided: f64,
    /// p against: the differences are above 0.
    pub greater: f64,
    /// p against: the differences are below 0.
    pub less: f64,
    /// Which patterns were gone through.
    pub patterns: Patterns,
}

/// The sign-flip test of paired `differences`: with all patterns up to [`EXACT_LIMIT`] differences, where `draws` are not
/// used, and with drawn ones beyond. Differences of 0 stay: they make no pattern more or less extreme. Sums that are equal
/// but for rounding count as ties, if the scores are f64: of scores that once were f32 they can't be told.
///
/// # Errors
/// If there are no differences, one is not finite, or no draws are asked for where they are needed.
pub fn sign_flip(differences: &[f64], draws: Draws) -> Result<SignFlip, Error> {
    check::enough("paired differences", differences, 1)?;
    let mut tails = Tails::of(differences);
    let patterns = if differences.len() <= EXACT_LIMIT {
        let all = 1_u32 << differences.len();
        for pattern in 0..all {
            tails.count(signed_sum(differences, |k| pattern >> k & 1 == 1));
        }
        Patterns::All(all)
    } else {
        if draws.count == 0 {
            return Err(Error::NoDraws);
        }
        // The observed pattern is one of those that were possible.
        tails.count(tails.observed);
        for draw in 0..draws.count {
            let mut random = draws.generator(Stream::Sign, 0, draw);
            let mut bits = 0;
            let sum = signed_sum(differences, |k| {
                if k % 32 == 0 {
                    bits = random.next_u32();
                }
                bits >> (k % 32) & 1 == 1
            });
            tails.count(sum);
        }
        Patterns::Drawn(draws.count)
    };
    let share = |count: u64| count as f64 / tails.all as f64;
    Ok(SignFlip {
        mean: tails.observed / differences.len() as f64,
        two_sided: share(tails.either),
        greater: share(tails.above),
        less: share(tails.below),
        patterns,
    })
}

/// The least p-value that `n` paired differences can give: 1 / 2^n for one side, twice that for two (5 seeds: 0.0625, so
/// five can't reach 0.05 on two sides). Each difference of 0 doubles it. Beyond [`EXACT_LIMIT`], where patterns are drawn, it
/// is 1 / (1 + draws) at least, of [`Draws::default`].
pub fn least_p(n: usize, sides: Sides) -> f64 {
    let one = 0.5_f64.powi(i32::try_from(n).unwrap_or(i32::MAX));
    let exact = match sides {
        Sides::One => one,
        Sides::Two => (2.0 * one).min(1.0),
    };
    if n <= EXACT_LIMIT { exact } else { exact.max(1.0 / (1.0 + f64::from(Draws::default().count))) }
}

/// The sum of `values`, each with its sign turned round where `flipped` says so. Asks for each in turn.
fn signed_sum(values: &[f64], mut flipped: impl FnMut(usize) -> bool) -> f64 {
    values.iter().enumerate().map(|(k, value)| if flipped(k) { -value } else { *value }).sum()
}

/// How many patterns are at least as extreme as the observed one.
struct Tails {
    observed: f64,
    tie: f64,
    all: u64,
    above: u64,
    below: u64,
    either: u64,
}

impl Tails {
    fn of(differences: &[f64]) -> Self {
        let tie = TIE * differences.iter().map(|value| value.abs()).sum::<f64>();
        Self { observed: signed_sum(differences, |_| false), tie, all: 0, above: 0, below: 0, either: 0 }
    }

    fn count(&mut self, sum: f64) {
        self.all += 1;
        self.above += u64::from(sum >= self.observed - self.tie);
        self.below += u64::from(sum <= self.observed + self.tie);
        self.either += u64::from(sum.abs() >= self.observed.abs() - self.tie);
    }
}
