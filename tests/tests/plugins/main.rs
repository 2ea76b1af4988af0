//! Plug-ins through the C interface: one library on every backend, gradients through its operations, and what
//! the host refuses. In a process of their own, as what is installed is known everywhere.

use std::path::PathBuf;
use std::sync::Once;

use palimpsest_core::corruption;
use palimpsest_core::model::{Mode, Model};
use palimpsest_core::params::Params;
use palimpsest_core::plugin::discover;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::train::{Trainer, gradients};
use palimpsest_core::{DType, DeviceHandle};
use palimpsest_tests::batches;
use palimpsest_tests::candidates::{apart, candidates};
use palimpsest_tests::differences::check;
use palimpsest_tests::libraries::library;
use palimpsest_tests::micro::{self, DECODER_STYLE, ENCODER_STYLE, Parts, SHAPE};

/// Fourth-order differences in f64; a wrong term shows as 1e-2 or more.
const DIFFERENCES: f64 = 1e-5;

/// As for built-ins on the parity ladder: each step feeds the last one's rounding back.
const CURVE: f64 = 1e-5;

const OBJECTIVES: &str = "[objective.pixels]\nkind = \"reconstruction\"\non = \"all\"\ndistance = \"l2\"\n";

/// Makes the plug-ins of this workspace known, once.
fn install() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let names = [
            "adaptive_noise",
            "attention_mask",
            "band_noise",
            "colour_noise",
            "pca_noise",
            "token_mix",
            "restated_noise",
        ];
        let built =
            |name| library(name).unwrap_or_else(|| panic!("{name} is not built: cargo test --workspace"));
        let paths: Vec<PathBuf> = names.into_iter().map(built).collect();
        corruption::install(discover(&paths).expect("plug-ins"));
    });
}

fn recipe(style: Parts<'_>, corruption: &str, noise: &str) -> Recipe {
    install();
    Parts { corruption, noise, objectives: OBJECTIVES, ..style }.recipe()
}

/// Every plug-in, where it may enter.
fn all() -> Vec<(&'static str, Recipe)> {
    let law = "at = \"block:1\"\nlaw = { kind = \"ddpm\", exponent = 1.2 }";
    let plain = |corruption| recipe(ENCODER_STYLE, corruption, "");
    vec![
        ("colour noise", recipe(DECODER_STYLE, "kind = \"colour-noise\"", "")),
        ("colour noise with noise", recipe(ENCODER_STYLE, "kind = \"colour-noise\"\nratio = 0.5", law)),
        ("attention", plain("kind = \"attention-mask\"\nwarmup = 0.0")),
        ("token mix", plain("kind = \"token-mix\"")),
        ("adaptive noise", plain("kind = \"adaptive-noise\"\nat = \"block:2\"\nratio = 0.25")),
        ("band noise on the embedding", plain("kind = \"band-noise\"\nratio = 0.25")),
        ("band noise at a block", plain("kind = \"band-noise\"\nat = \"block:1\"\nhigh = 0.3")),
        (
            "band noise on kept tokens",
            recipe(DECODER_STYLE, "kind = \"band-noise\"\nat = \"block:1\"\nratio = 0.5", ""),
        ),
        ("principal components", plain("kind = \"pca-noise\"\nat = \"pixels\"\ncomponents = 4")),
        ("restated", recipe(ENCODER_STYLE, "kind = \"restated-noise\"\nratio = 0.5", law)),
    ]
}

/// The losses of some steps.
fn curve(recipe: &Recipe, device: &DeviceHandle, steps: usize) -> Vec<f64> {
    let model = Model::build(recipe).unwrap();
    let values = micro::lively(&model, 3);
    let mut trainer =
        Trainer::with_values(recipe.clone(), model, device.clone(), 10, values, DType::F32).unwrap();
    let step = |i: usize| {
        let batch = batches::noise(4, SHAPE, 5, 4 * i as u64);
        trainer.train_step(&batch, false).unwrap().loss()
    };
    (0..steps).map(step).collect()
}

#[test]
fn one_library_runs_on_every_backend() {
    let (own, others) = (micro::device(), candidates());
    for (name, recipe) in all() {
        let due = curve(&recipe, &own, 10);
        assert!(due.iter().all(|loss| loss.is_finite()), "{name}: {due:?}");
        for (backend, device) in &others {
            let gap = apart(&due, &curve(&recipe, device, 10));
            assert!(gap < CURVE, "{name} on {backend}: losses part by {gap:e}");
        }
    }
}

#[test]
fn gradients_go_through_operations() {
    let device = micro::device();
    for (name, recipe) in all() {
        let model = Model::build(&recipe).unwrap();
        let values = micro::lively(&model, 3);
        let batch = batches::noise(3, SHAPE, 21, 40);
        let params = Params::upload(&device, values.clone(), DType::F64, DType::F64).unwrap();
        let scores = model.scores(&params, &batch).unwrap();
        let plan = model.plan(&batch, 7, 0.5, scores.as_deref()).unwrap();
        let prepared = model
            .prepare(&device, DType::F64, &batch, &plan, Mode { step: 7, training: true, observe: true })
            .unwrap();
        let worst = check(&model, &values, &device, &prepared, 6);
        assert!(worst.error < DIFFERENCES, "{name}: error {:e} at {}", worst.error, worst.at);
        // Recomputing blocks calls `apply` again: it must give the same.
        let [whole, parts] = [0, 1].map(|blocks| gradients(&model, &params, &prepared, blocks).unwrap());
        for (a, b) in whole.gradients.iter().zip(&parts.gradients) {
            let [a, b] =
                [a, b].map(|g| g.as_ref().map(|g| g.download().unwrap().into_f64()).unwrap_or_default());
            assert!(apart(&a, &b) < 1e-12, "{name}: recomputed");
        }
    }
}

