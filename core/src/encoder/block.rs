//! A transformer block with LayerScale (Touvron et al., CaiT, 2021) and drop path (Huang et al., stochastic depth, 2016).
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use super::self_attention::{AttentionSettings, SelfAttention};
use super::{BlockContext, Mlp, MlpSettings, Norm, NormSettings, Probabilities};
use crate::Result;
use crate::draws::Draws;
use crate::params::{Init, ParamId, ParamSpecs, Params};
use crate::random::Stream;
use crate::tensor::{DeviceHandle, Tensor};

/// Where the norms of a block are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormPlacement {
    /// x + gain * branch(norm(x)).
    Pre,
    /// x + gain * norm(branch(x)): Swin V2's residual post-norm.
    ResPost,
}

/// The extents and parts of a block.
#[derive(Debug, Clone)]
pub struct BlockSettings {
    /// Width of a token.
    pub dim: usize,
    /// Initial gain of the residual branches; none for 0.
    pub layer_scale: f64,
    /// The norms of the branches.
    pub norm: NormSettings,
    /// Where they are applied.
    pub placement: NormPlacement,
    /// Attention.
    pub attention: AttentionSettings,
    /// The MLP.
    pub mlp: MlpSettings,
}

impl BlockSettings {
    /// The block of the vision transformer (Dosovitskiy et al. 2021), without gains.
    pub fn plain(dim: usize, heads: usize, hidden: usize, init: Init) -> Self {
        Self {
            dim,
            layer_scale: 0.0,
            norm: NormSettings::default(),
            placement: NormPlacement::Pre,
            attention: AttentionSettings::plain(heads, init.clone()),
            mlp: MlpSettings {
                kind: super::MlpKind::Gelu,
                hidden,
                bias: true,
                norm: None,
                out_init: init.clone(),
                init,
            },
        }
    }
}

/// Attention, then an MLP, each a residual branch.
#[derive(Debug, Clone)]
pub struct Block {
    norm1: Norm,
    attention: SelfAttention,
    gain1: Option<ParamId>,
    norm2: Norm,
    mlp: Mlp,
    gain2: Option<ParamId>,
    placement: NormPlacement,
}

impl Block {
    /// Declares the block's parameters under timm's names.
    pub fn new(specs: &mut ParamSpecs, settings: &BlockSettings) -> Self {
        let BlockSettings { dim, layer_scale, norm, placement, ref attention, ref mlp } = *settings;
        let gain = |specs: &mut ParamSpecs, name: &str| {
            (layer_scale > 0.0).then(|| specs.declare(name, [dim], Init::Constant(layer_scale as f32), false))
        };
        Self {
            norm1: Norm::new(specs, "norm1", dim, norm),
            attention: SelfAttention::new(specs, dim, attention),
            gain1: gain(specs, "ls1.gamma"),
            norm2: Norm::new(specs, "norm2", dim, norm),
            mlp: Mlp::new(specs, dim, mlp),
            gain2: gain(specs, "ls2.gamma"),
            placement,
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
        let dtype = x.dtype();
        let before = |norm: &Norm, x: &Tensor| match self.placement {
            NormPlacement::Pre => norm.forward(params, x),
            NormPlacement::ResPost => Ok(x.clone()),
        };
        let after = |norm: &Norm, branch: Tensor| match self.placement {
            NormPlacement::Pre => Ok(branch),
            NormPlacement::ResPost => norm.forward(params, &branch),
        };
        let keep = |branch| context.drop_path.and_then(|drop| drop.keep(index, branch));
        let (branch, probs) =
            self.attention.forward(params, &before(&self.norm1, x)?, dtype, index, context)?;
        let branch = after(&self.norm1, branch)?;
        let x = x.residual(&branch, self.gain1.map(|id| &params[id]), keep(0))?;
        let branch = self.mlp.forward(params, &before(&self.norm2, &x)?, dtype)?;
        let branch = after(&self.norm2, branch)?;
        let x = x.residual(&branch, self.gain2.map(|id| &params[id]), keep(1))?;
        Ok((x, probs.map(|values| Probabilities { block: index, values })))
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
