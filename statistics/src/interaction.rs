//! The interaction of two changes in a 2 x 2 design whose cells are paired by seed: Yates, "The design and analysis of
//! factorial experiments" (1937).

use crate::{Error, Scores};

/// Scores of the four cells of a 2 x 2 design, each with the same seeds in the same order.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    /// Without either change.
    pub neither: &'a [f64],
    /// With the first alone.
    pub first: &'a [f64],
    /// With the second alone.
    pub second: &'a [f64],
    /// With both.
    pub both: &'a [f64],
}

impl Cells<'_> {
    /// The difference of differences of each seed: (both - second) - (first - neither). Above 0 where the changes help each
    /// other, below where they do the same thing twice. To be tested by [`sign_flip`](crate::sign_flip()); its mean is the
    /// coefficient of `a:b` in R's `lm(score ~ a * b)` with factors coded 0 and 1. It varies as four scores do: with
    /// independent cells its standard deviation is sqrt(2) times that of a plain difference.
    ///
    /// # Errors
    /// If the cells differ in length or are empty, or a score is not finite.
    pub fn interaction(&self) -> Result<Vec<f64>, Error> {
        let with_second = Scores { candidate: self.both, baseline: self.second }.differences()?;
        let without = Scores { candidate: self.first, baseline: self.neither }.differences()?;
        Scores { candidate: &with_second, baseline: &without }.differences()
    }
}
