//! The region proposal network: at every anchor, whether there is an object, and its box.

use palimpsest_core::params::{Init, ParamSpecs, Params};
use palimpsest_core::random::Philox;
use palimpsest_core::{Error, Result, Tensor};

use crate::activation::relu;
use crate::convolution::{Conv2d, ConvExtents};
use crate::detection::BoxXyxy;
use crate::detection::anchors::{AnchorGenerator, LevelExtents};
use crate::detection::box_coder::BoxCoder;
use crate::detection::loss::{binary_cross_entropy, smooth_l1};
use crate::detection::matcher::{Match, Matcher};
use crate::detection::sampler::Sampler;
use crate::pyramid::FeatureMap;

/// Where smooth L1 turns from a square into a line.
pub(super) const BETA: f64 = 1.0 / 9.0;

/// The head, shared by all levels.
#[derive(Debug, Clone)]
pub struct RpnHead {
    convs: Vec<Conv2d>,
    objectness: Conv2d,
    deltas: Conv2d,
    anchors: AnchorGenerator,
}

/// What the head says of all anchors, N in all: level by level, place by place.
#[derive(Debug, Clone)]
pub struct RpnOutputs {
    /// [B, N] logits.
    pub objectness: Tensor,
    /// [B, N, 4] differences from the anchors.
    pub deltas: Tensor,
    /// The anchors of each level.
    pub anchors: Vec<Vec<BoxXyxy>>,
}

impl RpnHead {
    /// Declares `rpn.*` on levels of `width` channels.
    pub fn new(specs: &mut ParamSpecs, width: usize, convs: usize, anchors: AnchorGenerator) -> Self {
        let (init, places) = (|| Init::TruncatedNormal(0.01), anchors.per_place());
        specs.scope("rpn", |specs| {
            let mut conv = |name: &str, output, kernel| {
                let extents = ConvExtents { input: width, output, kernel };
                Conv2d::new(specs, name, extents, init(), Some(0.0))
            };
            Self {
                convs: (0..convs).map(|i| conv(&format!("conv.{i}"), width, 3)).collect(),
                objectness: conv("objectness", places, 1),
                deltas: conv("deltas", 4 * places, 1),
                anchors,
            }
        })
    }

    /// Levels, the finest first -> what is said of every anchor.
    ///
    /// # Errors
    /// No levels, or the backend's failure.
    pub fn forward(&self, params: &Params, levels: &[FeatureMap]) -> Result<RpnOutputs> {
        let places = self.anchors.per_place();
        let (mut objectness, mut deltas, mut extents) = (vec![], vec![], vec![]);
        for level in levels {
            let [b, _, height, width] = level.values.shape().array()?;
            extents.push(LevelExtents { height, width, stride: level.stride });
            let x = self
                .convs
                .iter()
                .try_fold(level.values.clone(), |x, conv| relu(&conv.forward(params, &x)?))?;
            // Channels are [anchor] and [anchor, 4].
            let count = height * width * places;
            objectness
                .push(self.objectness.forward(params, &x)?.permute(&[0, 2, 3, 1])?.reshape([b, count])?);
            deltas.push(self.deltas.forward(params, &x)?.permute(&[0, 2, 3, 1])?.reshape([b, count, 4])?);
        }
        if extents.is_empty() {
            return Err(Error::failure("a region proposal network without levels"));
        }
        Ok(RpnOutputs {
            objectness: Tensor::concat(&objectness.iter().collect::<Vec<_>>(), 1)?,
            deltas: Tensor::concat(&deltas.iter().collect::<Vec<_>>(), 1)?,
            anchors: self.anchors.generate(&extents),
        })
    }
}

/// Scalars.
#[derive(Debug, Clone)]
pub struct RpnLosses {
    /// Cross-entropy of the objectness.
    pub objectness: Tensor,
    /// Smooth L1 of the boxes.
    pub boxes: Tensor,
}

/// Which anchors a step trains on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnchorChoice {
    /// Which anchors find an object.
    pub matcher: Matcher,
    /// How many of them are taken.
    pub sampler: Sampler,
}

/// The losses on sampled anchors for the boxes of each image; `random` draws the samples of an image.
pub fn rpn_losses(
    outputs: &RpnOutputs,
    objects: &[Vec<BoxXyxy>],
    choice: &AnchorChoice,
    random: &mut dyn FnMut(usize) -> Philox,
) -> Result<RpnLosses> {
    let [b, n] = outputs.objectness.shape().array()?;
    let anchors: Vec<BoxXyxy> = outputs.anchors.iter().flatten().copied().collect();
    let (mut found, mut background, mut codes) = (vec![], vec![], vec![]);
    for (i, objects) in objects.iter().enumerate() {
        let matches = choice.matcher.match_boxes(objects, &anchors);
        let [on_objects, off] = choice.sampler.sample(&matches, &mut random(i));
        for at in on_objects {
            let Match::Object(object) = matches[at] else { continue };
            found.push((i * n + at) as i64);
            codes.extend(BoxCoder::PROPOSALS.encode(&objects[object], &anchors[at]));
        }
        background.extend(off.into_iter().map(|at| (i * n + at) as i64));
    }
    let (device, dtype) = (outputs.objectness.device(), outputs.objectness.dtype());
    let positive = found.len();
    let sampled = positive + background.len();
    if sampled == 0 {
        let nothing = |x: &Tensor| x.sum_all()?.mul_scalar(0.0);
        return Ok(RpnLosses { objectness: nothing(&outputs.objectness)?, boxes: nothing(&outputs.deltas)? });
    }
    let boxes = if positive == 0 {
        outputs.deltas.sum_all()?.mul_scalar(0.0)?
    } else {
        let deltas = outputs.deltas.reshape([b * n, 4])?;
        let deltas = deltas.index_select(0, &device.indices([positive], found.clone())?)?;
        let loss = smooth_l1(&deltas, &device.f64s([positive, 4], codes, dtype)?, BETA)?;
        loss.sum_all()?.mul_scalar(1.0 / sampled as f64)?
    };
    let labels = (0..sampled).map(|i| f64::from(u8::from(i < positive))).collect();
    found.extend(background);
    let logits = outputs.objectness.reshape([b * n])?.index_select(0, &device.indices([sampled], found)?)?;
    let objectness = binary_cross_entropy(&logits, &device.f64s([sampled], labels, dtype)?)?.mean_all()?;
    Ok(RpnLosses { objectness, boxes })
}
