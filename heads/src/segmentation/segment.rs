//! The `segment` head.

use palimpsest_core::data::Batch;
use palimpsest_core::finetune::TaskHeadEntry;
use palimpsest_core::geometry::Geometry;
use palimpsest_core::head::{Draws, Feature, HeadContext, HeadFeatures, Inference, Metric, TaskHead};
use palimpsest_core::objective::NamedLoss;
use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::{Result, Tensor, settings};
use palimpsest_targets::LabelMap;

use super::metric::SegmentationMetric;
use super::{DecoderKind, DecoderSettings, SegmentationDecoder, SlidingWindow, segmentation_loss};
use crate::convolution::NormKind;
use crate::pyramid::FeatureMap;

settings! {
    /// Semantic segmentation.
    pub struct SegmentSettings {
        /// linear (one product per patch) or upernet.
        decoder: DecoderKind = DecoderKind::Upernet;
        /// Channels of UperNet; 0 takes two thirds of the encoder's (512 for 768).
        width: usize = 0, in 0..=4096;
        /// UperNet: strides of its four levels in pixels.
        strides: Vec<f64> = vec![4.0, 8.0, 16.0, 32.0];
        /// Norms of pyramid and UperNet: group, or layer (over the channels of each pixel).
        norm: NormKind = NormKind::Group;
        /// Testing: from one window to the next, as a share of the window.
        stride: f64 = 0.667, in 0.01..=1.0;
        /// Testing: scales whose probabilities are averaged, as [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]; at 1 the
        /// image's shorter side is the encoder's.
        scales: Vec<f64> = vec![1.0];
        /// Testing: whether the mirrored image is looked at too.
        flip: bool = false;
        /// Test images that are drawn with truth and prediction.
        overlays: usize = 8, in 0..=1000;
    }
}

/// A decoder on patch grids, trained by cross-entropy, tested by sliding windows.
pub struct Segment {
    decoder: SegmentationDecoder,
    sliding: SlidingWindow,
    geometry: Geometry,
    context: HeadContext,
    overlays: usize,
}

/// Windows in one pass of testing.
const WINDOWS: usize = 16;

impl TaskHead for Segment {
    type Settings = SegmentSettings;
    type Target = LabelMap;
    type Prediction = LabelMap;

    /// For small encoders and the embedded scenes; docs/segmentation-and-detection.md has MAE's and BEiT's
    /// beside it.
    const TRAINING: &'static str = r#"
[train]
epochs = 5.0
batch = 4
layer_decay = 0.9

[optimizer]
lr = 2e-3
lr_batch = 0
weight_decay = 0.05
clip = 1.0

[schedule]
warmup_epochs = 0.2
warmup_lr = 1e-6
"#;

    fn build(settings: &SegmentSettings, context: &HeadContext, specs: &mut ParamSpecs) -> Result<Self> {
        let geometry = context.geometry;
        let classes = context.class_count(2)?;
        let width = if settings.width == 0 { (2 * geometry.dim / 3).max(16) } else { settings.width };
        let size = [geometry.height, geometry.width];
        let stride = size.map(|side| ((side as f64 * settings.stride).round() as usize).max(1));
        let sliding = SlidingWindow {
            size,
            stride,
            scales: settings.scales.clone(),
            flip: settings.flip,
            batch: WINDOWS,
        };
        sliding.check().map_err(|e| e.about("scales"))?;
        let decoder = DecoderSettings {
            kind: settings.decoder,
            input: geometry.dim,
            patch: geometry.patch,
            classes,
            width,
            strides: &settings.strides,
            norm: settings.norm,
        };
        Ok(Self {
            decoder: SegmentationDecoder::new(specs, &decoder).map_err(|e| e.about("strides"))?,
            sliding,
            geometry,
            context: context.clone(),
            overlays: settings.overlays,
        })
    }

    fn features(&self) -> Vec<Feature> {
        let depth = self.geometry.depth;
        let feature = |blocks| Feature { blocks, norm: blocks == depth };
        self.decoder.blocks(depth).into_iter().map(feature).collect()
    }

    fn losses(
        &self,
        params: &Params,
        features: &HeadFeatures,
        targets: &[LabelMap],
        _: Draws,
    ) -> Result<Vec<NamedLoss>> {
        let value = segmentation_loss(&self.logits(params, features)?, targets)?;
        Ok(vec![NamedLoss { name: "cross_entropy".to_owned(), weight: 1.0, value }])
    }

    fn predict(&self, params: &Params, features: &HeadFeatures) -> Result<Vec<LabelMap>> {
        let logits = self.logits(params, features)?;
        label_maps(&super::sliding::resize(&logits, self.sliding.size)?)
    }

    fn infer(&self, inference: &Inference<'_>, batch: &Batch) -> Result<Vec<LabelMap>> {
        let device = inference.params.device();
        let images = batch.images(&device, inference.params.dtype())?;
        let forward = |windows: &Tensor| self.logits(inference.params, &inference.encode_images(windows)?);
        label_maps(&self.sliding.probabilities(&images, &forward)?)
    }

    fn metric(&self) -> Box<dyn Metric<LabelMap, LabelMap>> {
        Box::new(SegmentationMetric::new(&self.context, self.overlays))
    }
}

impl Segment {
    /// Logits [B, classes, H, W] of the finest level.
    fn logits(&self, params: &Params, features: &HeadFeatures) -> Result<Tensor> {
        let grids = (0..self.decoder.blocks(self.geometry.depth).len())
            .map(|i| Ok(FeatureMap { values: features.grid(i)?, stride: self.geometry.patch as f64 }))
            .collect::<Result<Vec<_>>>()?;
        self.decoder.forward(params, &grids)
    }
}

/// The likeliest class of each pixel of [B, classes, H, W].
fn label_maps(scores: &Tensor) -> Result<Vec<LabelMap>> {
    let [_, _, height, width] = scores.shape().array()?;
    let labels: Vec<u8> = scores.argmax(1)?.download()?.into_i64().into_iter().map(|v| v as u8).collect();
    Ok(labels.chunks(height * width).map(|map| LabelMap::new(width, height, map.to_vec())).collect())
}

palimpsest_core::inventory::submit! {
    TaskHeadEntry::trained::<Segment>("segment", "semantic segmentation: linear or UperNet on the encoder")
}
