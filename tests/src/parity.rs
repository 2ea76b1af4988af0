//! Twenty steps of a micro model, with everything that another implementation needs to do the same.

use palimpsest_conformance::recording::Recording;
use palimpsest_core::DType;
use palimpsest_core::model::Model;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::train::Trainer;

use crate::batches;
use crate::files::Named;
use crate::micro::{self, SHAPE};

/// Steps of a comparison.
pub const STEPS: usize = 20;
const BATCH: usize = 8;

/// A run that was recorded.
pub struct Recorded {
    /// The recipe.
    pub recipe: Recipe,
    /// See [`Recording`].
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
    let mut recording = Recording::new(&model, &initial);
    let steps_per_epoch = 5;
    let mut trainer =
        Trainer::with_values(recipe.clone(), model, micro::device(), steps_per_epoch, initial, dtype)
            .unwrap();
    let (mut losses, mut scalars) = (vec![], vec![]);
    for (step, batch) in batches::series(STEPS, BATCH, SHAPE, 11).into_iter().enumerate() {
        let plan = trainer.plan(&batch).unwrap();
        recording.add_step(&trainer.model, &trainer.recipe, step as u64, &batch, &plan).unwrap();
        let report = trainer.train_step(&batch, false).unwrap();
        assert!(report.loss().is_finite());
        losses.push(report.loss());
        scalars.push(report.scalars);
    }
    let after = trainer.params().into_tensors();
    let weights = names.into_iter().zip(after.iter().map(|t| t.download().unwrap().into_f64())).collect();
    let inputs = recording.tensors;
    Recorded { recipe, inputs, losses, scalars, weights }
}
