//! Either decoder, from an encoder's patch grids.

use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::{Error, Result, Tensor};

use super::{LinearDecoder, UperNet, UperNetSettings};
use crate::convolution::NormKind;
use crate::pyramid::{FeatureMap, MultiBlockPyramid, MultiBlockPyramidSettings};

/// Which decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecoderKind {
    /// One product per patch.
    Linear,
    /// A pyramid of four blocks and UperNet.
    Upernet,
}

/// What a decoder is built for.
#[derive(Debug, Clone)]
pub struct DecoderSettings<'a> {
    /// Which.
    pub kind: DecoderKind,
    /// Channels of the patch grids.
    pub input: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Classes of pixels.
    pub classes: usize,
    /// UperNet: its channels.
    pub width: usize,
    /// UperNet: strides of the four levels in pixels, the finest first.
    pub strides: &'a [f64],
    /// UperNet: norms.
    pub norm: NormKind,
}

/// From patch grids to logits.
#[derive(Debug, Clone)]
pub enum SegmentationDecoder {
    /// On the last grid.
    Linear(LinearDecoder),
    /// On four of them.
    UperNet(MultiBlockPyramid, Box<UperNet>),
}

impl SegmentationDecoder {
    /// Declares a decoder.
    ///
    /// # Errors
    /// Strides that can't be reached.
    pub fn new(specs: &mut ParamSpecs, settings: &DecoderSettings<'_>) -> Result<Self> {
        let &DecoderSettings { kind, input, patch, classes, width, strides, norm } = settings;
        match kind {
            DecoderKind::Linear => Ok(Self::Linear(LinearDecoder::new(specs, input, classes))),
            DecoderKind::Upernet => {
                let pyramid = MultiBlockPyramidSettings { input, patch, strides, norm };
                let net = UperNetSettings { levels: strides.len(), input, width, classes, norm };
                let pyramid = MultiBlockPyramid::new(specs, pyramid)?;
                Ok(Self::UperNet(pyramid, Box::new(UperNet::new(specs, net))))
            }
        }
    }

    /// The numbers of blocks after which it wants the patch grid.
    pub fn blocks(&self, depth: usize) -> Vec<usize> {
        match self {
            Self::Linear(_) => vec![depth],
            Self::UperNet(..) => MultiBlockPyramid::blocks(depth).to_vec(),
        }
    }

    /// Patch grids, as [`SegmentationDecoder::blocks`] asks for them -> logits [B, classes, H, W].
    ///
    /// # Errors
    /// Another number of grids, or the backend's failure.
    pub fn forward(&self, params: &Params, grids: &[FeatureMap]) -> Result<Tensor> {
        match self {
            Self::Linear(linear) => {
                let last = grids.last().ok_or_else(|| Error::failure("no patch grid to decode"))?;
                linear.forward(params, last)
            }
            Self::UperNet(pyramid, net) => net.forward(params, &pyramid.forward(params, grids)?),
        }
    }
}
