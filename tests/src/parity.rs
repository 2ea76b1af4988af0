//! Twenty steps of a micro model, with everything that another implementation needs to do the same.

use palimpsest_core::DType;
use palimpsest_core::corruption::CorruptionPlan;
use palimpsest_core::corruption::noise::normal_values;
use palimpsest_core::data::Batch;
use palimpsest_core::model::Model;
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::tensor::HostTensor;
use palimpsest_core::train::Trainer;

use crate::batches;
use crate::files::Named;
use crate::micro::{self, SHAPE};

/// Steps of a comparison.
pub const STEPS: usize = 20;
const BATCH: usize = 8;
/// The streams of noise values: on pixels and on tokens.
const DRAWS: [(&str, u64); 2] = [("pixels", 1), ("tokens", 2)];

/// A run that was recorded.
pub struct Recorded {
    /// The recipe.
    pub recipe: Recipe,
    /// `weight.NAME`, `batch.STEP`, `roles.STEP`, `gain.STEP`, `noise.STEP`, `level.STEP`,
    /// `prefix.STEP`, `eps-pixels.STEP`, `eps-tokens.STEP`, `drop.STEP`.
    pub inputs: Named,
    /// The total loss of each step.
    pub losses: Vec<f64>,
    /// The losses of each step by objective, in the recipe's order.
    pub scalars: Vec<Vec<(String, f64)>>,
    /// The weights after the last step.
    pub weights: Vec<(String, Vec<f64>)>,
}

/// The recipe of a comparison: a micro preset whose rate warms up for 5 of 20 steps.
pub fn recipe(preset: &str, overrides: &[&str]) -> Recipe {
    let mut all = vec![
        "train.steps=20",
        "train.batch=8",
        "schedule.warmup_epochs=1",
        "schedule.warmup_lr=1e-5",
        "optimizer.lr=2e-3",
        "optimizer.lr_batch=0",
    ];
    all.extend(overrides);
    micro::preset(preset, &all)
}

/// Trains and records, in `dtype`.
///
/// # Panics
/// If training fails.
pub fn record(recipe: Recipe, dtype: DType) -> Recorded {
    let model = Model::build(&recipe).unwrap();
    let initial = model.specs.initial(recipe.run.seed).unwrap();
    let names: Vec<String> = model.specs.specs().iter().map(|spec| spec.name.clone()).collect();
    let mut inputs = Named::new();
    for (name, value) in names.iter().zip(&initial) {
        inputs.insert(format!("weight.{name}"), value.clone());
    }
    let steps_per_epoch = 5;
    let mut trainer =
        Trainer::with_values(recipe.clone(), model, micro::place(), steps_per_epoch, initial, dtype).unwrap();
    let (mut losses, mut scalars) = (vec![], vec![]);
    for (step, batch) in batches::series(STEPS, BATCH, SHAPE, 11).into_iter().enumerate() {
        let plan = trainer.plan(&batch).unwrap();
        record_step(&mut inputs, &trainer, &batch, &plan, step);
        let report = trainer.train_step(&batch, false).unwrap();
        assert!(report.loss().is_finite());
        losses.push(report.loss());
        scalars.push(report.scalars);
    }
    let after = trainer.params().into_tensors();
    let weights = names.into_iter().zip(after.iter().map(|t| t.download().unwrap().into_f64())).collect();
    Recorded { recipe, inputs, losses, scalars, weights }
}

fn record_step(inputs: &mut Named, trainer: &Trainer, batch: &Batch, plan: &CorruptionPlan, step: usize) {
    let (b, l) = (plan.batch, plan.tokens);
    let geometry = *trainer.model.geometry();
    let mut put = |name: &str, shape: &[usize], values: Vec<f32>| {
        inputs.insert(format!("{name}.{step}"), HostTensor::f32(shape.to_vec(), values).unwrap());
    };
    put("batch", &batch.shape, batch.pixels.clone());
    put("roles", &[b, l], plan.roles.iter().map(|&role| f32::from(role as u8)).collect());
    put("gain", &[b, l], plan.gain.clone());
    put("noise", &[b, l], plan.noise.clone());
    put("level", &[b], plan.level.clone());
    let prefix = plan.prefix.clone().unwrap_or_else(|| vec![(1.0, 0.0); b]);
    put("prefix", &[b, 2], prefix.into_iter().flat_map(|(gain, noise)| [gain, noise]).collect());
    let seed = trainer.recipe.run.seed;
    if trainer.model.noise.is_some() {
        let kept = if trainer.recipe.restoration.table()["style"].as_str() == Some("decoder") {
            plan.kept().unwrap()[0].len()
        } else {
            l
        };
        for (what, draw) in DRAWS {
            let shape = match what {
                "pixels" => [l, geometry.patch_values()],
                _ => [geometry.prefix + kept, geometry.dim],
            };
            let values = normal_values(seed, step as u64, batch.first_sample, b, shape[0] * shape[1], draw);
            put(&format!("eps-{what}"), &[b, shape[0], shape[1]], values);
        }
    }
    let rate = trainer.model.encoder.drop_path();
    put("drop", &[geometry.depth, 2, b], drop_path(rate, geometry.depth, seed, step as u64, batch));
}

/// The factors of drop path [depth, 2, batch], from its definition: branch j of block i of an image
/// is dropped with probability rate * i / (depth - 1), drawn in order from the image's own stream,
/// and what is kept is scaled up.
fn drop_path(rate: f64, depth: usize, seed: u64, step: u64, batch: &Batch) -> Vec<f32> {
    let b = batch.len();
    let mut factors = vec![1.0; depth * 2 * b];
    for image in 0..b {
        let mut random = Philox::new(seed, Stream::DropPath, step, batch.first_sample + image as u64);
        for block in 0..depth {
            let rate = rate * block as f64 / (depth - 1) as f64;
            for branch in 0..2 {
                let kept = random.uniform_f64() >= rate;
                factors[(block * 2 + branch) * b + image] =
                    if kept { (1.0 / (1.0 - rate)) as f32 } else { 0.0 };
            }
        }
    }
    factors
}
