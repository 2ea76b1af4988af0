//! A convolution with its norm, and perhaps ReLU.

use palimpsest_core::params::{Init, ParamSpecs, Params};
use palimpsest_core::{Result, Tensor};

use super::{Conv2d, ConvExtents, GroupNorm, LayerNorm2d, Norm2d};
use crate::activation::relu;

/// How feature maps are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// Over the channels of each pixel.
    Layer,
    /// Over groups of channels of an image: up to 32, of at least 16.
    Group,
}

impl NormKind {
    /// The least number of channels in a group: what 32 groups have in a decoder of 512. In smaller groups, a
    /// map of one pixel, as pyramid pooling has it, would keep little but the signs of its values.
    const GROUP: usize = 16;

    /// Declares a norm of this kind.
    pub fn declare(self, specs: &mut ParamSpecs, name: &str, channels: usize) -> Norm2d {
        match self {
            Self::Layer => Norm2d::Layer(LayerNorm2d::new(specs, name, channels)),
            Self::Group => {
                Norm2d::Group(GroupNorm::new(specs, name, channels, GroupNorm::groups(channels, Self::GROUP)))
            }
        }
    }
}

/// How a convolution with its norm is built.
#[derive(Debug, Clone)]
pub struct ConvBlockSettings {
    /// The convolution's.
    pub extents: ConvExtents,
    /// The norm.
    pub norm: NormKind,
    /// Whether ReLU follows.
    pub relu: bool,
    /// What the kernel starts from.
    pub init: Init,
}

/// A convolution without bias, a norm and, if asked for, ReLU.
#[derive(Debug, Clone)]
pub struct ConvBlock {
    conv: Conv2d,
    norm: Norm2d,
    relu: bool,
}

impl ConvBlock {
    /// Declares `name.conv` and `name.norm`.
    pub fn new(specs: &mut ParamSpecs, name: &str, settings: ConvBlockSettings) -> Self {
        let ConvBlockSettings { extents, norm, relu, init } = settings;
        specs.scope(name, |specs| Self {
            conv: Conv2d::new(specs, "conv", extents, init, None),
            norm: norm.declare(specs, "norm", extents.output),
            relu,
        })
    }

    /// x [B, input, H, W] -> [B, output, H, W].
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let y = self.norm.forward(params, &self.conv.forward(params, x)?)?;
        if self.relu { relu(&y) } else { Ok(y) }
    }
}
