//! Smooth L1 loss (Girshick, Fast R-CNN, 2015).

use palimpsest_core::{Result, Tensor};

/// d^2 / (2 beta) for differences |d| below `beta`, |d| - beta / 2 above.
pub fn smooth_l1(x: &Tensor, targets: &Tensor, beta: f64) -> Result<Tensor> {
    let difference = x.sub(targets)?.abs()?;
    // With c = min(d, beta), both branches are c (d - c / 2) / beta, and so are their derivatives.
    let near = difference.clamp(0.0, beta)?;
    near.mul(&difference.sub(&near.mul_scalar(0.5)?)?)?.mul_scalar(1.0 / beta)
}
