//! The state of fine-tuning, and one step of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::{TuneRecipe, Tuned, TuningPass, layer_rates, trained};
use crate::backend::NoGrad;
use crate::encoder::{DropPath, Encoder, EncoderEntry, ImageShape, patchify, resized_positions};
use crate::head::{Draws, Examples, Feature, HeadContext, Inference, TaskHead};
use crate::params::{ParamSpec, ParamSpecs, Params};
use crate::recipe::Precision;
use crate::settings::Section;
use crate::tensor::{DType, HostTensor, Place, Tensor};
use crate::train::{
    AdamW, Average, Checkpoint, CheckpointState, Phases, Schedule, StepReport, accumulate, global_norm,
    gradients_of, read_scalars,
};
use crate::{Error, Result, registry};

/// An encoder and the weights that tuning starts from.
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
                .mend("use the checkpoint with the encoder that made it")
            }),
            None => Err(Error::user(format!("the checkpoint has no `{}`", spec.name))
                .mend("use the checkpoint with the recipe that made it")),
        };
        specs.specs().iter().map(of).collect()
    }
}

/// A head with its encoder, and the state of their training.
pub struct Tuner<H: TaskHead> {
    /// The settings.
    pub recipe: TuneRecipe,
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// The head.
    pub head: H,
    /// All parameters: the encoder's, then the head's under `head.`.
    pub specs: ParamSpecs,
    /// Steps in the whole training.
    pub total_steps: u64,
    features: Vec<Feature>,
    place: Place,
    params: Vec<Tensor>,
    trained: Arc<[bool]>,
    frozen: usize,
    average: Option<Average>,
    optimizer: AdamW,
    schedule: Schedule,
    compute: DType,
    step: u64,
}

impl<H: TaskHead> Tuner<H> {
    /// A fresh start on data with these classes and `images` training pictures, in a float type (f64 for
    /// gradient checks).
    ///
    /// # Errors
    /// Settings that don't fit, weights of another encoder, or the backend's failure.
    pub fn new(
        recipe: TuneRecipe,
        start: &EncoderStart,
        classes: &[String],
        images: usize,
        place: Place,
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
        let context = HeadContext {
            geometry,
            classes: classes.to_vec(),
            mean: values_of(&recipe.data.mean),
            std: values_of(&recipe.data.std),
        };
        let settings: H::Settings = recipe.head.read()?;
        let built = specs.scope("head", |specs| H::build(&settings, &context, specs));
        let head = built.map_err(|e| e.locate(|key| recipe.head.place(key)))?;
        let train = &recipe.train;
        values.extend(specs.initial(train.seed)?.split_off(values.len()));
        let features = head.features();
        if let Some(feature) = features.iter().find(|f| f.blocks == 0 || f.blocks > geometry.depth) {
            return Err(Error::user(format!(
                "the head looks at block {} of {}",
                feature.blocks, geometry.depth
            ))
            .mend(format!("choose 1 to {}", geometry.depth)));
        }
        let frozen = match train.tune {
            Tuned::Full => 0,
            Tuned::Frozen => geometry.depth,
            Tuned::Last(blocks) if blocks <= geometry.depth => geometry.depth - blocks,
            Tuned::Last(blocks) => {
                return Err(Error::user(format!("the encoder has {} blocks, not {blocks}", geometry.depth))
                    .at("`train.tune`")
                    .mend(format!("choose last:1 to last:{}, or full", geometry.depth)));
            }
        };
        if train.batch > images {
            return Err(Error::user(format!("a batch of {} from {images} training images", train.batch))
                .at("`train.batch`")
                .mend(format!("lower it to at most {images}")));
        }
        let steps_per_epoch = (images / train.batch) as u64;
        let total_steps = match train.steps {
            0 => (train.epochs * steps_per_epoch as f64).round() as u64,
            steps => steps as u64,
        };
        let compute = if train.precision == Precision::Bf16 { DType::Bf16 } else { dtype };
        let params = Params::upload(&place, values, dtype, compute)?.into_tensors();
        let trained: Arc<[bool]> = trained(specs.specs(), geometry.depth, train.tune).into();
        // What isn't trained needs no moments, and no average.
        let chosen = |i: &usize| trained[*i];
        let which: Vec<usize> = (0..params.len()).filter(chosen).collect();
        let subset: Vec<Tensor> = which.iter().map(|&i| params[i].clone()).collect();
        let subset_specs: Vec<_> = which.iter().map(|&i| specs.specs()[i].clone()).collect();
        let rates = layer_rates(&subset_specs, geometry.depth, train.layer_decay);
        let optimizer = AdamW::new(&recipe.optimizer, &subset_specs, &subset)?.with_rates(rates);
        let average = (train.ema > 0.0).then(|| Average::new(train.ema, &subset)).transpose()?;
        let schedule =
            Schedule::new(&recipe.schedule, &recipe.optimizer, train.batch, steps_per_epoch, total_steps);
        place.backend.seed(train.seed);
        Ok(Self {
            recipe,
            encoder,
            head,
            specs,
            total_steps,
            features,
            place,
            params,
            trained,
            frozen,
            average,
            optimizer,
            schedule,
            compute,
            step: 0,
        })
    }

    /// Steps done.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// The number of values in all parameters, and in those that are trained.
    pub fn parameters(&self) -> [usize; 2] {
        let count = |only: bool| {
            let specs = self.specs.specs().iter().zip(self.trained.iter());
            specs.filter(|(_, trained)| !only || **trained).map(|(spec, _)| spec.shape.count()).sum()
        };
        [count(false), count(true)]
    }

    /// The weights as they are trained.
    pub fn params(&self) -> Params {
        Params::new(self.params.clone(), self.compute).only(self.trained.clone())
    }

