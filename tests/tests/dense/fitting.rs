//! The heads as the driver fits them: on embedded data, with a micro encoder, a few steps.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use palimpsest_core::finetune::{
    EncoderStart, FinetuneRecipe, FitObserver, FitRequest, Fitted, HeadKind, check_heads, find_head,
    former_tables,
};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::tensor::OpKind;
use palimpsest_core::train::StepReport;
use palimpsest_core::{DType, DeviceHandle, Result};
use palimpsest_tests::candidates::candidates;
use palimpsest_tests::{micro, shapes};

struct Silent;

impl FitObserver for Silent {
    fn start(&mut self, _: u64, _: u64) {}
    fn step(&mut self, _: &StepReport) -> Result<()> {
        Ok(())
    }
    fn message(&mut self, _: &str) {}
}

const RECIPE: &str = r#"
preset = "mae"
[data]
name = "scenes"
image_size = 32
channels = 3
workers = 0
[encoder]
patch = 8
dim = 16
depth = 4
heads = 2
"#;

/// Two steps on eight images at 32 px, scored on four.
fn fit(head: &str, overrides: &[&str]) -> Result<Fitted> {
    fit_at(micro::device(), "scenes", head, overrides)
}

fn fit_at(device: DeviceHandle, data: &str, head: &str, overrides: &[&str]) -> Result<Fitted> {
    palimpsest_heads::link();
    palimpsest_datasets::link();
    let recipe = Recipe::parse("micro", RECIPE, &[format!("data.name={data}")])?;
    let mut all = vec!["train.steps=2".to_owned(), "train.batch=4".to_owned()];
    all.extend(overrides.iter().map(|&o| o.to_owned()));
    let (entry, _) = find_head(head, Some(&recipe.head), &all)?;
    let HeadKind::Trained(trained) = &entry.build else { panic!("{head} is not trained") };
    let settings = FinetuneRecipe::of(entry, &recipe, &all)?;
    let start = EncoderStart { section: recipe.encoder.clone(), weights: None, seed: 0 };
    let interrupted = Arc::new(AtomicBool::new(false));
    let request = FitRequest {
        recipe: &settings,
        start: &start,
        device,
        shots: 0,
        limits: [8, 4],
        interrupted: &interrupted,
        collective: None,
    };
    (trained.fit)(&request, &mut Silent)
}

#[test]
fn heads_are_fitted_scored_and_drawn() {
    let small = "strides=[4.0, 8.0]";
    for (head, overrides, figures) in [
        ("segment", vec!["decoder=linear"], vec!["mean_iou", "pixel_accuracy"]),
        ("segment", vec!["scales=[1.0, 1.5]", "flip=true"], vec!["mean_iou", "frequency_weighted_iou"]),
        ("fcos", vec![small], vec!["box_ap", "box_ap50"]),
        ("mask-rcnn", vec![small], vec!["box_ap", "mask_ap"]),
    ] {
        let fitted = fit(head, &overrides).unwrap_or_else(|e| panic!("{head} {overrides:?}: {e}"));
        assert!(fitted.summary.loss.is_finite(), "{head} {overrides:?}");
        for figure in figures {
            assert!(fitted.scores.iter().any(|(name, _)| name == figure), "{figure} of {head}");
        }
        let sheet = fitted.artifacts.iter().find(|a| a.name == "overlays.png").expect("pictures");
        assert!(sheet.bytes.starts_with(b"\x89PNG"));
        let again = fit(head, &overrides).expect("fits");
        assert_eq!(fitted.summary.loss, again.summary.loss, "{head} {overrides:?}: the same seed");
    }
}

/// The mean loss of the last steps, f32: rounding of the forward pass, and of one AdamW step, which divides
/// gradients by their own size.
const BACKENDS: f64 = 1e-4;
/// bfloat16 keeps 8 bits: 2^-9 for each product, most of which averages out.
const BFLOAT16: f64 = 2e-2;

/// Heads on label sets and numbers need data that have them: a list and its columns.
fn fit_shapes(device: DeviceHandle, list: &Path, head: &str, overrides: &[&str]) -> Result<Fitted> {
    let list = format!("data.path={}", toml_text(&list.display().to_string()));
    let keys = match head {
        "multi-label" => "data.reader.label_columns=[\"red\", \"green\", \"blue\"]",
        _ => "data.reader.value_columns=[\"brightness\", \"squares\"]",
    };
    fit_at(device, "csv", head, &[&[&list, keys], overrides].concat())
}

fn toml_text(text: &str) -> String {
    format!("{text:?}")
}

#[test]
fn every_backend_fits_label_sets_and_numbers_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = shapes::write(folder.path(), 40);
    for (head, settings) in [
        ("multi-label", &["balance=true"][..]),
        ("multi-label", &["train.tune=full"]),
        ("regression", &["train.tune=last:1"]),
        ("regression", &["loss=l2", "pooling=grid:2"]),
    ] {
        let loss = |device: DeviceHandle| {
            let fitted = fit_shapes(device, &list, head, settings);
            fitted.unwrap_or_else(|e| panic!("{head} {settings:?}: {e}"))
        };
        let due = loss(micro::device());
        assert!(due.artifacts.iter().any(|artifact| artifact.name == "predictions.safetensors"), "{head}");
        let again = loss(micro::device());
        assert_eq!(due.summary.loss, again.summary.loss, "{head}: the same seed");
        for (name, device) in candidates() {
            let found = loss(device).summary.loss;
            let near = (found - due.summary.loss).abs() <= BACKENDS * due.summary.loss.abs();
            assert!(near, "{name}: {head} {settings:?}: {found} instead of {}", due.summary.loss);
        }
    }
}

