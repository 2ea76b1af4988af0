//! Either decoder, from an encoder's patch grids.

use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::{Error, Result, Tensor};

use super::{LinearDecoder, UperNet};
use crate::convolution::NormKind;
use crate::pyramid::{FeatureMap, MultiBlockPyramid};

/// Which decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecoderKind {
    /// One product per patch.
    Linear,
    /// A pyramid of four blocks and UperNet.
    Upernet,
}

/// From patch grids to logits.
#[derive(Debug, Clone)]
pub enum SegmentationDecoder {
    /// On the last grid.
    Linear(LinearDecoder),
    /// On four of them.
    UperNet(MultiBlockPyramid, UperNet),
}

impl SegmentationDecoder {
    /// Declares a decoder on maps of `input` channels.
    ///
    /// # Errors
    /// None for the kinds that there are.
    pub fn new(
        specs: &mut ParamSpecs,
        kind: DecoderKind,
        (input, width, classes): (usize, usize, usize),
        norm: NormKind,
    ) -> Result<Self> {
        match kind {
            DecoderKind::Linear => Ok(Self::Linear(LinearDecoder::new(specs, input, classes))),
            DecoderKind::Upernet => {
                let pyramid = MultiBlockPyramid::new(specs, input, norm)?;
                Ok(Self::UperNet(pyramid, UperNet::new(specs, (4, input), width, classes, norm)))
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
