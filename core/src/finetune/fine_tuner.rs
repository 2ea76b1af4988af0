//! Fine-tuning: an encoder with a head on it, stepped by an engine.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::pass::{Network, PassMode};
use super::{FinetunePass, FinetuneRecipe, FinetuneSettings, Tuned, trained};
use crate::backend::NoGrad;
use crate::collective::{Collective, Identity, SumOrder, fingerprint, fingerprint_of};
use crate::encoder::{EncoderEntry, ImageShape, layer_rates, resized_positions};
use crate::head::{Examples, HeadContext, Inference, TargetStatistics, TaskHead};
use crate::params::{ParamSpec, ParamSpecs, Params};
use crate::recipe::{GraphMode, Precision};
use crate::settings::Section;
use crate::tensor::{DType, DeviceHandle, HostTensor, Tensor};
use crate::train::{
    Checkpoint, CheckpointState, EmaDecay, Engine, EngineSettings, Pace, Pass, Schedule, StepInput,
    StepReport, StepWeights, check_batch,
};
use crate::{Error, Result, registry};

/// An encoder and the weights that fine-tuning starts from.
pub struct EncoderStart {
    /// The recipe's `[encoder]` table.
    pub section: Section,
    /// The weights by name; none starts from random ones.
    pub weights: Option<HashMap<String, HostTensor>>,
    /// The seed of random weights.
    pub seed: u64,
}

impl EncoderStart {
    /// The initial value of every parameter that the encoder declared; tables of positions are resampled to
    /// its grid.
    fn values(&self, specs: &ParamSpecs) -> Result<Vec<HostTensor>> {
        let Some(weights) = &self.weights else { return specs.initial(self.seed) };
        let of = |spec: &ParamSpec| match weights.get(&spec.name) {
            Some(value) if value.shape() == &spec.shape => Ok(value.clone()),
            Some(value) => resized_positions(&spec.name, value, &spec.shape)?.ok_or_else(|| {
                Error::user(format!(
                    "`{}` is {} in the checkpoint but must be {}",
                    spec.name,
                    value.shape(),
                    spec.shape
                ))
                .help("use the checkpoint with the encoder that made it")
            }),
            None => Err(Error::user(format!("the checkpoint has no `{}`", spec.name))
                .help("use the checkpoint with the recipe that made it")),
        };
        specs.specs().iter().map(of).collect()
    }
}

/// A head with its encoder, and the state of their training.
pub struct FineTuner<H: TaskHead> {
    /// The settings.
    pub recipe: FinetuneRecipe,
    /// Encoder and head.
    pub network: Network<H>,
    /// All parameters: the encoder's, then the head's under `head.`.
    pub specs: ParamSpecs,
    /// Steps in the whole training.
    pub total_steps: u64,
    /// Whether this process was asked to stop; several processes then agree on the step after which all do.
    pub stop: bool,
    device: DeviceHandle,
    engine: Engine,
}

/// What a head has to know of the data that it is trained on.
#[derive(Debug, Clone, Default)]
pub struct TrainingData {
    /// The class names; empty where the data have none.
    pub classes: Vec<String>,
    /// What was counted of the targets.
    pub statistics: TargetStatistics,
    /// How many images there are.
    pub images: usize,
}

