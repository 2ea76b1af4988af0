//! Focal loss (Lin et al., "Focal loss for dense object detection", 2017).

use palimpsest_core::{Result, Tensor};

use super::binary_cross_entropy;
use crate::activation::sigmoid;

/// The two numbers of focal loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FocalSettings {
    /// The weight of targets of 1; those of 0 have 1 - alpha.
    pub alpha: f64,
    /// How strongly elements that are right already are weighed down.
    pub gamma: f64,
}

impl Default for FocalSettings {
    fn default() -> Self {
        Self { alpha: 0.25, gamma: 2.0 }
    }
}

/// alpha_t (1 - p_t)^gamma times the cross-entropy of logits against targets of 0 and 1, of one shape.
pub fn focal(logits: &Tensor, targets: &Tensor, settings: FocalSettings) -> Result<Tensor> {
    let p = sigmoid(logits)?;
    // 1 - p_t = p + t - 2 p t
    let wrong = p.add(targets)?.sub(&p.mul(targets)?.mul_scalar(2.0)?)?;
    let weight = targets.mul_scalar(2.0 * settings.alpha - 1.0)?.add_scalar(1.0 - settings.alpha)?;
    binary_cross_entropy(logits, targets)?.mul(&wrong.pow_scalar(settings.gamma)?)?.mul(&weight)
}
