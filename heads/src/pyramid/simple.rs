//! ViTDet's simple feature pyramid (Li et al., "Exploring plain vision transformer backbones for object
//! detection", 2022, section 3).

use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::{Error, Result};

use super::{FeatureMap, Rescale, RescaleSettings};
use crate::convolution::{ConvBlock, ConvBlockSettings, ConvExtents, NormKind, he_normal};

/// What a simple pyramid is built for.
#[derive(Debug, Clone)]
pub struct SimplePyramidSettings<'a> {
    /// Channels of the patch grid.
    pub input: usize,
    /// Channels of every level.
    pub width: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Strides of the levels in pixels, the finest first.
    pub strides: &'a [f64],
}

/// All levels from the last map alone: rescaled, then 1x1 and 3x3 convolutions, each with a layer norm.
#[derive(Debug, Clone)]
pub struct SimplePyramid {
    levels: Vec<Level>,
}

#[derive(Debug, Clone)]
struct Level {
    stride: f64,
    rescale: Rescale,
    reduce: ConvBlock,
    smooth: ConvBlock,
}

impl SimplePyramid {
    /// Declares `pyramid.LEVEL.*`, the finest level first.
    ///
    /// # Errors
    /// Strides that can't be reached, or that don't grow.
    pub fn new(specs: &mut ParamSpecs, settings: &SimplePyramidSettings<'_>) -> Result<Self> {
        let &SimplePyramidSettings { input, width, patch, strides } = settings;
        check_order(strides)?;
        let level = |specs: &mut ParamSpecs, stride: f64| {
            let norm = NormKind::Layer;
            let rescale = RescaleSettings { patch: patch as f64, stride, input, narrowing: true, norm };
            let (rescale, channels) = Rescale::new(specs, rescale)?;
            let mut conv = |name: &str, input, kernel| {
                let extents = ConvExtents { input, output: width, kernel };
                let init = he_normal(width, kernel);
                ConvBlock::new(specs, name, ConvBlockSettings { extents, norm, relu: false, init })
            };
            let reduce = conv("reduce", channels, 1);
            let smooth = conv("smooth", width, 3);
            Ok(Level { stride, rescale, reduce, smooth })
        };
        let levels = (0..strides.len())
            .map(|i| specs.scope(&format!("pyramid.{i}"), |specs| level(specs, strides[i])))
            .collect::<Result<_>>()?;
        Ok(Self { levels })
    }

    /// The patch grid -> levels, each with `width` channels.
    pub fn forward(&self, params: &Params, grid: &FeatureMap) -> Result<Vec<FeatureMap>> {
        let level = |level: &Level| {
            let x = level.rescale.forward(params, &grid.values)?;
            let x = level.smooth.forward(params, &level.reduce.forward(params, &x)?)?;
            Ok(FeatureMap { values: x, stride: level.stride })
        };
        self.levels.iter().map(level).collect()
    }
}

fn check_order(strides: &[f64]) -> Result<()> {
    if !strides.is_empty() && strides.windows(2).all(|pair| pair[0] < pair[1]) {
        return Ok(());
    }
    Err(Error::user(format!("{strides:?} are no strides from fine to coarse"))
        .help("give them growing, as [4.0, 8.0, 16.0, 32.0]"))
}
