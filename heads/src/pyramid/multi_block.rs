//! The pyramid that BEiT and MAE give to UperNet (Bao et al. 2022; He et al. 2022, appendix A.4).

use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::{Error, Result};

use super::{FeatureMap, Rescale};
use crate::convolution::NormKind;

/// Four maps, one from the end of each quarter of the blocks, rescaled by 4, 2, 1 and 1/2: the earliest
/// becomes the finest. Channels stay.
#[derive(Debug, Clone)]
pub struct MultiBlockPyramid {
    levels: Vec<Rescale>,
}

impl MultiBlockPyramid {
    /// Declares `pyramid.LEVEL.*` for maps of `input` channels.
    ///
    /// # Errors
    /// None for these factors.
    pub fn new(specs: &mut ParamSpecs, input: usize, norm: NormKind) -> Result<Self> {
        let levels = (0..Rescale::FACTORS.len())
            .map(|i| {
                let level = |specs: &mut ParamSpecs| {
                    Rescale::new(specs, Rescale::FACTORS[i], input, false, norm)
                };
                Ok(specs.scope(&format!("pyramid.{i}"), level)?.0)
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
        let level = |((rescale, grid), factor): ((&Rescale, &FeatureMap), f64)| {
            Ok(FeatureMap {
                values: rescale.forward(params, &grid.values)?,
                stride: grid.stride / factor,
            })
        };
        self.levels.iter().zip(grids).zip(Rescale::FACTORS).map(level).collect()
    }
}
