//! The parity ladder: the same weights, plans and noise on every backend, from a block to a hundred steps, each
//! library loaded through the C table as the driver loads it. Single operations are the business of each
//! backend's own suite.
//!
//! All rungs compare f32 with the burn backend in this process. Backends add the same numbers in other orders;
//! one sum of a thousand terms then differs by some 1e-7 of its scale, which sets the tolerances.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tells what was passed over, and the gaps")]

use std::sync::Arc;

use palimpsest_core::data::{Normalisation, PixelBytes};
use palimpsest_core::model::{Mode, Model};
use palimpsest_core::params::Params;
use palimpsest_core::recipe::{Recipe, presets};
use palimpsest_core::tensor::OpKind;
use palimpsest_core::train::{Trainer, gradients};
use palimpsest_core::{DType, DeviceHandle};
use palimpsest_tests::batches;
use palimpsest_tests::candidates::{apart, candidates};
use palimpsest_tests::micro::{self, DECODER_STYLE, ENCODER_STYLE, Parts, SHAPE};

use crate::gradients::NEWER;

/// Tokens after three blocks: a few hundred sums in a row.
const FORWARD: f64 = 5e-6;
/// A loss is a mean of thousands of terms, whose errors cancel.
const LOSS: f64 = 2e-6;
/// A parameter's gradient, by its norm: the sums of the forward pass once more, over the batch.
const GRADIENT: f64 = 5e-5;
/// Each step feeds the last one's rounding back; fifty times what a hundred steps showed (2e-7), and far below what
/// a different mask would change (1e-2).
const CURVE: f64 = 1e-5;
const STEPS: usize = 100;
const BATCH: usize = 8;

fn recipe(preset: &str) -> Recipe {
    micro::preset(
        preset,
        &[
            "train.steps=100",
            "train.batch=8",
            "schedule.warmup_epochs=1",
            "optimizer.lr=1e-3",
            "optimizer.lr_batch=0",
        ],
    )
}

/// Tokens after each number of blocks, without corruption.
fn tokens(recipe: &Recipe, device: &DeviceHandle) -> Vec<Vec<f64>> {
    let model = Model::build(recipe).unwrap();
    let params = Params::upload(device, micro::lively(&model, 3), DType::F32, DType::F32).unwrap();
    let batch = batches::noise(BATCH, SHAPE, 5, 0);
    let images = batch.images(device, DType::F32).unwrap();
    let patches = palimpsest_core::encoder::patchify(&images, model.geometry()).unwrap();
    let depth = model.geometry().depth;
    (1..=depth)
        .map(|blocks| {
            let tokens = model.encoder.features(&params, &patches, blocks).unwrap();
            tokens.download().unwrap().into_f64()
        })
        .collect()
}

/// Losses by name, and gradients by parameter.
type Pass = (Vec<(String, f64)>, Vec<Option<Vec<f64>>>);

/// Losses by name and gradients by parameter of one corrupted batch.
fn one_pass(recipe: &Recipe, device: &DeviceHandle) -> Pass {
    let model = Model::build(recipe).unwrap();
    let params = Params::upload(device, micro::lively(&model, 3), DType::F32, DType::F32).unwrap();
    let batch = batches::noise(BATCH, SHAPE, 5, 0);
    let plan = model.plan(&batch, 0, 0.0, None).unwrap();
    let prepared = model
        .prepare(device, DType::F32, &batch, &plan, Mode { step: 0, training: true, observe: true })
        .unwrap();
    let prepared = micro::taught(&model, prepared);
    let found = gradients(&model, &params, &prepared, 0).unwrap();
    let losses = found.scalars.iter().map(|(name, value)| (name.clone(), value.item().unwrap())).collect();
    let values = |t: palimpsest_core::Tensor| t.download().unwrap().into_f64();
    (losses, found.gradients.into_iter().map(|g| g.map(values)).collect())
}

fn curve(recipe: &Recipe, device: &DeviceHandle) -> Vec<f64> {
    let mut trainer = Trainer::new(recipe.clone(), device.clone(), 10).unwrap();
    let batches = batches::series(STEPS, BATCH, SHAPE, 11);
    batches.iter().map(|batch| trainer.train_step(batch, false).unwrap().loss()).collect()
}

#[test]
fn blocks_and_encoder() {
    let burn = micro::device();
    for preset in ["paper", "mae"] {
        let recipe = recipe(preset);
        let due = tokens(&recipe, &burn);
        for (name, device) in candidates() {
            for (blocks, (due, found)) in due.iter().zip(tokens(&recipe, &device)).enumerate() {
                let gap = apart(due, &found);
                assert!(gap <= FORWARD, "{name}, {preset}, after {} blocks: {gap:e}", blocks + 1);
            }
        }
    }
}

