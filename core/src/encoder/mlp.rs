//! The MLP of a block.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use super::norm::{Norm, NormSettings};
use crate::Result;
use crate::layer::Linear;
use crate::params::{Init, ParamSpecs, Params};
use crate::tensor::{DType, Tensor};

/// What lies between the two linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MlpKind {
    /// GELU (Hendrycks and Gimpel 2016).
    Gelu,
    /// GELU by its tanh formula (SigLIP).
    GeluTanh,
    /// SiLU of one half times the other, the gate first (Shazeer 2020; DINOv2-g, DINOv3-7B, EVA-02, AIMv2).
    Swiglu,
}

/// The extents of an MLP.
#[derive(Debug, Clone)]
pub struct MlpSettings {
    /// What lies between.
    pub kind: MlpKind,
    /// Width of the hidden layer; a gated one has as much again for its gate.
    pub hidden: usize,
    /// Whether the linear layers have biases.
    pub bias: bool,
    /// A norm of the hidden layer before the second linear layer (EVA-02's sub-LN).
    pub norm: Option<NormSettings>,
    /// Initial values of matrices.
    pub init: Init,
    /// How the last one starts.
    pub out_init: Init,
}

/// Two linear layers and what lies between them.
#[derive(Debug, Clone)]
pub struct Mlp {
    kind: MlpKind,
    hidden: usize,
    fc1: Linear,
    norm: Option<Norm>,
    fc2: Linear,
}

impl Mlp {
    /// Declares `fc1`, `norm` and `fc2` under `mlp`, as timm names them; `fc1` of a gated MLP is [2 hidden, D], gate first.
    pub fn new(specs: &mut ParamSpecs, dim: usize, settings: &MlpSettings) -> Self {
        let MlpSettings { kind, hidden, bias, norm, init, out_init } = settings.clone();
        let wide = if kind == MlpKind::Swiglu { 2 * hidden } else { hidden };
        Self {
            kind,
            hidden,
            fc1: Linear::with_bias_if(bias, specs, "mlp.fc1", dim, wide, init.clone()),
            norm: norm.map(|norm| Norm::new(specs, "mlp.norm", hidden, norm)),
            fc2: Linear::with_bias_if(bias, specs, "mlp.fc2", hidden, dim, out_init),
        }
    }

    /// x [.., D] -> the same shape, in `dtype`.
    pub fn forward(&self, params: &Params, x: &Tensor, dtype: DType) -> Result<Tensor> {
        let mut hidden = match self.kind {
            MlpKind::Gelu => self.fc1.forward_gelu(params, x)?,
            MlpKind::GeluTanh => gelu_tanh(&self.fc1.forward(params, x)?)?,
            MlpKind::Swiglu => {
                let both = self.fc1.forward(params, x)?;
                let (last, hidden) = (both.shape().rank() - 1, self.hidden);
                both.narrow(last, 0, hidden)?.silu()?.mul(&both.narrow(last, hidden, hidden)?)?
            }
        };
        if let Some(norm) = &self.norm {
            hidden = norm.forward(params, &hidden.cast(dtype)?)?;
        }
        self.fc2.forward_as(params, &hidden, dtype)
    }
}

/// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), PyTorch's GELU with `approximate="tanh"`.
fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    let cube = x.mul(x)?.mul(x)?.mul_scalar(0.044_715)?;
    let inner = x.add(&cube)?.mul_scalar((2.0 / std::f64::consts::PI).sqrt())?;
    x.mul(&inner.tanh()?.add_scalar(1.0)?)?.mul_scalar(0.5)
}
