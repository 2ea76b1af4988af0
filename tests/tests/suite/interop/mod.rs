//! Weights to and from timm, Hugging Face and MAE: their features with our weights, ours with theirs.

mod exports;
mod imports;
mod newer;

use palimpsest_core::DType;
use palimpsest_core::corruption::{CorruptionPlan, Role};
use palimpsest_core::data::Batch;
use palimpsest_core::encoder::patchify;
use palimpsest_core::interop::{Imported, Layout, Source, import};
use palimpsest_core::model::{Forward, Mode, Model};
use palimpsest_core::params::Params;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::tensor::HostTensor;
use palimpsest_tests::files::here;
use palimpsest_tests::micro;

/// f32 on both sides, sums in other orders: 2e-6 is seen in features of size 3, 1e-5 in restored patches.
const TOLERANCE: f64 = 1e-4;

/// What of a micro recipe makes each golden file's architecture.
const GOLDEN: [(&str, Layout, &[&str]); 6] = [
    ("timm", Layout::Timm, &["encoder.position=learned"]),
    ("timm-gains", Layout::Timm, &["encoder.position=learned", "encoder.layer_scale=0.1"]),
    ("timm-bare", Layout::Timm, &["encoder.position=learned", "encoder.class_token=false"]),
    ("hf", Layout::HfVit, &["encoder.position=learned"]),
    ("hf-mae", Layout::HfMae, &[]),
    ("mae", Layout::Mae, &[]),
];

fn golden(name: &str) -> std::path::PathBuf {
    here("golden/interop").join(format!("{name}.safetensors"))
}

/// The MAE preset at the golden files' size.
fn recipe(overrides: &[&str]) -> Recipe {
    let mut all = vec!["encoder.depth=2", "restoration.decoder.depth=1"];
    all.extend(overrides);
    micro::preset("mae", &all)
}

/// An encoder that restores by itself, at the golden files' size.
fn encoder_style(overrides: &[&str]) -> Recipe {
    let mut all = vec!["encoder.depth=2"];
    all.extend(overrides);
    micro::preset("simmim", &all)
}

fn imported(source: &Source, recipe: &Recipe) -> palimpsest_core::Result<(Model, Imported)> {
    let model = Model::build(recipe)?;
    let initial = model.specs.initial(7)?;
    let imported = import(source, recipe, &model, initial)?;
    Ok((model, imported))
}

fn features(model: &Model, values: &[HostTensor], batch: &Batch) -> Vec<f64> {
    let device = micro::device();
    let params = Params::upload(&device, values.to_vec(), DType::F32, DType::F32).unwrap();
    let images = batch.images(&device, DType::F32).unwrap();
    let patches = patchify(&images, model.geometry()).unwrap();
    let features = model.encoder.features(&params, &patches, model.geometry().depth).unwrap();
    features.download().unwrap().into_f64()
}

/// A step's forward pass with these tokens masked.
fn forward(model: &Model, values: &[HostTensor], batch: &Batch, roles: Vec<Role>) -> Forward {
    let device = micro::device();
    let params = Params::upload(&device, values.to_vec(), DType::F32, DType::F32).unwrap();
    let plan = CorruptionPlan { roles, ..CorruptionPlan::identity(batch.len(), model.geometry().tokens()) };
    let prepared = model.prepare(&device, DType::F32, batch, &plan, Mode::evaluation(0)).unwrap();
    model.forward(&params, &prepared).unwrap()
}

/// Restored patches in MAE's order of values: (row, column, channel).
fn restored(model: &Model, forward: &Forward) -> Vec<f64> {
    let geometry = model.geometry();
    let prediction = &forward.predictions["normalized-pixels"];
    let [b, l, _] = prediction.shape().array().unwrap();
    let pixels = geometry.patch * geometry.patch;
    let split = prediction.reshape([b, l, geometry.channels, pixels]).unwrap();
    split.permute(&[0, 1, 3, 2]).unwrap().download().unwrap().into_f64()
}

fn worst(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    assert!(theirs.iter().any(|v| v.abs() > 0.5), "nothing to compare");
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// An encoder as MAE's, in a recipe without a decoder.
fn without_decoder() -> Recipe {
    let encoder = [
        "encoder.depth=2",
        "encoder.layer_scale=0.0",
        "encoder.class_token=true",
        "encoder.relative_bias=false",
        "encoder.position=sincos",
    ];
    micro::preset("simmim", &encoder)
}
