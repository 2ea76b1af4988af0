//! What a head is shown of the encoder.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use std::ops::Range;

use crate::Result;
use crate::encoder::{BlockContext, Encoder};
use crate::geometry::Geometry;
use crate::params::Params;
use crate::pooling::Pooling;
use crate::tensor::Tensor;

/// A feature that a head asks for: the tokens after some of the encoder's blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// The number of blocks that the tokens went through, at least 1.
    pub blocks: usize,
    /// Whether the encoder's final norm is applied.
    pub norm: bool,
}

impl Feature {
    /// The tokens after the last block, normed: what pre-training restores from.
    pub fn last(geometry: &Geometry) -> Self {
        Self { blocks: geometry.depth, norm: true }
    }

    /// The tokens after `blocks` blocks as they are.
    pub fn after(blocks: usize) -> Self {
        Self { blocks, norm: false }
    }
}

/// The features that a head asked for, in the order it asked.
pub struct HeadFeatures {
    tokens: Vec<Tensor>,
    geometry: Geometry,
}

impl HeadFeatures {
    /// From tokens [B, P + L, D] for each feature.
    pub fn new(tokens: Vec<Tensor>, geometry: Geometry) -> Self {
        Self { tokens, geometry }
    }

    /// The encoder's extents.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// All tokens [B, P + L, D] of a feature.
    ///
    /// # Panics
    /// If fewer features were asked for.
    pub fn tokens(&self, feature: usize) -> &Tensor {
        &self.tokens[feature]
    }

    /// One vector an image, [B, width].
    ///
    /// # Errors
    /// No class token, a grid that doesn't divide, or the backend's failure.
    ///
    /// # Panics
    /// As [`HeadFeatures::tokens`]; so for those below.
    pub fn pooled(&self, feature: usize, pooling: Pooling) -> Result<Tensor> {
        pooling.check(&self.geometry)?;
        pooling.pool(&self.tokens[feature], &self.geometry)
    }

    /// The class token, [B, D].
    ///
    /// # Errors
    /// As [`HeadFeatures::pooled`].
    pub fn class_token(&self, feature: usize) -> Result<Tensor> {
        self.pooled(feature, Pooling::Class)
    }

    /// The mean of the patch tokens, [B, D].
    ///
    /// # Errors
    /// As [`HeadFeatures::pooled`].
    pub fn mean(&self, feature: usize) -> Result<Tensor> {
        self.pooled(feature, Pooling::Mean)
    }

    /// The patch tokens as an image, [B, D, H / p, W / p].
    pub fn grid(&self, feature: usize) -> Result<Tensor> {
        let g = &self.geometry;
        let [batch, _, dim] = self.tokens[feature].shape().array()?;
        self.tokens[feature].narrow(1, g.prefix, g.tokens())?.permute(&[0, 2, 1])?.reshape([
            batch,
            dim,
            g.grid_h(),
            g.grid_w(),
        ])
    }
}

/// Runs blocks `range` on tokens, and keeps those that a feature wants of the inner ones: the result,
/// and (blocks, tokens) of each number of blocks that is wanted but for the encoder's whole depth.
pub(crate) fn run_blocks(
    encoder: &dyn Encoder,
    params: &Params,
    mut tokens: Tensor,
    range: Range<usize>,
    features: &[Feature],
    context: &BlockContext<'_>,
) -> Result<(Tensor, Vec<(usize, Tensor)>)> {
    let depth = encoder.geometry().depth;
    let inner = |blocks: &usize| *blocks > range.start && *blocks <= range.end && *blocks < depth;
    let mut cuts: Vec<usize> = features.iter().map(|f| f.blocks).filter(inner).collect();
    cuts.push(range.end);
    cuts.sort_unstable();
    cuts.dedup();
    let (mut start, mut kept) = (range.start, vec![]);
    for cut in cuts {
        tokens = encoder.blocks(params, tokens, start..cut, context)?.0;
        start = cut;
        if features.iter().any(|f| f.blocks == cut && cut < depth) {
            kept.push((cut, tokens.clone()));
        }
    }
    Ok((tokens, kept))
}

/// The features from the last block's tokens and those that [`run_blocks`] kept.
pub(crate) fn collect(
    encoder: &dyn Encoder,
    params: &Params,
    last: &Tensor,
    kept: &[(usize, Tensor)],
    features: &[Feature],
) -> Result<HeadFeatures> {
    let tokens = features
        .iter()
        .map(|feature| {
            let inner = kept.iter().find(|(blocks, _)| *blocks == feature.blocks);
            let tokens = inner.map_or(last, |(_, tokens)| tokens);
            if feature.norm { encoder.norm(params, tokens) } else { Ok(tokens.clone()) }
        })
        .collect::<Result<_>>()?;
    Ok(HeadFeatures::new(tokens, *encoder.geometry()))
}

/// The features of clean patches [B, L, C*p*p], without drop path.
pub fn encode(
    encoder: &dyn Encoder,
    params: &Params,
    patches: &Tensor,
    features: &[Feature],
) -> Result<HeadFeatures> {
    let tokens = encoder.assemble(params, &encoder.embed(params, patches)?, None)?;
    let depth = encoder.geometry().depth;
    let (last, kept) = run_blocks(encoder, params, tokens, 0..depth, features, &BlockContext::default())?;
    collect(encoder, params, &last, &kept, features)
}
