//! The norms of an encoder.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use crate::Result;
use crate::layer::LayerNorm;
use crate::params::{Init, ParamId, ParamSpecs, Params};
use crate::tensor::Tensor;

/// Which norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// Layer norm (Ba et al. 2016).
    Layer,
    /// Root mean square norm, without mean and bias (Zhang and Sennrich 2019).
    Rms,
}

/// What the norms of an encoder have in common.
#[derive(Debug, Clone, Copy)]
pub struct NormSettings {
    /// Which.
    pub kind: NormKind,
    /// What is added to the variance.
    pub eps: f64,
}

impl Default for NormSettings {
    fn default() -> Self {
        Self { kind: NormKind::Layer, eps: 1e-6 }
    }
}

/// A norm over the last axis, in the weights' type.
#[derive(Debug, Clone)]
pub enum Norm {
    /// Layer norm.
    Layer(LayerNorm),
    /// Root mean square norm: x / sqrt(mean(x^2) + eps) * gain.
    Rms {
        /// \[width\].
        gain: ParamId,
        /// What is added to the mean square.
        eps: f64,
    },
}

impl Norm {
    /// Declares `name.weight`, and for a layer norm `name.bias`.
    pub fn new(specs: &mut ParamSpecs, name: &str, width: usize, settings: NormSettings) -> Self {
        match settings.kind {
            NormKind::Layer => Self::Layer(LayerNorm::new(specs, name, width).with_eps(settings.eps)),
            NormKind::Rms => Self::Rms {
                gain: specs.declare(&format!("{name}.weight"), [width], Init::Constant(1.0), false),
                eps: settings.eps,
            },
        }
    }

    /// x [.., width] -> the same shape.
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Layer(norm) => norm.forward(params, x),
            Self::Rms { gain, eps } => {
                let last = x.shape().rank() - 1;
                let scale = x.mul(x)?.mean(&[last])?.add_scalar(*eps)?.pow_scalar(-0.5)?;
                x.mul(&scale)?.mul(&params[*gain])
            }
        }
    }
}
