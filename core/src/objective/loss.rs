//! Losses with their names, and their sum.

use crate::Result;
use crate::tensor::Tensor;

/// A named scalar of a step.
#[derive(Debug, Clone)]
pub struct NamedLoss {
    /// The objective's name in the recipe.
    pub name: String,
    /// The factor in the total.
    pub weight: f64,
    /// The loss, a scalar.
    pub value: Tensor,
}

impl NamedLoss {
    /// The weighted sum, a scalar; `None` where no loss has a weight.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn total(losses: &[Self]) -> Result<Option<Tensor>> {
        let mut total: Option<Tensor> = None;
        for loss in losses.iter().filter(|loss| loss.weight != 0.0) {
            let term = loss.value.mul_scalar(loss.weight)?;
            total = Some(match total {
                Some(total) => total.add(&term)?,
                None => term,
            });
        }
        Ok(total)
    }
}
