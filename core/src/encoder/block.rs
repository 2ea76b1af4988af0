//! A pre-norm transformer block with LayerScale (Touvron et al., CaiT, 2021) and drop path (Huang
//! et al., stochastic depth, 2016).
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use super::attention::Tapped;
use super::{BlockContext, Probabilities};
use crate::Result;
use crate::backend::NoGrad;
use crate::draws::Draws;
use crate::layer::{LayerNorm, Linear};
use crate::params::{Init, ParamId, ParamSpecs, Params};
use crate::random::Stream;
use crate::tensor::{DeviceHandle, Tensor};

/// The extents of a block.
#[derive(Debug, Clone)]
pub struct BlockSettings {
    /// Width of a token.
    pub dim: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the hidden layer.
    pub hidden: usize,
    /// Initial gain of the residual branches; none for 0.
    pub layer_scale: f64,
    /// Initial values of matrices.
    pub init: Init,
}

/// x + gain * attention(norm(x)), then x + gain * mlp(norm(x)).
#[derive(Debug, Clone)]
pub struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    gain1: Option<ParamId>,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    gain2: Option<ParamId>,
    heads: usize,
}

impl Block {
    /// Declares the block's parameters under timm's names.
    pub fn new(specs: &mut ParamSpecs, settings: &BlockSettings) -> Self {
        let BlockSettings { dim, heads, hidden, layer_scale, init } = settings.clone();
        let gain = |specs: &mut ParamSpecs, name: &str| {
            (layer_scale > 0.0).then(|| specs.declare(name, [dim], Init::Constant(layer_scale as f32), false))
        };
        Self {
            norm1: LayerNorm::new(specs, "norm1", dim),
            qkv: Linear::new(specs, "attn.qkv", dim, 3 * dim, init.clone()),
            proj: Linear::new(specs, "attn.proj", dim, dim, init.clone()),
            gain1: gain(specs, "ls1.gamma"),
            norm2: LayerNorm::new(specs, "norm2", dim),
            fc1: Linear::new(specs, "mlp.fc1", dim, hidden, init.clone()),
            fc2: Linear::new(specs, "mlp.fc2", hidden, dim, init),
            gain2: gain(specs, "ls2.gamma"),
            heads,
        }
    }

    /// x [B, N, D] -> the same shape. `index` is the block's number for drop path and taps.
    pub fn forward(
        &self,
        params: &Params,
        x: &Tensor,
        index: usize,
        context: &BlockContext<'_>,
    ) -> Result<(Tensor, Option<Probabilities>)> {
        let (dtype, compute) = (x.dtype(), params.compute());
        let qkv = self.qkv.forward_as(params, &self.norm1.forward(params, x)?, compute)?;
        let (mixed, probs) = self.attend(&qkv, index, context)?;
        let probs = probs.map(|probs| probs.cast(dtype)).transpose()?;
        let branch = self.proj.forward_as(params, &mixed, dtype)?;
        let keep = |branch| context.drop_path.and_then(|drop| drop.keep(index, branch));
        let x = x.residual(&branch, self.gain1.map(|id| &params[id]), keep(0))?;
        let hidden = self.fc1.forward_gelu(params, &self.norm2.forward(params, &x)?)?;
        let branch = self.fc2.forward_as(params, &hidden, dtype)?;
        let x = x.residual(&branch, self.gain2.map(|id| &params[id]), keep(1))?;
        Ok((x, probs.map(|values| Probabilities { block: index, values })))
    }

    /// Attention of packed queries, keys and values, in their type.
    fn attend(
        &self,
        qkv: &Tensor,
        index: usize,
        context: &BlockContext<'_>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let bias = context.bias.map(|bias| bias.cast(qkv.dtype())).transpose()?;
        let bias = bias.as_ref();
        match context.tap.of(index) {
            Tapped::No => Ok((qkv.self_attention(bias, self.heads)?, None)),
            Tapped::Differentiate => {
                let probs = qkv.attention_probs(bias, self.heads)?;
                let mixed = probs.attention_apply(qkv, self.heads)?;
                Ok((mixed, Some(probs)))
            }
            Tapped::Observe => {
                let mixed = qkv.self_attention(bias, self.heads)?;
                let device = qkv.device();
                let _quiet = NoGrad::new(&*device.backend);
                let probs = qkv.attention_probs(bias, self.heads)?;
                Ok((mixed, Some(probs)))
            }
        }
    }
}

/// Which residual branches are kept, per image: factors [B, 1, 1] of 0 or 1 / (1 - rate).
pub struct DropPath {
    keep: Vec<[Option<Tensor>; 2]>,
}

impl DropPath {
    /// Draws the branches of `depth` blocks; the rate of block i is `rate * i / (depth - 1)`.
    pub fn draw(
        device: &DeviceHandle,
        draws: Draws,
        batch: usize,
        depth: usize,
        rate: f64,
        dtype: crate::DType,
    ) -> Result<Self> {
        let mut streams: Vec<_> = (0..batch).map(|i| draws.stream(Stream::DropPath, i)).collect();
        let mut keep = Vec::with_capacity(depth);
        for block in 0..depth {
            let rate = rate * block as f64 / (depth.max(2) - 1) as f64;
            let mut branch = || -> Result<Option<Tensor>> {
                let factors: Vec<f32> = streams
                    .iter_mut()
                    .map(|random| if random.uniform_f64() < rate { 0.0 } else { (1.0 / (1.0 - rate)) as f32 })
                    .collect();
                (rate > 0.0).then(|| device.floats([batch, 1, 1], factors, dtype)).transpose()
            };
            keep.push([branch()?, branch()?]);
        }
        Ok(Self { keep })
    }

    fn keep(&self, block: usize, branch: usize) -> Option<&Tensor> {
        self.keep.get(block).and_then(|branches| branches[branch].as_ref())
    }
}
