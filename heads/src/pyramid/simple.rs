//! ViTDet's simple feature pyramid (Li et al., "Exploring plain vision transformer backbones for object
//! detection", 2022, section 3).

use palimpsest_core::Result;
use palimpsest_core::params::{ParamSpecs, Params};

use super::{FeatureMap, Rescale};
use crate::convolution::{ConvBlock, NormKind, he_normal};

/// What a simple pyramid is built for.
#[derive(Debug, Clone)]
pub struct SimplePyramidSettings<'a> {
    /// Channels of the patch grid.
    pub input: usize,
    /// Channels of every level.
    pub width: usize,
    /// Resolutions of the levels as multiples of the patch grid's, the finest first.
    pub scales: &'a [f64],
}

/// All levels from the last map alone: rescaled, then 1x1 and 3x3 convolutions, each with a layer norm.
#[derive(Debug, Clone)]
pub struct SimplePyramid {
    levels: Vec<Level>,
}

#[derive(Debug, Clone)]
struct Level {
    scale: f64,
    rescale: Rescale,
    reduce: ConvBlock,
    smooth: ConvBlock,
}

impl SimplePyramid {
    /// Declares `pyramid.LEVEL.*`, the finest level first.
    ///
    /// # Errors
    /// A scale other than 4, 2, 1 or 0.5.
    pub fn new(specs: &mut ParamSpecs, settings: &SimplePyramidSettings<'_>) -> Result<Self> {
        let &SimplePyramidSettings { input, width, scales } = settings;
        let level = |specs: &mut ParamSpecs, scale: f64| {
            let (rescale, channels) = Rescale::new(specs, scale, input, true, NormKind::Layer)?;
            let mut conv = |name: &str, extents: [usize; 3]| {
                ConvBlock::new(specs, name, extents, (NormKind::Layer, false), he_normal(width, extents[2]))
            };
            let reduce = conv("reduce", [channels, width, 1]);
            let smooth = conv("smooth", [width, width, 3]);
            Ok(Level { scale, rescale, reduce, smooth })
        };
        let levels = (0..scales.len())
            .map(|i| specs.scope(&format!("pyramid.{i}"), |specs| level(specs, scales[i])))
            .collect::<Result<_>>()?;
        Ok(Self { levels })
    }

    /// The patch grid -> levels, each with `width` channels.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn forward(&self, params: &Params, grid: &FeatureMap) -> Result<Vec<FeatureMap>> {
        let level = |level: &Level| {
            let x = level.rescale.forward(params, &grid.values)?;
            let x = level.smooth.forward(params, &level.reduce.forward(params, &x)?)?;
            Ok(FeatureMap { values: x, stride: grid.stride / level.scale })
        };
        self.levels.iter().map(level).collect()
    }
}
