//! The two layers that everything is made of.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use crate::Result;
use crate::params::{Init, ParamId, ParamSpecs, Params};
use crate::tensor::{DType, OpKind, Tensor};

/// A linear layer with weight [out, in] and bias.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: ParamId,
    bias: Option<ParamId>,
}

impl Linear {
    /// Declares `name.weight` and `name.bias`.
    pub fn new(specs: &mut ParamSpecs, name: &str, input: usize, output: usize, init: Init) -> Self {
        specs.scope(name, |specs| Self {
            weight: specs.declare("weight", [output, input], init, true),
            bias: Some(specs.declare("bias", [output], Init::Constant(0.0), false)),
        })
    }

    /// Declares `name.weight`, and `name.bias` only where there is one.
    pub fn with_bias_if(
        bias: bool,
        specs: &mut ParamSpecs,
        name: &str,
        input: usize,
        output: usize,
        init: Init,
    ) -> Self {
        if bias {
            return Self::new(specs, name, input, output, init);
        }
        let weight = specs.declare(&format!("{name}.weight"), [output, input], init, true);
        Self { weight, bias: None }
    }

    /// x [.., in] -> [.., out], multiplied in the compute type and returned in x's.
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        self.forward_as(params, x, x.dtype())
    }

    /// [`Linear::forward`], returned in `dtype`: what another product takes next need not leave the compute type.
    pub fn forward_as(&self, params: &Params, x: &Tensor, dtype: DType) -> Result<Tensor> {
        self.forward_with_bias(params, x, self.bias.map(|bias| &params[bias]), dtype)
    }

    /// [`Linear::forward_as`] with a bias `[out]` that is put together elsewhere, or none.
    pub fn forward_with_bias(
        &self,
        params: &Params,
        x: &Tensor,
        bias: Option<&Tensor>,
        dtype: DType,
    ) -> Result<Tensor> {
        let compute = params.compute();
        let weight = params[self.weight].cast(compute)?;
        let bias = bias.map(|bias| bias.cast(compute)).transpose()?;
        x.cast(compute)?.linear(&weight, bias.as_ref())?.cast(dtype)
    }

    /// x [.., in] -> GELU of [.., out], for another product. It stays in the compute type where the backend's GELU takes
    /// that: such a kernel computes in f32 and rounds once, as casts before and after it would.
    pub fn forward_gelu(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let (device, compute) = (x.device(), params.compute());
        let takes = device.backend.supports(OpKind::Gelu, compute, device.id);
        self.forward_as(params, x, if takes { compute } else { x.dtype() })?.gelu()
    }
}

/// Layer norm over the last axis, always in the weights' type.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    gain: ParamId,
    bias: ParamId,
    eps: f64,
}

impl LayerNorm {
    /// Declares `name.weight` and `name.bias`.
    pub fn new(specs: &mut ParamSpecs, name: &str, width: usize) -> Self {
        specs.scope(name, |specs| Self {
            gain: specs.declare("weight", [width], Init::Constant(1.0), false),
            bias: specs.declare("bias", [width], Init::Constant(0.0), false),
            eps: 1e-6,
        })
    }

    /// The norm with another number that is added to the variance than 1e-6.
    #[must_use]
    pub fn with_eps(self, eps: f64) -> Self {
        Self { eps, ..self }
    }

    /// x [.., width] -> the same shape.
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        x.layer_norm(&params[self.gain], &params[self.bias], self.eps)
    }
}
