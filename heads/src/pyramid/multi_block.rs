//! The pyramid that BEiT and MAE give to UperNet (Bao et al. 2022; He et al. 2022, appendix A.4).

use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::{Error, Result};

use super::{FeatureMap, Rescale, RescaleSettings};
use crate::convolution::NormKind;

/// What a pyramid of several blocks' maps is built for.
#[derive(Debug, Clone, Copy)]
pub struct MultiBlockPyramidSettings<'a> {
    /// Channels of the patch grids.
    pub input: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Strides of the four levels in pixels, the finest first.
    pub strides: &'a [f64],
    /// Norms.
    pub norm: NormKind,
}

/// Four maps, one from the end of each quarter of the blocks, rescaled to four strides: the earliest
/// becomes the finest. Channels stay.
#[derive(Debug, Clone)]
pub struct MultiBlockPyramid {
    levels: Vec<(Rescale, f64)>,
}

impl MultiBlockPyramid {
    /// Declares `pyramid.LEVEL.*`.
    ///
    /// # Errors
    /// Other than four strides, or some that can't be reached.
    pub fn new(specs: &mut ParamSpecs, settings: MultiBlockPyramidSettings<'_>) -> Result<Self> {
        let MultiBlockPyramidSettings { input, patch, strides, norm } = settings;
        if strides.len() != 4 {
            return Err(Error::user(format!("{} strides for the maps of four blocks", strides.len()))
                .help("give four, as [4.0, 8.0, 16.0, 32.0]"));
        }
        let levels = strides
            .iter()
            .enumerate()
            .map(|(i, &stride)| {
                let level = RescaleSettings { patch: patch as f64, stride, input, narrowing: false, norm };
                let (rescale, _) =
                    specs.scope(&format!("pyramid.{i}"), |specs| Rescale::new(specs, level))?;
                Ok((rescale, stride))
            })
            .collect::<Result<_>>()?;
        Ok(Self { levels })
    }

    /// The numbers of blocks after which maps are taken: 3, 6, 9 and 12 of 12.
    pub fn blocks(depth: usize) -> [usize; 4] {
        [1, 2, 3, 4].map(|quarter| (depth * quarter).div_ceil(4))
    }

    /// Four patch grids -> four levels, the finest first.
    ///
    /// # Errors
    /// Another number of maps, or the backend's failure.
    pub fn forward(&self, params: &Params, grids: &[FeatureMap]) -> Result<Vec<FeatureMap>> {
        if grids.len() != self.levels.len() {
            return Err(Error::failure(format!("a pyramid of four levels from {} maps", grids.len())));
        }
        let level = |((rescale, stride), grid): (&(Rescale, f64), &FeatureMap)| {
            Ok(FeatureMap { values: rescale.forward(params, &grid.values)?, stride: *stride })
        };
        self.levels.iter().zip(grids).map(level).collect()
    }
}
