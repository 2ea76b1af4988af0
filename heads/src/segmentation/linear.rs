//! The linear segmentation head: what a patch's token says of its pixels.

use palimpsest_core::params::{Init, ParamSpecs, Params};
use palimpsest_core::{Result, Tensor};

use crate::convolution::{Conv2d, ConvExtents, LayerNorm2d};
use crate::pyramid::FeatureMap;

/// A layer norm and one product per patch; the logits are then enlarged to the image (Segmenter's
/// linear decoder, Strudel et al. 2021).
#[derive(Debug, Clone)]
pub struct LinearDecoder {
    norm: LayerNorm2d,
    classify: Conv2d,
}

impl LinearDecoder {
    /// Declares `decode.norm` and `decode.classify` for maps of `input` channels.
    pub fn new(specs: &mut ParamSpecs, input: usize, classes: usize) -> Self {
        specs.scope("decode", |specs| Self {
            norm: LayerNorm2d::new(specs, "norm", input),
            classify: Conv2d::new(
                specs,
                "classify",
                ConvExtents { input, output: classes, kernel: 1 },
                Init::TruncatedNormal(0.02),
                Some(0.0),
            ),
        })
    }

    /// The last patch grid -> logits [B, classes, H, W] of the patches.
    pub fn forward(&self, params: &Params, grid: &FeatureMap) -> Result<Tensor> {
        self.classify.forward(params, &self.norm.forward(params, &grid.values)?)
    }
}
