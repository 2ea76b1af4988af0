//! The interval of an accuracy over test images: Wilson, "Probable inference, the law of succession, and statistical
//! inference" (1927).
//!
//! The same figures: `statsmodels.stats.proportion.proportion_confint(method="wilson")`,
//! `scipy.stats.binomtest(k, n).proportion_ci(method="wilson")`, R's `prop.test(k, n, correct = FALSE)`.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::{Error, Interval, check};

/// The accuracy of one trained model: how many of the test images it has right.
///
/// Its interval says what other test images would do to this model. That is another thing than what other seeds would do
/// on these images, which standard deviations over seeds say; the two answer different questions and are never added.
/// Models compared on the same images share most of the uncertainty that is meant here, so the interval of their
/// difference does not follow from theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accuracy {
    /// Images whose class is right.
    pub correct: u64,
    /// All test images.
    pub images: u64,
}

impl Accuracy {
    /// Wilson's interval at `level`: the p with |share - p| <= z sqrt(p (1 - p) / n). Always inside 0 to 1, also where all
    /// or none are right.
    ///
    /// # Errors
    /// If there are no images or more right than there are, or the level is not between 0 and 1.
    pub fn interval(&self, level: f64) -> Result<Interval, Error> {
        check::level(level)?;
        let Self { correct, images } = *self;
        if images == 0 || correct > images {
            return Err(Error::Count { correct, images });
        }
        let z = Normal::standard().inverse_cdf((1.0 + level) / 2.0);
        let (n, share) = (images as f64, correct as f64 / images as f64);
        let shrunk = 1.0 + z * z / n;
        let centre = (share + z * z / (2.0 * n)) / shrunk;
        let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt() / shrunk;
        // Exact at the ends, where the difference of two equal numbers is only nearly 0.
        let low = if correct == 0 { 0.0 } else { centre - half };
        let high = if correct == images { 1.0 } else { centre + half };
        Ok(Interval { low, high })
    }
}
