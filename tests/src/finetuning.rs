//! A micro encoder with a head on it.

use std::sync::OnceLock;

use palimpsest_core::finetune::{EncoderStart, FineTuner, FinetuneRecipe, TrainingData};
use palimpsest_core::head::{Examples, TaskHead};
use palimpsest_core::params::Params;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::settings::Settings;
use palimpsest_core::tensor::HostTensor;
use palimpsest_core::train::{Gradients, Pass, gradients_of};
use palimpsest_core::{DType, DeviceHandle};

use crate::{batches, micro};

/// One backend for all fine-tuners, so that they can share weights.
fn device() -> DeviceHandle {
    static DEVICE: OnceLock<DeviceHandle> = OnceLock::new();
    DEVICE.get_or_init(micro::device).clone()
}

/// A fine-tuner in f64 on the micro encoder of `recipe`, whose weights are far from where training starts.
///
/// # Panics
/// If the settings make none.
pub fn fine_tuner<H: TaskHead>(
    recipe: &Recipe,
    classes: &[&str],
    images: usize,
    overrides: &[&str],
) -> FineTuner<H> {
    let classes = classes.iter().map(|&name| name.to_owned()).collect();
    fine_tuner_on(recipe, TrainingData { classes, images, ..TrainingData::default() }, overrides)
}

/// The same on data of which more is known.
///
/// # Panics
/// As [`fine_tuner`].
pub fn fine_tuner_on<H: TaskHead>(recipe: &Recipe, data: TrainingData, overrides: &[&str]) -> FineTuner<H> {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    let fields = H::Settings::fields();
    let settings = FinetuneRecipe::resolve("test", H::TRAINING, recipe, &overrides, [&fields, &[]]).unwrap();
    let model = palimpsest_core::model::Model::build(recipe).unwrap();
    let named = model.specs.specs().iter().map(|spec| spec.name.clone());
    let weights = named.zip(micro::lively(&model, 3)).collect();
    let start = EncoderStart { section: recipe.encoder.clone(), weights: Some(weights), seed: 0 };
    FineTuner::new(settings, &start, data, device(), DType::F64).unwrap()
}

/// A batch of noise with these targets.
pub fn examples<T>(targets: Vec<T>, first_sample: u64) -> Examples<T> {
    Examples { batch: batches::noise(targets.len(), micro::SHAPE, 21, first_sample), targets }
}

/// The gradients of a fine-tuner's loss on examples, with and without recomputed blocks.
///
/// # Panics
/// If the backend fails.
pub fn gradients<H: TaskHead>(
    fine_tuner: &FineTuner<H>,
    params: &Params,
    examples: &Examples<H::Target>,
    checkpoint_blocks: usize,
) -> Gradients {
    gradients_of(&fine_tuner.pass(examples, 3, true).unwrap(), params, checkpoint_blocks).unwrap()
}

/// The loss at other parameters.
///
/// # Panics
/// If the backend fails.
pub fn loss<H: TaskHead>(fine_tuner: &FineTuner<H>, params: &Params, examples: &Examples<H::Target>) -> f64 {
    let pass = fine_tuner.pass(examples, 3, true).unwrap();
    let tokens = pass.embed(params).unwrap();
    let (tokens, taps) = pass.blocks(params, tokens, 0..pass.depth()).unwrap();
    pass.losses(params, &tokens, taps).unwrap().0.item().unwrap()
}

/// Values with noise for a head's parameters, so that no derivative is small by construction.
///
/// # Panics
/// If a shape doesn't fit.
pub fn lively(fine_tuner: &FineTuner<impl TaskHead>) -> Params {
    use palimpsest_core::random::{Philox, Stream};
    let params = fine_tuner.params();
    let specs = fine_tuner.specs.specs().iter().zip(params.tensors()).enumerate();
    let values = specs.map(|(i, (spec, tensor))| {
        let mut values = tensor.download().unwrap().into_f32();
        if spec.name.starts_with("head.") {
            let mut noise = vec![0.0; values.len()];
            Philox::new(9, Stream::Test, 1, i as u64).fill_normal(&mut noise);
            let width = spec.shape.dims().last().copied().unwrap_or(1) as f32;
            let deviation = if spec.decay { 0.7 / width.sqrt() } else { 0.2 };
            values.iter_mut().zip(noise).for_each(|(v, n)| *v += deviation * n);
        }
        HostTensor::f32(spec.shape.clone(), values).unwrap()
    });
    Params::upload(&params.device(), values.collect(), DType::F64, DType::F64).unwrap()
}
