//! Binary cross-entropy of logits.

use palimpsest_core::{Result, Tensor};

use crate::activation::softplus;

/// softplus(x) - x t for logits x and targets t in 0..=1, of one shape.
pub fn binary_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    softplus(logits)?.sub(&logits.mul(targets)?)
}