impl<H: TaskHead> FineTuner<H> {
    /// A fresh start on such data, in a float type (f64 for gradient checks).
    ///
    /// # Errors
    /// Settings that don't fit, weights of another encoder, or the backend's failure.
    pub fn new(
        recipe: FinetuneRecipe,
        start: &EncoderStart,
        data: TrainingData,
        device: DeviceHandle,
        dtype: DType,
    ) -> Result<Self> {
        let mut specs = ParamSpecs::default();
        let size = recipe.data.image_size;
        let image: ImageShape = [recipe.data.channels, size, size];
        let (kind, section) = start.section.clone().kind()?;
        let entry = registry::find::<EncoderEntry>("encoder", &kind)?;
        let encoder = (entry.build)(&section, image, &mut specs)?;
        let geometry = *encoder.geometry();
        let mut values = start.values(&specs)?;
        let values_of = |values: &[f64]| values.iter().map(|&v| v as f32).collect();
        let TrainingData { classes, statistics, images } = data;
        let context = HeadContext {
            geometry,
            classes,
            statistics,
            mean: values_of(&recipe.data.mean),
            std: values_of(&recipe.data.std),
            shown: recipe.data.shown_channels(),
        };
        let settings: H::Settings = recipe.head.read()?;
        let built = specs.scope("head", |specs| H::build(&settings, &context, specs));
        let head = built.map_err(|e| e.locate(|key| recipe.head.location(key)))?;
        let train = &recipe.train;
        values.extend(specs.initial(train.seed)?.split_off(values.len()));
        let features = head.features();
        if let Some(feature) = features.iter().find(|f| f.blocks == 0 || f.blocks > geometry.depth) {
            return Err(Error::user(format!(
                "the head looks at block {} of {}",
                feature.blocks, geometry.depth
            ))
            .help(format!("choose 1 to {}", geometry.depth)));
        }
        let frozen = match train.tune {
            Tuned::Full => 0,
            Tuned::Frozen => geometry.depth,
            Tuned::Last(blocks) if blocks <= geometry.depth => geometry.depth - blocks,
            Tuned::Last(blocks) => {
                return Err(Error::user(format!("the encoder has {} blocks, not {blocks}", geometry.depth))
                    .at("`train.tune`")
                    .help(format!("choose last:1 to last:{}, or full", geometry.depth)));
            }
        };
        if train.batch > images {
            return Err(Error::user(format!("a batch of {} from {images} training images", train.batch))
                .at("`train.batch`")
                .help(format!("lower it to at most {images}")));
        }
        let steps_per_epoch = (images / train.batch) as u64;
        let total_steps = match train.steps {
            0 => (train.epochs * steps_per_epoch as f64).round() as u64,
            steps => steps as u64,
        };
        let compute = if train.precision == Precision::Bf16 { DType::Bf16 } else { dtype };
        let trained: Arc<[bool]> = trained(specs.specs(), geometry.depth, train.tune).into();
        let params = Params::upload(&device, values, dtype, compute)?.only(trained);
        let settings = EngineSettings {
            optimizer: recipe.optimizer.clone(),
            schedule: Schedule::new(
                &recipe.schedule,
                &recipe.optimizer,
                train.batch,
                steps_per_epoch,
                total_steps,
            ),
            factors: layer_rates(specs.specs(), geometry.depth, train.layer_decay),
            ema: EmaDecay::constant(train.ema),
            checkpoint_blocks: train.checkpoint_blocks,
            graph: GraphMode::Off,
        };
        let engine = Engine::new(params, specs.specs(), settings)?;
        device.backend.seed(train.seed);
        let network = Network { encoder, head, features, frozen };
        Ok(Self { recipe, network, specs, total_steps, stop: false, device, engine })
    }

    /// Trains with the other processes of the run: each is given its part of a step's batch.
    ///
    /// # Errors
    /// A batch that can't be split evenly.
    pub fn with_collective(self, collective: Arc<dyn Collective>) -> Result<Self> {
        check_batch(self.recipe.train.batch, collective.world().size, self.recipe.train.accumulate)?;
        let order = SumOrder::of(self.recipe.train.deterministic);
        let engine = self.engine.with_collective(collective, self.specs.specs(), order);
        Ok(Self { engine, ..self })
    }

    /// What must be the same on every rank before a first sum.
    pub fn identity(&self) -> Result<Identity> {
        let mut table = self.recipe.table.clone();
        // Where the data lie and how many threads read them is a machine's own affair.
        if let Some(data) = table.get_mut("data").and_then(toml::Value::as_table_mut) {
            data.retain(|key, _| !["path", "workers", "prefetch"].contains(&key));
        }
        let info = self.device.backend.info();
        let shapes: String =
            self.specs.specs().iter().map(|spec| format!("{} {}\n", spec.name, spec.shape)).collect();
        let plan = format!("{:?}", self.engine.bucket_plan());
        let weights = self.params().tensors().iter().map(Tensor::download).collect::<Result<Vec<_>>>()?;
        Ok(Identity::default()
            .with("the version", fingerprint(env!("CARGO_PKG_VERSION").as_bytes()))
            .with("the head's settings", fingerprint(format!("{} {table}", self.recipe.name).as_bytes()))
            .with("the backend", fingerprint(format!("{} {}", info.name, info.version).as_bytes()))
            .with_instructions(self.instructions())
            .with("the parameters' shapes", fingerprint(shapes.as_bytes()))
            .with("the type of numbers", self.engine.dtype() as u64)
            .with("the buckets of their sums", fingerprint(plan.as_bytes()))
            .with("the number of steps", self.total_steps)
            .with("the weights", fingerprint_of(&weights)))
    }

