//! Fine-tuning for classification: the encoder is trained with a linear classifier on top, as MAE,
//! BEiT and SimMIM measure it.

use palimpsest_core::data::Batch;
use palimpsest_core::finetune::TaskHeadEntry;
use palimpsest_core::head::{
    Artifact, Class, Draws, Feature, HeadContext, HeadFeatures, Metric, MetricState, Scores, TaskHead,
};
use palimpsest_core::layer::{LayerNorm, Linear};
use palimpsest_core::objective::NamedLoss;
use palimpsest_core::params::{Init, ParamSpecs, Params};
use palimpsest_core::pooling::Pooling;
use palimpsest_core::{DType, Error, Result, Tensor, settings};

use super::scores::ClassScores;
use super::soft_cross_entropy::soft_cross_entropy;

settings! {
    /// Fine-tuning for classification.
    pub struct FinetuneHeadSettings {
        /// How tokens become one vector: mean, class or grid:N.
        pooling: String = "mean".to_owned();
        /// Label smoothing.
        smoothing: f64 = 0.1, in 0.0..=0.99;
        /// Deviation of the classifier's initial weights.
        init: f64 = 2e-5, in 0.0..=1.0;
    }
}

/// The classifier: a norm over the pooled tokens, then a linear layer.
pub struct Finetune {
    settings: FinetuneHeadSettings,
    pooling: Pooling,
    classes: Vec<String>,
    depth: usize,
    norm: LayerNorm,
    classifier: Linear,
}

impl TaskHead for Finetune {
    type Settings = FinetuneHeadSettings;
    type Target = Class;
    /// A score for each class.
    type Prediction = Vec<f32>;

    /// MAE's recipe for ViT-B, but for the batch, which is for the user's machine.
    const TRAINING: &'static str = r#"
[train]
epochs = 100.0
batch = 256
layer_decay = 0.65
drop_path = 0.1

[optimizer]
lr = 5e-4
lr_batch = 256
weight_decay = 0.05
clip = 0.0

[schedule]
warmup_epochs = 5.0
warmup_lr = 0.0
min_lr = 1e-6

[augment]
rand_augment = 9.0
erasing = 0.25
mixup = 0.8
cutmix = 1.0
test_resize = 1.143
"#;

    fn build(settings: &FinetuneHeadSettings, context: &HeadContext, specs: &mut ParamSpecs) -> Result<Self> {
        let pooling: Pooling = settings.pooling.parse().map_err(|e: Error| e.about("pooling"))?;
        pooling.check(&context.geometry).map_err(|e| e.about("pooling"))?;
        let classes = context.class_count(2)?;
        let width = pooling.width(&context.geometry);
        Ok(Self {
            settings: settings.clone(),
            pooling,
            classes: context.classes.clone(),
            depth: context.geometry.depth,
            norm: LayerNorm::new(specs, "norm", width),
            classifier: Linear::new(
                specs,
                "classifier",
                width,
                classes,
                Init::TruncatedNormal(settings.init as f32),
            ),
        })
    }

    /// The last block's tokens without the encoder's norm: the head brings its own (MAE's `fc_norm`).
    fn features(&self) -> Vec<Feature> {
        vec![Feature::after(self.depth)]
    }

    fn losses(
        &self,
        params: &Params,
        features: &HeadFeatures,
        targets: &[Class],
        _: Draws,
    ) -> Result<Vec<NamedLoss>> {
        let logits = self.logits(params, features)?;
        let value = soft_cross_entropy(&logits, targets, self.settings.smoothing)?;
        Ok(vec![NamedLoss { name: "cross_entropy".to_owned(), weight: 1.0, value }])
    }

    fn predict(&self, params: &Params, features: &HeadFeatures) -> Result<Vec<Vec<f32>>> {
        let scores = self.logits(params, features)?.cast(DType::F32)?.download()?.into_f32();
        Ok(scores.chunks(self.classes.len()).map(<[f32]>::to_vec).collect())
    }

    fn metric(&self) -> Box<dyn Metric<Class, Vec<f32>>> {
        Box::new(ClassMetric(ClassScores::new(&self.classes)))
    }
}

impl Finetune {
    /// [B, classes]
    fn logits(&self, params: &Params, features: &HeadFeatures) -> Result<Tensor> {
        let pooled = features.pooled(0, self.pooling)?;
        self.classifier.forward(params, &self.norm.forward(params, &pooled)?)
    }
}

/// Scores of classification, batch by batch.
pub struct ClassMetric(pub ClassScores);

impl Metric<Class, Vec<f32>> for ClassMetric {
    fn add(&mut self, _: &Batch, targets: &[Class], predictions: &[Vec<f32>]) -> Result<()> {
        let labels: Vec<i64> = targets.iter().map(|target| i64::from(target.class)).collect();
        self.0.add(&labels, &predictions.concat())
    }

    fn scores(&self) -> Result<Scores> {
        self.0.scores()
    }

    fn artifacts(&self) -> Vec<Artifact> {
        self.0.artifacts()
    }

    fn state(&self) -> Result<MetricState> {
        Ok(self.0.state())
    }

    fn absorb(&mut self, state: &mut MetricState) -> Result<()> {
        self.0.absorb(state)
    }
}

palimpsest_core::inventory::submit! {
    TaskHeadEntry::trained::<Finetune>(
        "finetune",
        "fine-tuning for classification: encoder and linear classifier are trained together",
    )
}
