//! What heads share that detect on a simple feature pyramid.

use palimpsest_core::Result;
use palimpsest_core::Tensor;
use palimpsest_core::head::{Feature, HeadContext, HeadFeatures, Metric};
use palimpsest_core::objective::NamedLoss;
use palimpsest_targets::Objects;

use super::{DetectionMetric, FoundObject, PostProcess};
use crate::pyramid::{FeatureMap, SimplePyramidSettings};

/// How detectors are trained, as TOML: for small encoders and the embedded scenes;
/// docs/segmentation-and-detection.md has ViTDet's beside it.
pub const TRAINING: &str = r#"
[train]
epochs = 5.0
batch = 4
layer_decay = 0.9

[optimizer]
lr = 2e-3
lr_batch = 0
weight_decay = 0.1
clip = 1.0

[schedule]
warmup_epochs = 0.2
warmup_lr = 1e-6
"#;

/// A head's surroundings: the encoder whose last patch grid it looks at, and how it is scored.
pub struct DetectionBase {
    /// What is reported of all that the detector considers.
    pub post_process: PostProcess,
    /// The encoder's extents and the classes.
    pub context: HeadContext,
    /// Test images that are drawn with truth and prediction.
    pub overlays: usize,
}

impl DetectionBase {
    /// The extents of the detector's pyramid. A width of 0 takes a third of the encoder's.
    pub fn pyramid<'a>(context: &HeadContext, width: usize, strides: &'a [f64]) -> SimplePyramidSettings<'a> {
        let (input, patch) = (context.geometry.dim, context.geometry.patch);
        let width = if width == 0 { (input / 3).max(16) } else { width };
        SimplePyramidSettings { input, width, patch, strides }
    }

    /// The features that the pyramid is made of.
    pub fn features(&self) -> Vec<Feature> {
        vec![Feature::last(&self.context.geometry)]
    }

    /// The last patch grid.
    pub fn grid(&self, features: &HeadFeatures) -> Result<FeatureMap> {
        Ok(FeatureMap { values: features.grid(0)?, stride: self.context.geometry.patch as f64 })
    }

    /// Height and width of the images that the encoder sees.
    pub fn image(&self) -> [usize; 2] {
        [self.context.geometry.height, self.context.geometry.width]
    }

    /// An empty metric of a detector that finds such objects, and whose masks are scored if it has `masks`.
    pub fn metric<F: FoundObject + 'static>(&self, masks: bool) -> Box<dyn Metric<Objects, Vec<F>>> {
        Box::new(DetectionMetric::new::<F>(&self.context, self.overlays, masks))
    }
}

/// Losses by name, all of one weight.
pub fn equally_weighted(losses: Vec<(&'static str, Tensor)>) -> Vec<NamedLoss> {
    let named = |(name, value): (&str, Tensor)| NamedLoss { name: name.to_owned(), weight: 1.0, value };
    losses.into_iter().map(named).collect()
}
