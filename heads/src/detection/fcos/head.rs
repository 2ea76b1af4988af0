//! The two towers, shared by all levels.

use palimpsest_core::params::{Init, ParamSpecs, Params};
use palimpsest_core::{Error, Result, Tensor};

use super::targets::{Point, points};
use crate::activation::relu;
use crate::convolution::{Conv2d, ConvExtents, GroupNorm};
use crate::detection::anchors::LevelExtents;
use crate::pyramid::FeatureMap;

/// How an FCOS head is built.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FcosSettings {
    /// Channels of every level.
    pub width: usize,
    /// Convolutions in each tower.
    pub convs: usize,
    /// Classes of objects.
    pub classes: usize,
}

/// What the head says of all places of all levels, N in all, level by level and row by row.
#[derive(Debug, Clone)]
pub struct FcosOutputs {
    /// [B, N, classes] logits.
    pub classes: Tensor,
    /// [B, N, 4]: distances to the left, top, right and bottom edge, in strides.
    pub distances: Tensor,
    /// [B, N, 1] logits.
    pub centreness: Tensor,
    /// The places.
    pub points: Vec<Point>,
}

/// The head.
#[derive(Debug, Clone)]
pub struct FcosHead {
    classification: Vec<(Conv2d, GroupNorm)>,
    regression: Vec<(Conv2d, GroupNorm)>,
    classes: Conv2d,
    distances: Conv2d,
    centreness: Conv2d,
}

impl FcosHead {
    /// The probability of every class at the start, so that the many places of background don't
    /// swamp the first steps.
    const PRIOR: f32 = 0.01;
    /// The largest logarithm of a distance in strides.
    const FARTHEST: f64 = 6.0;

    /// Declares `fcos.*`.
    pub fn new(specs: &mut ParamSpecs, settings: &FcosSettings) -> Self {
        let &FcosSettings { width, convs, classes } = settings;
        let init = || Init::TruncatedNormal(0.01);
        let extents = |output| ConvExtents { input: width, output, kernel: 3 };
        specs.scope("fcos", |specs| {
            let mut tower = |name: &str| {
                (0..convs)
                    .map(|i| {
                        specs.scope(&format!("{name}.{i}"), |specs| {
                            (
                                Conv2d::new(specs, "conv", extents(width), init(), Some(0.0)),
                                GroupNorm::new(specs, "norm", width, GroupNorm::groups(width, 1)),
                            )
                        })
                    })
                    .collect()
            };
            let (classification, regression) = (tower("classification"), tower("regression"));
            let bias = -((1.0 - Self::PRIOR) / Self::PRIOR).ln();
            let mut last =
                |name: &str, output, bias| Conv2d::new(specs, name, extents(output), init(), Some(bias));
            Self {
                classification,
                regression,
                classes: last("classes", classes, bias),
                distances: last("distances", 4, 0.0),
                centreness: last("centreness", 1, 0.0),
            }
        })
    }

    /// Levels of `width` channels, the finest first -> what is said of every place.
    pub fn forward(&self, params: &Params, levels: &[FeatureMap]) -> Result<FcosOutputs> {
        let mut extents = vec![];
        let mut parts: [Vec<Tensor>; 3] = Default::default();
        for level in levels {
            let [_, _, height, width] = level.values.shape().array()?;
            extents.push(LevelExtents { height, width, stride: level.stride });
            let classified = tower(params, &self.classification, &level.values)?;
            let regressed = tower(params, &self.regression, &level.values)?;
            // Exponentials keep distances positive.
            let distances =
                self.distances.forward(params, &regressed)?.clamp(-Self::FARTHEST, Self::FARTHEST)?.exp()?;
            for (part, map) in parts.iter_mut().zip([
                self.classes.forward(params, &classified)?,
                distances,
                self.centreness.forward(params, &regressed)?,
            ]) {
                part.push(by_place(&map)?);
            }
        }
        if parts[0].is_empty() {
            return Err(Error::failure("an FCOS head without levels"));
        }
        let [classes, distances, centreness] =
            parts.map(|part| Tensor::concat(&part.iter().collect::<Vec<_>>(), 1));
        Ok(FcosOutputs {
            classes: classes?,
            distances: distances?,
            centreness: centreness?,
            points: points(&extents),
        })
    }
}

fn tower(params: &Params, layers: &[(Conv2d, GroupNorm)], x: &Tensor) -> Result<Tensor> {
    layers
        .iter()
        .try_fold(x.clone(), |x, (conv, norm)| relu(&norm.forward(params, &conv.forward(params, &x)?)?))
}

/// [B, C, H, W] -> [B, H W, C].
fn by_place(map: &Tensor) -> Result<Tensor> {
    let [b, c, h, w] = map.shape().array()?;
    map.permute(&[0, 2, 3, 1])?.reshape([b, h * w, c])
}
