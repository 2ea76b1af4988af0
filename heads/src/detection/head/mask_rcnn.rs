//! The `mask-rcnn` head: boxes and masks from region proposals.

use std::sync::atomic::{AtomicBool, Ordering};

use palimpsest_core::finetune::TaskHeadEntry;
use palimpsest_core::head::{Draws, Feature, HeadContext, HeadFeatures, Metric, TaskHead};
use palimpsest_core::objective::NamedLoss;
use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::{Result, settings};
use palimpsest_targets::{Object, Objects};

use crate::detection::PostProcess;
use crate::detection::anchors::AnchorGenerator;
use crate::detection::base::{DetectionBase, TRAINING, equally_weighted};
use crate::detection::mask_rcnn::{DetectionWithMask, MaskRcnn, MaskRcnnSettings};

settings! {
    /// Mask R-CNN on a simple feature pyramid.
    pub struct MaskRcnnTaskSettings {
        /// Channels of the pyramid; 0 takes a third of the encoder's (256 for 768).
        width: usize = 0, in 0..=4096;
        /// Strides of the pyramid's levels in pixels.
        strides: Vec<f64> = vec![4.0, 8.0, 16.0, 32.0];
        /// Convolutions in the box head and in the mask head; the proposals' head has as many, but at most 2.
        convs: usize = 2, in 0..=16;
        /// Width of the box head's hidden layer; 0 takes four times the pyramid's (1024 for 256).
        hidden: usize = 0, in 0..=65536;
        /// Root of an anchor's area in strides of its level.
        anchor_scale: f64 = 8.0, in 0.1..=1000.0;
        /// Heights over widths of anchors.
        anchor_ratios: Vec<f64> = vec![0.5, 1.0, 2.0];
        /// Anchors of an image that a step trains on.
        sampled_anchors: usize = 128, in 1..=100_000;
        /// Regions of an image that a step trains on.
        sampled_regions: usize = 32, in 1..=100_000;
        /// Regions of an image that are proposed.
        proposals: usize = 100, in 1..=100_000;
        /// Testing: boxes of a lower score are left out.
        least_score: f64 = 0.05, in 0.0..=1.0;
        /// Testing: of two boxes of a class whose IoU is above this, the worse is left out.
        nms: f64 = 0.5, in 0.0..=1.0;
        /// Testing: the most boxes of an image.
        most: usize = 100, in 1..=100_000;
        /// Test images that are drawn with truth and prediction.
        overlays: usize = 8, in 0..=1000;
    }
}

/// Mask R-CNN on the last patch grid.
pub struct MaskRcnnTask {
    detector: MaskRcnn,
    base: DetectionBase,
    /// Whether an object that it was trained on had a mask: else its masks are not scored.
    masks_trained: AtomicBool,
}

impl TaskHead for MaskRcnnTask {
    type Settings = MaskRcnnTaskSettings;
    type Target = Objects;
    /// The boxes of an image with their masks, in the encoder's pixels.
    type Prediction = Vec<DetectionWithMask>;

    const TRAINING: &'static str = TRAINING;

    fn build(settings: &MaskRcnnTaskSettings, context: &HeadContext, specs: &mut ParamSpecs) -> Result<Self> {
        let &MaskRcnnTaskSettings { width, convs, hidden, least_score, nms, most, overlays, .. } = settings;
        let classes = context.class_count(1)?;
        let pyramid = DetectionBase::pyramid(context, width, &settings.strides);
        let head = MaskRcnnSettings {
            classes,
            rpn_convs: convs.min(2),
            box_convs: convs,
            mask_convs: convs,
            hidden: if hidden == 0 { 4 * pyramid.width } else { hidden },
            anchors: AnchorGenerator { scale: settings.anchor_scale, ratios: settings.anchor_ratios.clone() },
            sampled_anchors: settings.sampled_anchors,
            sampled_regions: settings.sampled_regions,
            proposals: settings.proposals,
        };
        let post_process = PostProcess { score_threshold: least_score, nms, max_detections: most };
        Ok(Self {
            detector: MaskRcnn::new(specs, &pyramid, head).map_err(|e| e.about("strides"))?,
            base: DetectionBase { post_process, context: context.clone(), overlays },
            masks_trained: AtomicBool::new(false),
        })
    }

    fn features(&self) -> Vec<Feature> {
        self.base.features()
    }

    fn losses(
        &self,
        params: &Params,
        features: &HeadFeatures,
        targets: &[Objects],
        draws: Draws,
    ) -> Result<Vec<NamedLoss>> {
        let (base, mut random) = (&self.base, |image| draws.of_image(image));
        let objects: Vec<Vec<Object>> = targets.iter().map(Objects::wanted).collect();
        if objects.iter().flatten().any(|object| object.mask.is_some()) {
            self.masks_trained.store(true, Ordering::Relaxed);
        }
        let losses =
            self.detector.losses(params, &base.grid(features)?, base.image(), &objects, &mut random)?;
        Ok(equally_weighted(losses))
    }

    fn predict(&self, params: &Params, features: &HeadFeatures) -> Result<Vec<Vec<DetectionWithMask>>> {
        let base = &self.base;
        self.detector.predict(params, &base.grid(features)?, base.image(), &base.post_process)
    }

    fn metric(&self) -> Box<dyn Metric<Objects, Vec<DetectionWithMask>>> {
        self.base.metric(self.masks_trained.load(Ordering::Relaxed))
    }
}

palimpsest_core::inventory::submit! {
    TaskHeadEntry::trained::<MaskRcnnTask>(
        "mask-rcnn", "object detection from region proposals: boxes and masks, on a simple feature pyramid",
    )
}
