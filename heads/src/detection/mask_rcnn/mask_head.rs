//! The mask head: a small mask of every class for each region.

use palimpsest_core::params::{Init, ParamSpecs, Params};
use palimpsest_core::{DType, Error, Result, Tensor};

use super::box_head::region_conv;
use crate::activation::{relu, sigmoid};
use crate::convolution::{Conv2d, ConvBlock, ConvExtents, ConvTranspose2d, he_normal};
use crate::detection::loss::binary_cross_entropy;

/// How a mask head is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskHeadSettings {
    /// Channels of a region.
    pub width: usize,
    /// Classes of objects.
    pub classes: usize,
    /// Convolutions.
    pub convs: usize,
}

/// Convolutions with layer norms, a doubling of the resolution, and a product per pixel.
#[derive(Debug, Clone)]
pub struct MaskHead {
    convs: Vec<ConvBlock>,
    up: ConvTranspose2d,
    masks: Conv2d,
}

impl MaskHead {
    /// Declares `mask.*` for regions [R, width, size, size].
    pub fn new(specs: &mut ParamSpecs, settings: MaskHeadSettings) -> Self {
        let MaskHeadSettings { width, classes, convs } = settings;
        let masks = ConvExtents { input: width, output: classes, kernel: 1 };
        specs.scope("mask", |specs| Self {
            convs: (0..convs)
                .map(|i| ConvBlock::new(specs, &format!("conv.{i}"), region_conv(width)))
                .collect(),
            up: ConvTranspose2d::new(specs, "up", width, width, he_normal(width, 2)),
            masks: Conv2d::new(specs, "masks", masks, Init::TruncatedNormal(0.001), Some(0.0)),
        })
    }

    /// Regions [R, width, size, size] -> logits [R, classes, 2 size, 2 size].
    pub fn forward(&self, params: &Params, regions: &Tensor) -> Result<Tensor> {
        let x = self.convs.iter().try_fold(regions.clone(), |x, conv| conv.forward(params, &x))?;
        self.masks.forward(params, &relu(&self.up.forward(params, &x)?)?)
    }
}

/// The logits of one class for each region: [R, K, M, M] -> [R, M M].
fn of_class(logits: &Tensor, classes: &[usize]) -> Result<Tensor> {
    let [r, k, m, _] = logits.shape().array()?;
    if classes.len() != r {
        return Err(Error::failure(format!("{} classes for {r} masks", classes.len())));
    }
    let rows = classes.iter().enumerate().map(|(i, class)| (i * k + class) as i64).collect();
    logits.reshape([r * k, m * m])?.index_select(0, &logits.device().indices([r], rows)?)
}

/// The mean cross-entropy of the masks [R, K, M, M] of the regions' true classes against targets of 0 and
/// 1, [R, M M] in all; 0 without regions.
pub fn mask_loss(logits: &Tensor, classes: &[usize], targets: Vec<f64>) -> Result<Tensor> {
    let [r, _, m, _] = logits.shape().array()?;
    if r == 0 {
        return logits.sum_all();
    }
    let targets = logits.device().f64s([r, m * m], targets, logits.dtype())?;
    binary_cross_entropy(&of_class(logits, classes)?, &targets)?.mean_all()
}

/// The probabilities [R, M M] of the masks of these classes.
pub fn mask_probabilities(logits: &Tensor, classes: &[usize]) -> Result<Vec<f32>> {
    Ok(sigmoid(&of_class(logits, classes)?)?.cast(DType::F32)?.download()?.into_f32())
}
