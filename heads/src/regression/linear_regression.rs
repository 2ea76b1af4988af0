//! Regression: a linear layer on pooled features, with an output for each value.

use palimpsest_core::finetune::TaskHeadEntry;
use palimpsest_core::head::{Draws, Feature, HeadContext, HeadFeatures, Metric, TaskHead, Values};
use palimpsest_core::layer::{LayerNorm, Linear};
use palimpsest_core::objective::NamedLoss;
use palimpsest_core::params::{Init, ParamId, ParamSpecs, Params};
use palimpsest_core::pooling::Pooling;
use palimpsest_core::{DType, Error, Result, Tensor, settings};

use super::metric::RegressionMetric;
use super::value_loss::ValueLoss;
use crate::classification::multi_label::blocks_of;

settings! {
    /// Regression.
    pub struct RegressionSettings {
        /// How tokens become one vector: mean, class or grid:N.
        pooling: String = "mean".to_owned();
        /// The number of blocks that tokens are taken after; 0 for all.
        blocks: usize = 0, in 0..=1024;
        /// What is made of differences: smooth-l1 or l2.
        loss: ValueLoss = ValueLoss::SmoothL1;
        /// Where smooth L1 goes over from squares to absolute differences, in deviations of the training part.
        beta: f64 = 1.0, in 1e-6..=1e6;
        /// Deviation of the linear layer's initial weights.
        init: f64 = 0.01, in 0.0..=1.0;
    }
}

/// A norm over the pooled tokens, then a linear layer that gives standardised numbers.
pub struct Regression {
    settings: RegressionSettings,
    pooling: Pooling,
    names: Vec<String>,
    /// Mean and deviation of each value in the training part, as the parameters hold them.
    standard: Vec<(f32, f32)>,
    feature: Feature,
    norm: LayerNorm,
    output: Linear,
    mean: ParamId,
    deviation: ParamId,
}

impl TaskHead for Regression {
    type Settings = RegressionSettings;
    type Target = Values;
    /// The numbers, in the data's units.
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
"#;

    const ABOUT: &'static str = "\
Numbers of each image: an age, a weight, a share. Tokens are pooled, normed, and a linear layer gives the numbers,
standardised by mean and deviation of the training part (which are saved with the weights, as `mean` and `deviation`); it is
trained with smooth L1 or squares of the differences (PyTorch's SmoothL1Loss, MSELoss). The encoder is frozen;
train.tune=last:2 or full trains it too. A number that is missing neither trains nor scores. Nothing is augmented unless you
ask for it: what a flip or a crop does to a number, nobody but you knows.

With a list such as

    path,age,weight
    a.jpg,34,71.5
    b.jpg,29,

    eval RUN --head regression --data csv --data-path list.csv 'data.reader.value_columns=[\"age\", \"weight\"]'

Scores are scikit-learn's r2_score, mean_absolute_error and root_mean_squared_error with their uniform_average: r2, mae and
rmse are means over the values, r2/age and so on those of one. Where all test images have one number, R2 is 1 if each is
predicted exactly and else 0, as there; of a value that fewer than two test images have there is none, and it is left out
of the mean and told. values.csv has them as a table. predictions.safetensors has `indices` [N] (the images' places in the
test part), `values` [N, values] (not a number where one is missing) and `predictions` [N, values]; its metadata name the
values.";

    fn build(settings: &RegressionSettings, context: &HeadContext, specs: &mut ParamSpecs) -> Result<Self> {
        let geometry = &context.geometry;
        let pooling: Pooling = settings.pooling.parse().map_err(|e: Error| e.about("pooling"))?;
        pooling.check(geometry).map_err(|e| e.about("pooling"))?;
        let values = &context.statistics.values;
        if values.is_empty() {
            return Err(Error::user("the data name no numbers").help("choose data with numbers"));
        }
        // A constant is predicted as it is: scikit-learn's StandardScaler divides by 1 there too.
        let standard: Vec<(f32, f32)> = values
            .iter()
            .map(|value| (value.mean as f32, value.deviation as f32))
            .map(|(mean, deviation)| (mean, if deviation > 0.0 { deviation } else { 1.0 }))
            .collect();
        let (blocks, width) = (blocks_of(settings.blocks, geometry.depth)?, pooling.width(geometry));
        let (means, deviations) = standard.iter().copied().unzip();
        let count = values.len();
        Ok(Self {
            settings: settings.clone(),
            pooling,
            names: values.iter().map(|value| value.name.clone()).collect(),
            standard,
            feature: Feature::after(blocks),
            norm: LayerNorm::new(specs, "norm", width),
            output: Linear::new(specs, "output", width, count, Init::TruncatedNormal(settings.init as f32)),
            mean: specs.declare("mean", [count], Init::Fixed(means), false),
            deviation: specs.declare("deviation", [count], Init::Fixed(deviations), false),
        })
    }

    fn features(&self) -> Vec<Feature> {
        vec![self.feature]
    }

    fn losses(
        &self,
        params: &Params,
        features: &HeadFeatures,
        targets: &[Values],
        _: Draws,
    ) -> Result<Vec<NamedLoss>> {
        let standardised = |(value, &(mean, deviation)): (&Option<f32>, &(f32, f32))| {
            value.map(|value| ((f64::from(value) - f64::from(mean)) / f64::from(deviation)) as f32)
        };
        let numbers: Vec<Option<f32>> =
            targets.iter().flat_map(|target| target.0.iter().zip(&self.standard)).map(standardised).collect();
        let outputs = self.outputs(params, features)?;
        let value = self.settings.loss.of(&outputs, &numbers, self.settings.beta)?;
        Ok(vec![NamedLoss { name: "regression".to_owned(), weight: 1.0, value }])
    }

    fn predict(&self, params: &Params, features: &HeadFeatures) -> Result<Vec<Vec<f32>>> {
        let host =
            |tensor: &Tensor| -> Result<Vec<f32>> { Ok(tensor.cast(DType::F32)?.download()?.into_f32()) };
        let (means, deviations) = (host(&params[self.mean])?, host(&params[self.deviation])?);
        let number = |((output, mean), deviation): ((&f32, &f32), &f32)| {
            (f64::from(*output) * f64::from(*deviation) + f64::from(*mean)) as f32
        };
        let outputs = host(&self.outputs(params, features)?)?;
        let rows = outputs.chunks(self.names.len());
        Ok(rows.map(|row| row.iter().zip(&means).zip(&deviations).map(number).collect()).collect())
    }

    fn metric(&self) -> Box<dyn Metric<Values, Vec<f32>>> {
        Box::new(RegressionMetric::new(&self.names))
    }
}

impl Regression {
    /// Standardised numbers [B, values].
    fn outputs(&self, params: &Params, features: &HeadFeatures) -> Result<Tensor> {
        let pooled = features.pooled(0, self.pooling)?;
        self.output.forward(params, &self.norm.forward(params, &pooled)?)
    }
}

palimpsest_core::inventory::submit! {
    TaskHeadEntry::trained::<Regression>(
        "regression",
        "numbers of an image: a linear layer on the frozen encoder's pooled tokens",
    )
}