#[test]
fn every_backend_fits_every_head_alike() {
    for (data, head, settings) in [
        ("fashion-mnist", "finetune", &["smoothing=0.1", "train.layer_decay=0.75"][..]),
        ("fashion-mnist", "attentive", &["queries=2"]),
        ("scenes", "segment", &["decoder=linear"]),
        ("scenes", "segment", &[]),
        ("scenes", "fcos", &["strides=[4.0, 8.0]"]),
        ("scenes", "mask-rcnn", &["strides=[4.0, 8.0]"]),
    ] {
        let loss = |device: DeviceHandle, more: &[&str]| {
            let fitted = fit_at(device, data, head, &[settings, more].concat());
            fitted.unwrap_or_else(|e| panic!("{head} {settings:?} {more:?}: {e}")).summary.loss
        };
        let due = loss(micro::device(), &[]);
        let near = |loss: f64, tolerance: f64| (loss - due).abs() <= tolerance * due.abs();
        for (name, device) in candidates() {
            let found = loss(device.clone(), &[]);
            assert!(near(found, BACKENDS), "{name}: {head} {settings:?}: {found} instead of {due}");
            if device.backend.supports(OpKind::Matmul, DType::Bf16, device.id) {
                let found = loss(device, &["train.precision=bf16"]);
                assert!(near(found, BFLOAT16), "{name}: {head} {settings:?} in bf16: {found}, not {due}");
            }
        }
    }
}

#[test]
fn settings_that_do_not_fit_are_told_with_their_key() {
    for (head, setting, parts) in [
        ("segment", "strides=[3.0, 8.0, 16.0, 32.0]", ["`strides`", "a stride of 3 px from patches of 8 px"]),
        ("segment", "scales=[]", ["`scales`", "no scale"]),
        ("segment", "decodr=linear", ["`decodr`", "did you mean `decoder`?"]),
        ("fcos", "strides=[8.0, 4.0]", ["`strides`", "no strides from fine to coarse"]),
        ("mask-rcnn", "augment.scale=[2.0]", ["scale", "is no range"]),
        ("detect", "detector=yolo", ["`detector`", "yolo"]),
    ] {
        let text = fit(head, &[setting]).err().unwrap_or_else(|| panic!("{setting} fits")).to_string();
        for part in parts {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
    }
}

#[test]
fn the_former_name_of_the_detectors_goes_on_working() {
    let by_the_former_name = fit("detect", &["strides=[4.0, 8.0]", "detector=mask-rcnn"]).expect("fits");
    let by_its_own = fit("mask-rcnn", &["strides=[4.0, 8.0]"]).expect("fits");
    assert_eq!(by_the_former_name.summary.loss, by_its_own.summary.loss);
    assert_eq!(by_the_former_name.checkpoint.tensors, by_its_own.checkpoint.tensors);

    let parse = |more: &str| Recipe::parse("micro", &format!("{RECIPE}{more}"), &[]);
    let recipe = parse(
        "[head.detect]\ndetector = \"mask-rcnn\"\nanchor_scale = 6.0\naugment.scale = [0.5, 1.5]\n\
         [head.fcos]\nconvs = 3\n",
    )
    .expect("a recipe");
    assert_eq!(
        former_tables(&recipe),
        ["[head.detect] is read as [head.fcos] and [head.mask-rcnn]; write those"]
    );
    assert!(former_tables(&parse("").expect("a recipe")).is_empty());
    let head = |overrides: &[String]| find_head("detect", Some(&recipe.head), overrides).expect("a head");
    let (entry, note) = head(&[]);
    assert_eq!(entry.name, "mask-rcnn");
    assert!(note.is_some_and(|note| note.ends_with("this is `mask-rcnn`")));
    assert_eq!(head(&["detector=fcos".to_owned()]).0.name, "fcos");
    assert_eq!(find_head("detect", None, &[]).expect("a head").0.name, "fcos");
    let (entry, note) = find_head("fcos", Some(&recipe.head), &[]).expect("a head");
    assert!(entry.name == "fcos" && note.is_none());

    // Both are fitted as the table says, as far as they have its keys.
    let settings = |name: &str| {
        let (entry, _) = find_head(name, Some(&recipe.head), &[]).expect("a head");
        FinetuneRecipe::of(entry, &recipe, &[]).expect("settings").table
    };
    let (fcos, mask_rcnn) = (settings("fcos"), settings("mask-rcnn"));
    assert_eq!(fcos["augment"]["scale"], mask_rcnn["augment"]["scale"]);
    assert_eq!(mask_rcnn["augment"]["scale"][0].as_float(), Some(0.5));
    assert_eq!(mask_rcnn["anchor_scale"].as_float(), Some(6.0));
    assert_eq!((fcos["convs"].as_integer(), mask_rcnn["convs"].as_integer()), (Some(3), Some(2)));
    assert!(!fcos.contains_key("anchor_scale") && !mask_rcnn.contains_key("detector"));

    let misspelt = "detector = \"mask-rcnn\"\nanchor_scal = 4.0";
    for (table, part) in [("detector = \"yolo\"", "yolo"), (misspelt, "did you mean `anchor_scale`?")] {
        let recipe =
            parse(&format!("[head.detect]\n{table}\n")).expect("is read without looking at its heads");
        let text = check_heads(&recipe).expect_err(table).to_string();
        assert!(text.contains("micro:") && text.contains(part), "{text}");
    }
}
