//! Losses of numbers, of which some may be missing.

use palimpsest_core::{Error, Result, Tensor};

use crate::detection::loss::smooth_l1;

/// What is made of differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueLoss {
    /// Squares for differences below `beta`, absolute ones above.
    SmoothL1,
    /// Squares.
    L2,
}

impl ValueLoss {
    /// The loss of predictions against numbers, both [B, values], over those that are there; smooth L1 as PyTorch's
    /// `SmoothL1Loss`, L2 as its `MSELoss`.
    ///
    /// The sum is divided by the number of all entries, missing ones too: so the parts of a batch, which processes or
    /// accumulated steps have, add up to the batch.
    ///
    /// # Errors
    /// Another number of entries, or the backend's failure.
    pub fn of(self, predictions: &Tensor, numbers: &[Option<f32>], beta: f64) -> Result<Tensor> {
        let [batch, values] = predictions.shape().array()?;
        if numbers.len() != batch * values {
            return Err(Error::failure(format!("{} numbers for {batch} images of {values}", numbers.len())));
        }
        let upload = |of: &dyn Fn(&Option<f32>) -> f32| {
            let all = numbers.iter().map(of).collect();
            predictions.device().floats([batch, values], all, predictions.dtype())
        };
        let wanted = upload(&|number| number.unwrap_or(0.0))?;
        let losses = match self {
            Self::SmoothL1 => smooth_l1(predictions, &wanted, beta)?,
            Self::L2 => {
                let difference = predictions.sub(&wanted)?;
                difference.mul(&difference)?
            }
        };
        let there = upload(&|number| f32::from(u8::from(number.is_some())))?;
        losses.mul(&there)?.sum_all()?.mul_scalar(1.0 / (batch * values) as f64)
    }
}
