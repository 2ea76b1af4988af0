//! Scores of numbers: errors and R2, as scikit-learn has them.

use palimpsest_core::{Error, Result};

/// Scores over all images; the means are over the values, each of which counts alike
/// (scikit-learn's `multioutput="uniform_average"`). A number that is missing counts nowhere.
#[derive(Debug, Clone, PartialEq)]
pub struct RegressionScores {
    /// The mean R2 of the values that have one; none where none has.
    pub r2: Option<f64>,
    /// The mean of the values' mean absolute errors.
    pub mae: f64,
    /// The mean of the values' root mean squared errors.
    pub rmse: f64,
    /// Value by value; none of a value that no image has.
    pub values: Vec<Option<ValueScores>>,
}

/// Scores of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueScores {
    /// 1 - squared errors / squared differences from the mean. Where all images have one number, 1 if each is predicted
    /// exactly and else 0 (`r2_score` with `force_finite`). None of a single image.
    pub r2: Option<f64>,
    /// Mean absolute error.
    pub mae: f64,
    /// Root mean squared error.
    pub rmse: f64,
    /// Images that have the value.
    pub images: usize,
}

impl ValueScores {
    /// Of (number, prediction) of each image; none without any.
    fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        if pairs.is_empty() {
            return None;
        }
        let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
        let centre = mean(&|pair| pair.0);
        let (error, spread) =
            (mean(&|pair| (pair.0 - pair.1).powi(2)), mean(&|pair| (pair.0 - centre).powi(2)));
        let r2 = match (error, spread) {
            (_, spread) if spread > 0.0 => 1.0 - error / spread,
            (0.0, _) => 1.0,
            _ => 0.0,
        };
        Some(Self {
            r2: (pairs.len() > 1).then_some(r2),
            mae: mean(&|pair| (pair.0 - pair.1).abs()),
            rmse: error.sqrt(),
            images: pairs.len(),
        })
    }
}

impl RegressionScores {
    /// Of `values` numbers of each image and their predictions, both [images, values].
    ///
    /// # Errors
    /// Other numbers of them, predictions that are not finite, or no image with a number.
    pub fn of(values: usize, truths: &[Option<f32>], predictions: &[f32]) -> Result<Self> {
        if truths.len() != predictions.len() || !truths.len().is_multiple_of(values.max(1)) {
            let (truths, predictions) = (truths.len(), predictions.len());
            return Err(Error::failure(format!(
                "{predictions} predictions of {truths} numbers, {values} an image"
            )));
        }
        if let Some(at) = predictions.iter().position(|prediction| !prediction.is_finite()) {
            return Err(Error::failure(format!("the predictions of image {} are not finite", at / values)));
        }
        let of_value = |value: usize| {
            let own = truths.iter().zip(predictions).skip(value).step_by(values);
            let known = own.filter_map(|(truth, &found)| Some((f64::from((*truth)?), f64::from(found))));
            ValueScores::of(&known.collect::<Vec<_>>())
        };
        let all: Vec<Option<ValueScores>> = (0..values).map(of_value).collect();
        let scored: Vec<ValueScores> = all.iter().flatten().copied().collect();
        if scored.is_empty() {
            return Err(Error::user("no test image has a number").help("give test images their numbers"));
        }
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let r2: Vec<f64> = scored.iter().filter_map(|value| value.r2).collect();
        Ok(Self {
            r2: (!r2.is_empty()).then(|| mean(r2)),
            mae: mean(scored.iter().map(|value| value.mae).collect()),
            rmse: mean(scored.iter().map(|value| value.rmse).collect()),
            values: all,
        })
    }
}
