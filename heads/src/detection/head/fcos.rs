//! The `fcos` head: boxes without anchors.

use palimpsest_core::finetune::TaskHeadEntry;
use palimpsest_core::head::{Draws, Feature, HeadContext, HeadFeatures, Metric, TaskHead};
use palimpsest_core::objective::NamedLoss;
use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::{Result, settings};
use palimpsest_targets::{Object, Objects};

use crate::detection::base::{DetectionBase, TRAINING, equally_weighted};
use crate::detection::fcos::{Fcos, FcosSettings};
use crate::detection::{BoxXyxy, Detection, PostProcess};

settings! {
    /// FCOS on a simple feature pyramid.
    pub struct FcosTaskSettings {
        /// Channels of the pyramid; 0 takes a third of the encoder's (256 for 768).
        width: usize = 0, in 0..=4096;
        /// Strides of the pyramid's levels in pixels.
        strides: Vec<f64> = vec![4.0, 8.0, 16.0, 32.0];
        /// Convolutions in each of the two towers.
        convs: usize = 2, in 0..=16;
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

/// FCOS on the last patch grid.
pub struct FcosTask {
    detector: Fcos,
    base: DetectionBase,
}

impl TaskHead for FcosTask {
    type Settings = FcosTaskSettings;
    type Target = Objects;
    /// The boxes of an image, in the encoder's pixels.
    type Prediction = Vec<Detection>;

    const TRAINING: &'static str = TRAINING;

    fn build(settings: &FcosTaskSettings, context: &HeadContext, specs: &mut ParamSpecs) -> Result<Self> {
        let &FcosTaskSettings { width, convs, least_score, nms, most, overlays, .. } = settings;
        let classes = context.class_count(1)?;
        let pyramid = DetectionBase::pyramid(context, width, &settings.strides);
        let head = FcosSettings { width: pyramid.width, convs, classes };
        let post_process = PostProcess { score_threshold: least_score, nms, max_detections: most };
        Ok(Self {
            detector: Fcos::new(specs, &pyramid, &head).map_err(|e| e.about("strides"))?,
            base: DetectionBase { post_process, context: context.clone(), overlays },
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
        _: Draws,
    ) -> Result<Vec<NamedLoss>> {
        let of_image = |objects: &Objects| {
            let boxed = |object: Object| (BoxXyxy::of(&object.bounds), object.class as usize);
            objects.wanted().into_iter().map(boxed).collect()
        };
        let objects: Vec<Vec<(BoxXyxy, usize)>> = targets.iter().map(of_image).collect();
        self.detector.losses(params, &self.base.grid(features)?, &objects).map(equally_weighted)
    }

    fn predict(&self, params: &Params, features: &HeadFeatures) -> Result<Vec<Vec<Detection>>> {
        let base = &self.base;
        self.detector.predict(params, &base.grid(features)?, base.image(), &base.post_process)
    }

    fn metric(&self) -> Box<dyn Metric<Objects, Vec<Detection>>> {
        self.base.metric(false)
    }
}

palimpsest_core::inventory::submit! {
    TaskHeadEntry::trained::<FcosTask>("fcos", "object detection without anchors: boxes, on a simple feature pyramid")
}
