//! The box head: a class and a better box for each region.

use palimpsest_core::layer::Linear;
use palimpsest_core::params::{Init, ParamSpecs, Params};
use palimpsest_core::{DType, Error, Result, Tensor};

use super::roi_align::Region;
use super::rpn::BETA;
use crate::activation::relu;
use crate::convolution::{ConvBlock, ConvBlockSettings, ConvExtents, NormKind, he_normal};
use crate::detection::box_coder::BoxCoder;
use crate::detection::loss::smooth_l1;
use crate::detection::{BoxXyxy, Detection};

/// How a box head is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoxHeadSettings {
    /// Channels of a region.
    pub width: usize,
    /// Height and width of a region.
    pub size: usize,
    /// Classes of objects.
    pub classes: usize,
    /// Convolutions.
    pub convs: usize,
    /// Width of the hidden layer.
    pub hidden: usize,
}

/// Convolutions with layer norms, a hidden layer, and two products.
#[derive(Debug, Clone)]
pub struct BoxHead {
    convs: Vec<ConvBlock>,
    hidden: Linear,
    classes: Linear,
    deltas: Linear,
}

/// What the head says of R regions.
#[derive(Debug, Clone)]
pub struct BoxOutputs {
    /// [R, 1 + classes] logits, background first.
    pub classes: Tensor,
    /// [R, classes, 4] differences from the regions.
    pub deltas: Tensor,
}

impl BoxHead {
    /// Declares `box.*` for regions [R, width, size, size].
    pub fn new(specs: &mut ParamSpecs, settings: BoxHeadSettings) -> Self {
        let BoxHeadSettings { width, size, classes, convs, hidden } = settings;
        specs.scope("box", |specs| {
            let convs =
                (0..convs).map(|i| ConvBlock::new(specs, &format!("conv.{i}"), region_conv(width))).collect();
            let normal = |std: f32| Init::TruncatedNormal(std);
            Self {
                convs,
                hidden: Linear::new(specs, "hidden", width * size * size, hidden, Init::XavierUniform),
                classes: Linear::new(specs, "classes", hidden, 1 + classes, normal(0.01)),
                deltas: Linear::new(specs, "deltas", hidden, 4 * classes, normal(0.001)),
            }
        })
    }

    /// Regions [R, width, size, size] -> what is said of them.
    pub fn forward(&self, params: &Params, regions: &Tensor) -> Result<BoxOutputs> {
        let x = self.convs.iter().try_fold(regions.clone(), |x, conv| conv.forward(params, &x))?;
        let [r, c, h, w] = x.shape().array()?;
        let x = relu(&self.hidden.forward(params, &x.reshape([r, c * h * w])?)?)?;
        let deltas = self.deltas.forward(params, &x)?;
        let classes = deltas.shape()[1] / 4;
        Ok(BoxOutputs {
            classes: self.classes.forward(params, &x)?,
            deltas: deltas.reshape([r, classes, 4])?,
        })
    }
}

/// A convolution on regions of `width` channels, as the box head and the mask head have them.
pub(super) fn region_conv(width: usize) -> ConvBlockSettings {
    let extents = ConvExtents { input: width, output: width, kernel: 3 };
    ConvBlockSettings { extents, norm: NormKind::Layer, relu: true, init: he_normal(width, 3) }
}

/// Scalars.
#[derive(Debug, Clone)]
pub struct BoxLosses {
    /// Cross-entropy of the classes.
    pub classes: Tensor,
    /// Smooth L1 of the boxes, summed and divided by all regions.
    pub boxes: Tensor,
}

/// The losses of regions whose targets are a box and class, or none for background.
///
/// # Errors
/// No regions, or the backend's failure.
pub fn box_losses(
    outputs: &BoxOutputs,
    regions: &[Region],
    targets: &[Option<(BoxXyxy, usize)>],
) -> Result<BoxLosses> {
    let [r, classes, _] = outputs.deltas.shape().array()?;
    if r == 0 || regions.len() != r || targets.len() != r {
        return Err(Error::failure(format!(
            "{} regions with {} targets for {r} outputs",
            regions.len(),
            targets.len()
        )));
    }
    let device = outputs.classes.device();
    let labels = targets.iter().map(|t| t.map_or(0, |(_, class)| class as i64 + 1)).collect();
    let class_loss = outputs.classes.cross_entropy(&device.indices([r], labels)?, 0.0)?;
    let (mut rows, mut codes) = (vec![], vec![]);
    for (i, (region, target)) in regions.iter().zip(targets).enumerate() {
        let Some((edges, class)) = target else { continue };
        rows.push((i * classes + class) as i64);
        codes.extend(BoxCoder::BOXES.encode(edges, &region.edges));
    }
    if rows.is_empty() {
        return Ok(BoxLosses { classes: class_loss, boxes: outputs.deltas.sum_all()?.mul_scalar(0.0)? });
    }
    let count = rows.len();
    let deltas =
        outputs.deltas.reshape([r * classes, 4])?.index_select(0, &device.indices([count], rows)?)?;
    let codes = device.f64s([count, 4], codes, deltas.dtype())?;
    let boxes = smooth_l1(&deltas, &codes, BETA)?.sum_all()?.mul_scalar(1.0 / r as f64)?;
    Ok(BoxLosses { classes: class_loss, boxes })
}

impl BoxOutputs {
    /// Every class of every region as a box with its probability, image by image of `images`.
    pub fn found(&self, regions: &[Region], images: usize) -> Result<Vec<Vec<Detection>>> {
        let [r, classes, _] = self.deltas.shape().array()?;
        let mut found = vec![vec![]; images];
        if r == 0 {
            return Ok(found);
        }
        let probabilities = self.classes.softmax()?.cast(DType::F32)?.download()?.into_f32();
        let deltas = self.deltas.cast(DType::F32)?.download()?.into_f32();
        for (i, region) in regions.iter().enumerate() {
            for class in 0..classes {
                let code = std::array::from_fn(|k| f64::from(deltas[(i * classes + class) * 4 + k]));
                found[region.image].push(Detection {
                    edges: BoxCoder::BOXES.decode(code, &region.edges),
                    class,
                    score: f64::from(probabilities[i * (classes + 1) + class + 1]),
                });
            }
        }
        Ok(found)
    }
}
