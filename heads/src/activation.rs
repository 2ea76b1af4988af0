//! Activations composed of core's operations.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use palimpsest_core::{Result, Tensor};

/// max(x, 0).
pub fn relu(x: &Tensor) -> Result<Tensor> {
    x.clamp(0.0, f64::MAX)
}

/// 1 / (1 + e^-x), by the hyperbolic tangent, which does not overflow.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    x.mul_scalar(0.5)?.tanh()?.add_scalar(1.0)?.mul_scalar(0.5)
}

/// ln(1 + e^x). What keeps the exponents small is detached: it only shifts a sum of exponentials, so
/// that the derivative is the sigmoid at every x, 0 included.
pub fn softplus(x: &Tensor) -> Result<Tensor> {
    let shift = relu(&x.detach()?)?;
    x.sub(&shift)?.exp()?.add(&shift.neg()?.exp()?)?.log()?.add(&shift)
}
