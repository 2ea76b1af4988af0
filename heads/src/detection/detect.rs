//! The `detect` head.

use palimpsest_core::geometry::Geometry;
use palimpsest_core::head::{Draws, Feature, HeadContext, HeadFeatures, Metric, TaskHead};
use palimpsest_core::objective::NamedLoss;
use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::tune::TaskHeadEntry;
use palimpsest_core::{Result, Tensor, settings};
use palimpsest_targets::{Object, Objects};

use super::anchors::AnchorGenerator;
use super::fcos::{Fcos, FcosSettings};
use super::mask_rcnn::{FoundMask, MaskRcnn, MaskRcnnSettings};
use super::metric::DetectionMetric;
use super::{Edges, Found, Reporting};
use crate::pyramid::{FeatureMap, SimplePyramidSettings};

/// Which detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DetectorKind {
    /// Anchor-free, boxes alone.
    Fcos,
    /// Region proposals, boxes and masks.
    MaskRcnn,
}

settings! {
    /// Object detection on a simple feature pyramid.
    pub struct DetectSettings {
        /// fcos (anchor-free, boxes) or mask-rcnn (boxes and masks).
        detector: DetectorKind = DetectorKind::Fcos;
        /// Channels of the pyramid; 0 takes a third of the encoder's (256 for 768).
        width: usize = 0, in 0..=4096;
        /// Strides of the pyramid's levels in pixels.
        strides: Vec<f64> = vec![4.0, 8.0, 16.0, 32.0];
        /// Convolutions in a tower of FCOS, and in Mask R-CNN's box and mask heads.
        convs: usize = 2, in 0..=16;
        /// Mask R-CNN: width of the box head's hidden layer; 0 takes four times the pyramid's (1024 for 256).
        hidden: usize = 0, in 0..=65536;
        /// Mask R-CNN: root of an anchor's area in strides of its level.
        anchor_scale: f64 = 8.0, in 0.1..=1000.0;
        /// Mask R-CNN: heights over widths of anchors.
        anchor_ratios: Vec<f64> = vec![0.5, 1.0, 2.0];
        /// Mask R-CNN: anchors of a picture that a step trains on.
        sampled_anchors: usize = 128, in 1..=100_000;
        /// Mask R-CNN: regions of a picture that a step trains on.
        sampled_regions: usize = 32, in 1..=100_000;
        /// Mask R-CNN: regions of a picture that are proposed.
        proposals: usize = 100, in 1..=100_000;
        /// Testing: boxes of a lower score are left out.
        least_score: f64 = 0.05, in 0.0..=1.0;
        /// Testing: of two boxes of a class whose IoU is above this, the worse is left out.
        nms: f64 = 0.5, in 0.0..=1.0;
        /// Testing: the most boxes of a picture.
        most: usize = 100, in 1..=100_000;
        /// Test pictures that are drawn with truth and prediction.
        overlays: usize = 8, in 0..=1000;
    }
}

enum Detector {
    Fcos(Fcos),
    MaskRcnn(Box<MaskRcnn>),
}

/// What a detector finds in a picture, in the encoder's pixels.
pub enum DetectPrediction {
    /// Boxes alone.
    Boxes(Vec<Found>),
    /// Boxes with masks.
    Masks(Vec<FoundMask>),
}

/// A detector on the last patch grid.
pub struct Detect {
    detector: Detector,
    reporting: Reporting,
    geometry: Geometry,
    context: HeadContext,
    overlays: usize,
}

impl TaskHead for Detect {
    type Settings = DetectSettings;
    type Target = Objects;
    type Prediction = DetectPrediction;

    /// For small encoders and the embedded scenes; docs/segmentation-and-detection.md has ViTDet's beside it.
    const TRAINING: &'static str = r#"
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