    /// The processor's instructions that the last bits of its steps hang on.
    fn instructions(&self) -> Option<String> {
        self.device.instructions_for(self.params().compute())
    }

    /// Steps done.
    pub fn step_count(&self) -> u64 {
        self.engine.step_count()
    }

    /// The number of values in all parameters, and in those that are trained.
    pub fn parameters(&self) -> [usize; 2] {
        let params = self.params();
        let count = |only: bool| {
            let specs = self.specs.specs().iter().enumerate();
            specs.filter(|(i, _)| !only || params.is_trained(*i)).map(|(_, spec)| spec.shape.count()).sum()
        };
        [count(false), count(true)]
    }

    /// The weights as they are trained.
    pub fn params(&self) -> Params {
        self.engine.params()
    }

    /// The weights to score: the average where there is one.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn scored_params(&self) -> Result<Params> {
        self.engine.evaluated_params()
    }

    /// The forward pass of a batch at a step, with drop path in training.
    pub fn pass<'a>(
        &'a self,
        examples: &'a Examples<H::Target>,
        step: u64,
        training: bool,
    ) -> Result<FinetunePass<'a, H>> {
        let drop_path = if training { self.recipe.train.drop_path } else { 0.0 };
        let seed = self.recipe.train.seed;
        let mode = PassMode { dtype: self.engine.dtype(), seed, step, drop_path, training };
        self.network.pass(&self.device, examples, mode)
    }

    /// One optimiser step. Nothing changes where a loss or gradient is not finite: the report then tells
    /// it, and the caller stops.
    pub fn train_step(&mut self, examples: &Examples<H::Target>) -> Result<StepReport> {
        let FinetuneSettings { accumulate, seed, drop_path, .. } = self.recipe.train;
        let part = examples.batch.len() / accumulate;
        let parts: Vec<Cow<'_, Examples<H::Target>>> = match accumulate {
            1 => vec![Cow::Borrowed(examples)],
            _ => (0..accumulate).map(|i| Cow::Owned(examples.slice(i * part, (i + 1) * part))).collect(),
        };
        let network = &self.network;
        let (dtype, step) = (self.engine.dtype(), self.step_count());
        let mode = PassMode { dtype, seed, step, drop_path, training: true };
        let pass = |weights: &StepWeights<'_>, i: usize, lend: &mut dyn FnMut(&dyn Pass) -> Result<()>| {
            lend(&network.pass(weights.device, &parts[i], mode)?)
        };
        let images = examples.batch.len();
        self.engine.step(&StepInput {
            micro_batches: accumulate,
            images,
            stop: self.stop,
            observe: false,
            pass: &pass,
        })
    }

    /// What the head predicts of a batch.
    pub fn predict(&self, params: &Params, batch: &crate::data::Batch) -> Result<Vec<H::Prediction>> {
        let _quiet = NoGrad::new(&*self.device.backend);
        let Network { encoder, head, features, .. } = &self.network;
        let inference = Inference { encoder: &**encoder, params, features };
        head.infer(&inference, batch)
    }

    /// Encoder and head as they are scored, as a checkpoint whose recipe is this fine-tuning's.
    pub fn checkpoint(&self, start: &EncoderStart, pace: &Pace) -> Result<Checkpoint> {
        let scored = self.scored_params()?;
        let named = self.specs.specs().iter().zip(scored.tensors());
        let tensors = named
            .map(|(spec, tensor)| Ok((format!("model.{}", spec.name), tensor.download()?)))
            .collect::<Result<_>>()?;
        let mut table = self.recipe.table.clone();
        table.insert("name".to_owned(), self.recipe.name.clone().into());
        table.insert("encoder".to_owned(), start.section.table().clone().into());
        let state = CheckpointState {
            step: self.step_count(),
            recipe_hash: String::new(),
            recipe: toml::to_string(&table).map_err(|e| Error::failure(e.to_string()))?,
            backend: self.device.backend.info().name,
            instructions: self.instructions(),
            plugin: None,
            pace: pace.clone(),
        };
        Ok(Checkpoint { state, tensors })
    }
}