/// Holds losses and gradients of a backend against those that are due.
#[track_caller]
fn assert_same(title: &str, (losses, gradients): &Pass, (found, found_gradients): &Pass) {
    assert_eq!((losses.len(), gradients.len()), (found.len(), found_gradients.len()), "{title}");
    for ((what, due), (_, loss)) in losses.iter().zip(found) {
        // Entropies are differences from ln T, which is about 3: their own size is no scale.
        let gap = (due - loss).abs() / due.abs().max(1.0);
        assert!(gap <= LOSS, "{title}, {what}: {loss} for {due}");
    }
    for (i, (due, found)) in gradients.iter().zip(found_gradients).enumerate() {
        match (due, found) {
            (Some(due), Some(found)) => {
                // A gradient that is zero but for rounding has no scale of its own.
                let scale = due.iter().map(|v| v * v).sum::<f64>().sqrt();
                let gap = apart(due, found) * if scale < 1e-6 { scale } else { 1.0 };
                assert!(gap <= GRADIENT, "{title}, parameter {i}: {gap:e}");
            }
            (None, None) => {}
            _ => panic!("{title}, parameter {i}: a gradient on one side alone"),
        }
    }
}

#[test]
fn objectives_and_gradients() {
    let burn = micro::device();
    let candidates = candidates();
    for preset in presets() {
        let recipe = recipe(preset.name);
        let due = one_pass(&recipe, &burn);
        for (name, device) in &candidates {
            assert_same(&format!("{name}, {}", preset.name), &due, &one_pass(&recipe, device));
        }
    }
}

/// Encoders with the parts that came after 2021, with mask tokens in the encoder and with tokens dropped.
#[test]
fn newer_encoders() {
    let burn = micro::device();
    let candidates = candidates();
    let objectives = "[objective.it]\nkind = \"reconstruction\"\non = \"masked\"\ndistance = \"l2\"\ntarget = { kind = \"pixels\" }\n";
    for (encoder_name, encoder) in NEWER {
        for style in [ENCODER_STYLE, DECODER_STYLE] {
            let recipe = Parts { encoder, objectives, ..style }.recipe();
            let due = one_pass(&recipe, &burn);
            for (name, device) in &candidates {
                assert_same(&format!("{name}, {encoder_name}"), &due, &one_pass(&recipe, device));
            }
        }
    }
}

/// The first step is the rung of one optimiser step: the second loss sees it.
#[test]
fn one_step_and_a_hundred() {
    let burn = micro::device();
    let candidates = candidates();
    for preset in ["paper", "mae", "maskdit", "data2vec-image"] {
        let recipe = recipe(preset);
        let due = curve(&recipe, &burn);
        for (name, device) in &candidates {
            let found = curve(&recipe, device);
            let gaps: Vec<f64> = due.iter().zip(&found).map(|(a, b)| (a - b).abs() / a.abs()).collect();
            let worst = gaps.iter().copied().fold(0.0, f64::max);
            println!("{name}, {preset}: second loss {:.1e}, worst of {STEPS} {worst:.1e}", gaps[1]);
            assert!(gaps[1] <= 10.0 * LOSS, "{name}, {preset}: one step on {:e}", gaps[1]);
            assert!(worst <= CURVE, "{name}, {preset}: {worst:e}");
            if *name == "burn" {
                assert!(worst == 0.0, "the C table changes burn's own numbers: {worst:e}");
            }
        }
    }
}

/// Bytes that a library normalises are what the host's table makes of them, to the last bit.
#[test]
fn bytes_are_normalised_alike() {
    let [mean, std] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];
    let by = Arc::new(Normalisation::new(&mean, &std));
    let values = (0..2 * 3 * 16 * 16).map(|i| (i % 256) as u8).collect();
    let bytes = PixelBytes { values, plane: 16 * 16, by };
    let due: Vec<u32> = bytes.normalised().into_iter().map(f32::to_bits).collect();
    let all = candidates().into_iter().chain([("burn in this process", micro::device())]);
    for (name, device) in all {
        if !device.backend.supports(OpKind::Cast, DType::U8, device.id) {
            println!("passed over: {name} takes no bytes");
            continue;
        }
        let found = bytes.normalised_on(&device, [2, 3, 16, 16]).unwrap().download().unwrap().into_f32();
        let found: Vec<u32> = found.into_iter().map(f32::to_bits).collect();
        assert!(found == due, "{name}");
    }
}