    fn build(settings: &DetectSettings, context: &HeadContext, specs: &mut ParamSpecs) -> Result<Self> {
        let geometry = context.geometry;
        let classes = context.class_count(1)?;
        let width = if settings.width == 0 { (geometry.dim / 3).max(16) } else { settings.width };
        let pyramid = SimplePyramidSettings {
            input: geometry.dim,
            width,
            patch: geometry.patch,
            strides: &settings.strides,
        };
        let detector = match settings.detector {
            DetectorKind::Fcos => {
                let head = FcosSettings { width, convs: settings.convs, classes };
                Fcos::new(specs, &pyramid, &head).map(Detector::Fcos)
            }
            DetectorKind::MaskRcnn => {
                let hidden = if settings.hidden == 0 { 4 * width } else { settings.hidden };
                let head = MaskRcnnSettings {
                    classes,
                    convs: [2.min(settings.convs), settings.convs, settings.convs],
                    hidden,
                    anchors: AnchorGenerator {
                        scale: settings.anchor_scale,
                        ratios: settings.anchor_ratios.clone(),
                    },
                    sampled_anchors: settings.sampled_anchors,
                    sampled_regions: settings.sampled_regions,
                    proposals: settings.proposals,
                };
                MaskRcnn::new(specs, &pyramid, head).map(|net| Detector::MaskRcnn(Box::new(net)))
            }
        };
        Ok(Self {
            detector: detector.map_err(|e| e.about("strides"))?,
            reporting: Reporting {
                least_score: settings.least_score,
                nms: settings.nms,
                most: settings.most,
            },
            geometry,
            context: context.clone(),
            overlays: settings.overlays,
        })
    }

    fn features(&self) -> Vec<Feature> {
        vec![Feature::last(&self.geometry)]
    }

    fn losses(
        &self,
        params: &Params,
        features: &HeadFeatures,
        targets: &[Objects],
        draws: Draws,
    ) -> Result<Vec<NamedLoss>> {
        let grid = self.grid(features)?;
        let objects: Vec<Vec<Object>> = targets.iter().map(Objects::wanted).collect();
        let losses = match &self.detector {
            Detector::Fcos(fcos) => {
                let boxes = |o: &Object| (Edges::of(&o.bounds), o.class as usize);
                let boxes: Vec<Vec<_>> = objects.iter().map(|o| o.iter().map(boxes).collect()).collect();
                fcos.losses(params, &grid, &boxes)?
            }
            Detector::MaskRcnn(net) => {
                let mut random = |image| draws.of_image(image);
                net.losses(params, &grid, (self.image(), &objects), &mut random)?
            }
        };
        let named = |(name, value): (&str, Tensor)| NamedLoss { name: name.to_owned(), weight: 1.0, value };
        Ok(losses.into_iter().map(named).collect())
    }

    fn predict(&self, params: &Params, features: &HeadFeatures) -> Result<Vec<DetectPrediction>> {
        let (grid, image) = (self.grid(features)?, self.image());
        Ok(match &self.detector {
            Detector::Fcos(fcos) => {
                let found = fcos.predict(params, &grid, image, &self.reporting)?;
                found.into_iter().map(DetectPrediction::Boxes).collect()
            }
            Detector::MaskRcnn(net) => {
                let found = net.predict(params, &grid, image, &self.reporting)?;
                found.into_iter().map(DetectPrediction::Masks).collect()
            }
        })
    }

    fn metric(&self) -> Box<dyn Metric<Objects, DetectPrediction>> {
        let masks = matches!(self.detector, Detector::MaskRcnn(_));
        Box::new(DetectionMetric::new(&self.context, masks, self.overlays))
    }
}

impl Detect {
    fn image(&self) -> [usize; 2] {
        [self.geometry.height, self.geometry.width]
    }

    fn grid(&self, features: &HeadFeatures) -> Result<FeatureMap> {
        Ok(FeatureMap { values: features.grid(0)?, stride: self.geometry.patch as f64 })
    }
}

palimpsest_core::inventory::submit! {
    TaskHeadEntry::trained::<Detect>("detect", "object detection: FCOS or Mask R-CNN on a simple feature pyramid")
}
