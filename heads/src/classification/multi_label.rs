//! Multi-label classification: a linear layer on pooled features, a sigmoid for each label.

use palimpsest_core::finetune::TaskHeadEntry;
use palimpsest_core::head::{
    Draws, Feature, HeadContext, HeadFeatures, LabelCounts, LabelSet, Metric, TaskHead,
};
use palimpsest_core::layer::{LayerNorm, Linear};
use palimpsest_core::objective::NamedLoss;
use palimpsest_core::params::{Init, ParamSpecs, Params};
use palimpsest_core::pooling::Pooling;
use palimpsest_core::{DType, Error, Result, Tensor, settings};

use super::label_loss::{LabelWeight, label_loss};
use super::multi_label_metric::MultiLabelMetric;

settings! {
    /// Multi-label classification.
    pub struct MultiLabelSettings {
        /// How tokens become one vector: mean, class or grid:N.
        pooling: String = "mean".to_owned();
        /// The number of blocks that tokens are taken after; 0 for all.
        blocks: usize = 0, in 0..=1024;
        /// The weight of each label in the loss, in their order; [] for 1.
        class_weights: Vec<f64> = vec![];
        /// The weight of images that have the label against those that haven't, for each label; [] for 1.
        positive_weights: Vec<f64> = vec![];
        /// Sets positive_weights to the training images without the label for each with it.
        balance: bool = false;
        /// Deviation of the classifier's initial weights.
        init: f64 = 0.01, in 0.0..=1.0;
    }
}

impl MultiLabelSettings {
    /// A weight for each label.
    fn weights(&self, labels: usize, counts: &[LabelCounts]) -> Result<Vec<LabelWeight>> {
        let told = |key: &'static str, values: &[f64]| match values {
            [] => Ok(vec![1.0; labels]),
            values if values.len() != labels => {
                Err(Error::user(format!("{} weights for {labels} labels", values.len()))
                    .about(key)
                    .help("give one for each label, in their order"))
            }
            values if values.iter().all(|weight| weight.is_finite() && *weight >= 0.0) => Ok(values.to_vec()),
            values => Err(Error::user(format!("{values:?} are no weights"))
                .about(key)
                .help("give weights of at least 0")),
        };
        let classes = told("class_weights", &self.class_weights)?;
        let positives = match self.balance {
            false => told("positive_weights", &self.positive_weights)?,
            true if !self.positive_weights.is_empty() => {
                return Err(Error::user("positive_weights are given and are to be counted too")
                    .about("balance")
                    .help("leave one of them out"));
            }
            true if counts.len() != labels => {
                return Err(Error::user("the data don't count their labels")
                    .about("balance")
                    .help("give positive_weights"));
            }
            // A label that no training image has is learnt from the others alone.
            true => {
                counts.iter().map(|count| count.negatives as f64 / count.positives.max(1) as f64).collect()
            }
        };
        Ok(classes
            .into_iter()
            .zip(positives)
            .map(|(class, positive)| LabelWeight { class, positive })
            .collect())
    }
}

/// A norm over the pooled tokens, then a linear layer with an output for each label.
pub struct MultiLabel {
    pooling: Pooling,
    labels: Vec<String>,
    weights: Vec<LabelWeight>,
    feature: Feature,
    norm: LayerNorm,
    classifier: Linear,
}

impl TaskHead for MultiLabel {
    type Settings = MultiLabelSettings;
    type Target = LabelSet;
    /// A logit for each label.
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
flip = 0.5
"#;

    const ABOUT: &'static str = "\
Images with several labels each, one or none. Tokens are pooled, normed, and a linear layer gives a logit for each label,
which is trained with binary cross-entropy (PyTorch's BCEWithLogitsLoss). The encoder is frozen; train.tune=last:2 or full
trains it too. A label that is unknown of an image neither trains nor scores it.

With a list such as

    path,cat,dog
    a.jpg,1,1
    b.jpg,0,

(nothing or -1 is unknown), or with a column of lists such as `cat|dog`:

    eval RUN --head multi-label --data csv --data-path list.csv 'data.reader.label_columns=[\"cat\", \"dog\"]'
    eval RUN --head multi-label --data csv --data-path list.csv data.reader.label_list_column=tags

Scores are scikit-learn's: map is the mean over labels of average_precision_score, map_micro that of all entries, f1_macro
and f1_micro f1_score at a probability of 0.5. Labels that no test image has are left out of map and f1_macro, and told;
classes_scored counts the others. classes.csv has the figures of each label. predictions.safetensors has `indices` [N] (the
images' places in the test part), `labels` [N, labels] (1, 0, and -1 for unknown) and `logits` [N, labels]; its metadata name
the labels.";

    fn build(settings: &MultiLabelSettings, context: &HeadContext, specs: &mut ParamSpecs) -> Result<Self> {
        let geometry = &context.geometry;
        let pooling: Pooling = settings.pooling.parse().map_err(|e: Error| e.about("pooling"))?;
        pooling.check(geometry).map_err(|e| e.about("pooling"))?;
        let labels = context.class_count(1)?;
        let (blocks, width) = (blocks_of(settings.blocks, geometry.depth)?, pooling.width(geometry));
        Ok(Self {
            pooling,
            labels: context.classes.clone(),
            weights: settings.weights(labels, &context.statistics.labels)?,
            // Without the encoder's norm: the head brings its own.
            feature: Feature::after(blocks),
            norm: LayerNorm::new(specs, "norm", width),
            classifier: Linear::new(
                specs,
                "classifier",
                width,
                labels,
                Init::TruncatedNormal(settings.init as f32),
            ),
        })
    }

    fn features(&self) -> Vec<Feature> {
        vec![self.feature]
    }

    fn losses(
        &self,
        params: &Params,
        features: &HeadFeatures,
        targets: &[LabelSet],
        _: Draws,
    ) -> Result<Vec<NamedLoss>> {
        let value = label_loss(&self.logits(params, features)?, targets, &self.weights)?;
        Ok(vec![NamedLoss { name: "binary_cross_entropy".to_owned(), weight: 1.0, value }])
    }

    fn predict(&self, params: &Params, features: &HeadFeatures) -> Result<Vec<Vec<f32>>> {
        let logits = self.logits(params, features)?.cast(DType::F32)?.download()?.into_f32();
        Ok(logits.chunks(self.labels.len()).map(<[f32]>::to_vec).collect())
    }

    fn metric(&self) -> Box<dyn Metric<LabelSet, Vec<f32>>> {
        Box::new(MultiLabelMetric::new(&self.labels))
    }
}

impl MultiLabel {
    /// [B, labels]
    fn logits(&self, params: &Params, features: &HeadFeatures) -> Result<Tensor> {
        let pooled = features.pooled(0, self.pooling)?;
        self.classifier.forward(params, &self.norm.forward(params, &pooled)?)
    }
}

/// The number of blocks that a head looks behind: all for 0.
pub(crate) fn blocks_of(blocks: usize, depth: usize) -> Result<usize> {
    match blocks {
        0 => Ok(depth),
        blocks if blocks <= depth => Ok(blocks),
        blocks => Err(Error::user(format!("there are {depth} blocks, not {blocks}"))
            .about("blocks")
            .help(format!("choose 0 (all) to {depth}"))),
    }
}

palimpsest_core::inventory::submit! {
    TaskHeadEntry::trained::<MultiLabel>(
        "multi-label",
        "several labels an image: a linear classifier with a sigmoid for each, on the frozen encoder's pooled tokens",
    )
}