/// The interface adds nothing and loses nothing: the same bits as the built-in.
#[test]
fn a_restated_built_in_gives_the_same_losses() {
    let device = micro::device();
    for style in [ENCODER_STYLE, DECODER_STYLE] {
        for at in ["embedding", "block:1", "pixels"] {
            let noise = format!("at = \"{at}\"\nlaw = {{ kind = \"ddpm\", exponent = 1.2 }}");
            let run = |kind: &str| {
                let corruption = format!("kind = \"{kind}\"\nratio = 0.5");
                curve(&recipe(style, &corruption, &noise), &device, 5)
            };
            assert_eq!(run("random"), run("restated-noise"), "at {at}");
        }
    }
}

#[test]
fn a_run_goes_on_with_its_own_plug_in_only() {
    let recipe = recipe(ENCODER_STYLE, "kind = \"band-noise\"", "");
    let mut trainer = Trainer::new(recipe, micro::device(), 10).unwrap();
    let checkpoint = trainer.checkpoint().unwrap();
    let identity = checkpoint.state.plugin.clone().expect("a plug-in");
    assert_eq!((identity.id.as_str(), identity.sha256.len()), ("org.palimpsest.band-noise", 64));
    trainer.restore(checkpoint.clone()).unwrap();

    // The same after a file.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("step.safetensors");
    checkpoint.write(&path).unwrap();
    let mut read = palimpsest_core::train::Checkpoint::read(&path).unwrap();
    assert_eq!(read.state, checkpoint.state);

    if let Some(plugin) = &mut read.state.plugin {
        plugin.sha256 = "0".repeat(64);
    }
    let error = trainer.restore(read).unwrap_err().to_string();
    assert!(error.contains("org.palimpsest.band-noise 0.1.0 (sha256 000000000000)"), "{error}");
    assert!(error.contains("--plugin"), "{error}");
}

/// What is wrong in a recipe's table is told before anything runs, as it is for built-ins.
#[test]
fn mistakes_name_key_value_and_help() {
    install();
    let (encoder, decoder) = (ENCODER_STYLE, DECODER_STYLE);
    for (style, corruption, noise, want) in [
        (encoder, "kind = \"band-nois\"", "", "did you mean `band-noise`?"),
        (encoder, "kind = \"band-noise\"\nlov = 0.1", "", "unknown key `lov`; did you mean `low`?"),
        (encoder, "kind = \"band-noise\"\nlow = 2.0", "", "2.0 is out of range; choose a value in 0..=1"),
        (encoder, "kind = \"band-noise\"\nlow = nan", "", "nan is out of range"),
        (encoder, "kind = \"band-noise\"\nlow = true", "", "write a value like 0.0"),
        (encoder, "kind = \"band-noise\"\nlow = 0.4\nhigh = 0.3", "", "widen the band"),
        (encoder, "kind = \"colour-noise\"\ncolour = \"pink\"", "", "choose a value in white, red, blue"),
        (encoder, "kind = \"colour-noise\"\nat = \"embedding\"", "", "unknown key `at`"),
        (encoder, "kind = \"band-noise\"\nat = \"block\"", "", "unknown injection point `block`"),
        (encoder, "kind = \"band-noise\"\nat = \"block:9\"", "", "block 9 is not among the 3 blocks"),
        (
            encoder,
            "kind = \"band-noise\"\nat = \"embedding\"",
            "at = \"block:1\"\nlaw = { kind = \"ddpm\" }",
            "its noise would enter at embedding and [noise] at block:1",
        ),
        (encoder, "kind = \"attention-mask\"\nblock = 3", "", "choose -3 to 2"),
        (encoder, "kind = \"pca-noise\"\ncomponents = 17", "", "choose up to 16"),
        (decoder, "kind = \"adaptive-noise\"\nratio = 0.9\nshare = 0.9", "", "choose share + ratio up to 1"),
    ] {
        let text = Parts { corruption, noise, objectives: OBJECTIVES, ..style }.text();
        let error = Recipe::parse("test", &text, &[])
            .and_then(|recipe| Model::build(&recipe).map(|_| ()))
            .expect_err(corruption)
            .to_string();
        assert!(error.contains(want), "{corruption}: {error}");
    }
    let split =
        recipe(encoder, "kind = \"token-mix\"", "").to_toml().replace("accumulate = 1", "accumulate = 2");
    let split = Recipe::parse("test", &split, &[]).unwrap();
    let error = Model::build(&split).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("a batch can't be split"), "{error}");
}
