//! UperNet (Xiao et al., "Unified perceptual parsing", 2018) as mmsegmentation builds its `UPerHead`: pyramid
//! pooling on the coarsest map, a feature pyramid network, and a fusion of all levels.

use palimpsest_core::params::{Init, ParamSpecs, Params};
use palimpsest_core::tensor::Interpolation;
use palimpsest_core::{Error, Result, Tensor};

use crate::convolution::{
    Conv2d, ConvBlock, ConvBlockSettings, ConvExtents, NormKind, adaptive_average_pool, he_normal,
};
use crate::pyramid::FeatureMap;

/// PSPNet's pyramid pooling (Zhao et al. 2017): averages over an image's 1, 2 x 2, 3 x 3 and 6 x 6
/// parts, each through a 1x1 convolution, enlarged again and put beside the map, then a 3x3 one.
#[derive(Debug, Clone)]
pub struct PyramidPooling {
    parts: Vec<(usize, ConvBlock)>,
    bottleneck: ConvBlock,
}

impl PyramidPooling {
    /// The numbers of parts along a side.
    pub const PARTS: [usize; 4] = [1, 2, 3, 6];

    /// Declares `ppm.PART.*` and `ppm.bottleneck.*`.
    pub fn new(specs: &mut ParamSpecs, input: usize, width: usize, norm: NormKind) -> Self {
        specs.scope("ppm", |specs| {
            let parts = Self::PARTS
                .iter()
                .enumerate()
                .map(|(i, &part)| {
                    let extents = ConvExtents { input, output: width, kernel: 1 };
                    (part, block(specs, &i.to_string(), extents, norm))
                })
                .collect();
            let all = input + Self::PARTS.len() * width;
            let extents = ConvExtents { input: all, output: width, kernel: 3 };
            Self { parts, bottleneck: block(specs, "bottleneck", extents, norm) }
        })
    }

    /// x [B, input, H, W] -> [B, width, H, W].
    pub fn forward(&self, params: &Params, x: &Tensor) -> Result<Tensor> {
        let [_, _, h, w] = x.shape().array()?;
        let mut maps = vec![x.clone()];
        for (part, conv) in &self.parts {
            let pooled = conv.forward(params, &adaptive_average_pool(x, *part)?)?;
            maps.push(pooled.interpolate(h, w, Interpolation::Bilinear)?);
        }
        self.bottleneck.forward(params, &Tensor::concat(&maps.iter().collect::<Vec<_>>(), 1)?)
    }
}

/// How an UperNet is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UperNetSettings {
    /// Levels of the pyramid.
    pub levels: usize,
    /// Channels of each.
    pub input: usize,
    /// Channels within.
    pub width: usize,
    /// Classes of pixels.
    pub classes: usize,
    /// Norms.
    pub norm: NormKind,
}

/// From a pyramid's levels to logits at the finest one's resolution.
#[derive(Debug, Clone)]
pub struct UperNet {
    lateral: Vec<ConvBlock>,
    pooling: PyramidPooling,
    smooth: Vec<ConvBlock>,
    fuse: ConvBlock,
    classify: Conv2d,
}

impl UperNet {
    /// Declares `decode.*`.
    pub fn new(specs: &mut ParamSpecs, settings: UperNetSettings) -> Self {
        let UperNetSettings { levels, input, width, classes, norm } = settings;
        let extents = |input, kernel| ConvExtents { input, output: width, kernel };
        specs.scope("decode", |specs| {
            let mut blocks = |name: &str, extents| -> Vec<ConvBlock> {
                (0..levels - 1).map(|i| block(specs, &format!("{name}.{i}"), extents, norm)).collect()
            };
            let lateral = blocks("lateral", extents(input, 1));
            let smooth = blocks("smooth", extents(width, 3));
            Self {
                lateral,
                pooling: PyramidPooling::new(specs, input, width, norm),
                smooth,
                fuse: block(specs, "fuse", extents(levels * width, 3), norm),
                classify: Conv2d::new(
                    specs,
                    "classify",
                    ConvExtents { input: width, output: classes, kernel: 1 },
                    Init::TruncatedNormal(0.01),
                    Some(0.0),
                ),
            }
        })
    }

    /// Levels, the finest first -> logits [B, classes, H, W] at the finest one's resolution.
    ///
    /// # Errors
    /// Another number of levels, or the backend's failure.
    pub fn forward(&self, params: &Params, levels: &[FeatureMap]) -> Result<Tensor> {
        self.classify.forward(params, &self.fused(params, levels)?)
    }

    /// Levels -> the fused map [B, width, H, W] that is classified.
    ///
    /// # Errors
    /// As [`UperNet::forward`].
    pub fn fused(&self, params: &Params, levels: &[FeatureMap]) -> Result<Tensor> {
        let coarsest = match levels.split_last() {
            Some((last, rest)) if rest.len() == self.lateral.len() => last,
            _ => {
                return Err(Error::failure(format!(
                    "an UperNet of {} levels was given {}",
                    self.lateral.len() + 1,
                    levels.len()
                )));
            }
        };
        // From the coarsest down, each added to the next finer.
        let mut above = self.pooling.forward(params, &coarsest.values)?;
        let mut merged = vec![above.clone()];
        for (lateral, level) in self.lateral.iter().zip(levels).rev() {
            let own = lateral.forward(params, &level.values)?;
            above = own.add(&like(&above, &own)?)?;
            merged.push(above.clone());
        }
        merged.reverse();
        for (smooth, map) in self.smooth.iter().zip(&mut merged) {
            *map = smooth.forward(params, map)?;
        }
        let enlarged = merged.iter().map(|map| like(map, &merged[0])).collect::<Result<Vec<_>>>()?;
        self.fuse.forward(params, &Tensor::concat(&enlarged.iter().collect::<Vec<_>>(), 1)?)
    }
}

fn block(specs: &mut ParamSpecs, name: &str, extents: ConvExtents, norm: NormKind) -> ConvBlock {
    let init = he_normal(extents.output, extents.kernel);
    ConvBlock::new(specs, name, ConvBlockSettings { extents, norm, relu: true, init })
}

/// `x` in the height and width of `other`.
fn like(x: &Tensor, other: &Tensor) -> Result<Tensor> {
    let ([_, _, h, w], [_, _, own_h, own_w]) = (other.shape().array()?, x.shape().array()?);
    if (h, w) == (own_h, own_w) { Ok(x.clone()) } else { x.interpolate(h, w, Interpolation::Bilinear) }
}