    /// The weights to score: the average where there is one.
    pub fn scored_params(&self) -> Params {
        let mut tensors = self.params.clone();
        if let Some(average) = &self.average {
            let places = (0..tensors.len()).filter(|&i| self.trained[i]).collect::<Vec<_>>();
            for (i, tensor) in places.into_iter().zip(average.tensors()) {
                tensors[i] = tensor.clone();
            }
        }
        Params::new(tensors, self.compute)
    }

    /// The forward pass of a batch at a step, with drop path in training.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn pass<'a>(
        &'a self,
        examples: &'a Examples<H::Target>,
        step: u64,
        training: bool,
    ) -> Result<TuningPass<'a, H>> {
        let geometry = self.encoder.geometry();
        let batch = &examples.batch;
        let dtype = self.params.first().map_or(DType::F32, Tensor::dtype);
        let images = self.place.floats(batch.shape, batch.pixels.clone(), dtype)?;
        let train = &self.recipe.train;
        let draws = Draws { seed: train.seed, step, first_sample: batch.first_sample };
        let drop_path = (training && train.drop_path > 0.0)
            .then(|| DropPath::draw(&self.place, draws, batch.len(), geometry.depth, train.drop_path, dtype))
            .transpose()?;
        Ok(TuningPass {
            encoder: &*self.encoder,
            head: &self.head,
            features: &self.features,
            patches: patchify(&images, geometry)?,
            targets: &examples.targets,
            draws,
            drop_path,
            frozen: self.frozen,
        })
    }

    /// One optimiser step. Nothing changes where a loss or gradient is not finite: the report then tells
    /// it, and the caller stops.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn train_step(&mut self, examples: &Examples<H::Target>) -> Result<StepReport> {
        let mut phases = Phases::default();
        let parts = self.recipe.train.accumulate;
        let part = examples.batch.len() / parts;
        let mut total: Option<Vec<Option<Tensor>>> = None;
        let mut sums: Vec<(String, f64)> = vec![];
        for i in 0..parts {
            let owned;
            let slice = if parts == 1 {
                examples
            } else {
                owned = examples.slice(i * part, (i + 1) * part);
                &owned
            };
            let pass = self.pass(slice, self.step, true)?;
            let found = gradients_of(&pass, &self.params(), self.recipe.train.checkpoint_blocks)?;
            phases.forward += found.seconds[0];
            phases.backward += found.seconds[1];
            for (name, value) in read_scalars(&found.scalars)? {
                match sums.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => *sum += value / parts as f64,
                    None => sums.push((name, value / parts as f64)),
                }
            }
            match &mut total {
                Some(total) => accumulate(total, found.gradients)?,
                None => total = Some(found.gradients),
            }
        }
        let started = Instant::now();
        let gradients = total.ok_or_else(|| Error::failure("a step without a batch"))?;
        let grad_norm = global_norm(&gradients)? / parts as f64;
        let lr = self.schedule.lr(self.step);
        let images = examples.batch.len();
        let mut report = StepReport { step: self.step + 1, lr, scalars: sums, grad_norm, images, phases };
        if report.loss().is_finite() && grad_norm.is_finite() {
            let scale = self.optimizer.clip_factor(grad_norm) / parts as f64;
            self.update(gradients, (self.step + 1, lr, scale))?;
            self.step += 1;
        }
        report.phases.optimiser = started.elapsed().as_secs_f64();
        Ok(report)
    }

    fn update(&mut self, gradients: Vec<Option<Tensor>>, step: (u64, f64, f64)) -> Result<()> {
        let which: Vec<usize> = (0..self.params.len()).filter(|&i| self.trained[i]).collect();
        let gradients = gradients.into_iter().enumerate().filter(|(i, _)| self.trained[*i]);
        let gradients: Vec<_> = gradients.map(|(_, gradient)| gradient).collect();
        if which.len() == self.params.len() {
            self.optimizer.step(&mut self.params, gradients, step)?;
            return self.average.as_mut().map_or(Ok(()), |average| average.update(&self.params));
        }
        let mut subset: Vec<Tensor> = which.iter().map(|&i| self.params[i].clone()).collect();
        self.optimizer.step(&mut subset, gradients, step)?;
        if let Some(average) = &mut self.average {
            average.update(&subset)?;
        }
        which.into_iter().zip(subset).for_each(|(i, tensor)| self.params[i] = tensor);
        Ok(())
    }

    /// What the head predicts of a batch.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn predict(&self, params: &Params, batch: &crate::data::Batch) -> Result<Vec<H::Prediction>> {
        let _quiet = NoGrad::new(&*self.place.backend);
        let inference = Inference { encoder: &*self.encoder, params, features: &self.features };
        self.head.infer(&inference, batch)
    }

    /// Encoder and head as they are scored, as a checkpoint whose recipe is this tuning's.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn checkpoint(&self, start: &EncoderStart) -> Result<Checkpoint> {
        let scored = self.scored_params();
        let named = self.specs.specs().iter().zip(scored.tensors());
        let tensors = named
            .map(|(spec, tensor)| Ok((format!("model.{}", spec.name), tensor.download()?)))
            .collect::<Result<_>>()?;
        let mut table = self.recipe.table.clone();
        table.insert("name".to_owned(), self.recipe.name.clone().into());
        table.insert("encoder".to_owned(), start.section.table().clone().into());
        let state = CheckpointState {
            step: self.step,
            recipe_hash: String::new(),
            recipe: toml::to_string(&table).map_err(|e| Error::failure(e.to_string()))?,
            backend: self.place.backend.info().name,
            plugin: None,
        };
        Ok(Checkpoint { state, tensors })
    }
}
