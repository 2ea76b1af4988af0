//! Attentive probe: learned queries attend to the frozen tokens, and a linear classifier reads what they
//! gathered (Chen et al., "Context autoencoder", 2022; El-Nouby et al., "AIM", 2024). Encoders that were
//! trained by masking keep what they know in patches, where a mean doesn't find it.

use palimpsest_core::finetune::TaskHeadEntry;
use palimpsest_core::head::{Class, Draws, Feature, HeadContext, HeadFeatures, Metric, TaskHead};
use palimpsest_core::layer::{LayerNorm, Linear};
use palimpsest_core::objective::NamedLoss;
use palimpsest_core::params::{Init, ParamId, ParamSpecs, Params};
use palimpsest_core::{DType, Error, Result, Tensor, settings};

use super::finetune::ClassMetric;
use super::scores::ClassScores;
use super::soft_cross_entropy::soft_cross_entropy;

settings! {
    /// Attentive probe.
    pub struct AttentiveSettings {
        /// The number of blocks that tokens are taken after; 0 for all.
        blocks: usize = 0, in 0..=1024;
        /// Learned queries, whose results are averaged.
        queries: usize = 1, in 1..=1024;
        /// Attention heads; 0 takes the encoder's.
        heads: usize = 0, in 0..=1024;
        /// Label smoothing.
        smoothing: f64 = 0.0, in 0.0..=0.99;
    }
}

/// Attention pooling and a classifier.
pub struct Attentive {
    settings: AttentiveSettings,
    classes: Vec<String>,
    feature: Feature,
    heads: usize,
    norm: LayerNorm,
    queries: ParamId,
    key: Linear,
    value: Linear,
    classifier: Linear,
}

impl TaskHead for Attentive {
    type Settings = AttentiveSettings;
    type Target = Class;
    /// A score for each class.
    type Prediction = Vec<f32>;

    const TRAINING: &'static str = r#"
[train]
tune = "frozen"
epochs = 100.0
batch = 256

[optimizer]
lr = 1e-3
lr_batch = 256
weight_decay = 0.05
clip = 3.0

[schedule]
warmup_epochs = 5.0
warmup_lr = 0.0
min_lr = 0.0

[augment]
crop_scale = [0.4, 1.0]
"#;

    fn build(settings: &AttentiveSettings, context: &HeadContext, specs: &mut ParamSpecs) -> Result<Self> {
        let geometry = &context.geometry;
        if settings.blocks > geometry.depth {
            return Err(Error::user(format!("there are {} blocks, not {}", geometry.depth, settings.blocks))
                .about("blocks")
                .help(format!("choose 0 (all) to {}", geometry.depth)));
        }
        let heads = if settings.heads == 0 { geometry.heads } else { settings.heads };
        let dim = geometry.dim;
        if !dim.is_multiple_of(heads) {
            return Err(Error::user(format!("{heads} heads do not divide a width of {dim}")).about("heads"));
        }
        let classes = context.class_count(2)?;
        let init = Init::TruncatedNormal(0.02);
        Ok(Self {
            settings: settings.clone(),
            classes: context.classes.clone(),
            feature: match settings.blocks {
                0 => Feature::last(geometry),
                blocks => Feature::after(blocks),
            },
            heads,
            norm: LayerNorm::new(specs, "norm", dim),
            queries: specs.declare("queries", [1, settings.queries, dim], init.clone(), false),
            key: Linear::new(specs, "key", dim, dim, init.clone()),
            value: Linear::new(specs, "value", dim, dim, init.clone()),
            classifier: Linear::new(specs, "classifier", dim, classes, init),
        })
    }

    fn features(&self) -> Vec<Feature> {
        vec![self.feature]
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

impl Attentive {
    /// [B, classes]
    fn logits(&self, params: &Params, features: &HeadFeatures) -> Result<Tensor> {
        let tokens = self.norm.forward(params, features.tokens(0))?;
        let [batch, _, dim] = tokens.shape().array()?;
        let keys = self.key.forward(params, &tokens)?;
        let values = self.value.forward(params, &tokens)?;
        let queries = params[self.queries].expand([batch, self.settings.queries, dim])?;
        let compute = params.compute();
        let attended = queries
            .cast(compute)?
            .attention(&keys.cast(compute)?, &values.cast(compute)?, None, self.heads)?
            .cast(tokens.dtype())?;
        self.classifier.forward(params, &attended.mean(&[1])?.reshape([batch, dim])?)
    }
}

palimpsest_core::inventory::submit! {
    TaskHeadEntry::trained::<Attentive>(
        "attentive",
        "attentive probe: learned queries over the frozen encoder's tokens, then a linear classifier",
    )
}
