//! The heads as the driver fits them: on scenes, with a micro encoder, a few steps.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use palimpsest_core::head::{HeadKind, TaskHeadEntry};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::train::StepReport;
use palimpsest_core::tune::{EncoderStart, FitObserver, FitRequest, Fitted, TuneRecipe};
use palimpsest_core::{Result, registry};
use palimpsest_tests::micro;

struct Silent;

impl FitObserver for Silent {
    fn start(&mut self, _: u64, _: u64) {}
    fn step(&mut self, _: &StepReport) -> Result<()> {
        Ok(())
    }
    fn message(&mut self, _: &str) {}
}

/// Two steps on eight scenes at 32 px, scored on four.
fn fit(head: &str, overrides: &[&str]) -> Result<Fitted> {
    palimpsest_heads::link();
    palimpsest_datasets::link();
    let recipe = Recipe::parse(
        "scenes",
        "preset = \"mae\"\n[data]\nname = \"scenes\"\nimage_size = 32\nworkers = 0\n[encoder]\npatch = 8\ndim = 16\ndepth = 4\nheads = 2\n",
        &[],
    )?;
    let entry = registry::find::<TaskHeadEntry>("head", head)?;
    let HeadKind::Trained(trained) = &entry.kind else { panic!("{head} is not trained") };
    let augment = (trained.augment)()?;
    let mut all = vec!["train.steps=2".to_owned(), "train.batch=4".to_owned()];
    all.extend(overrides.iter().map(|&o| o.to_owned()));
    let fields = [&(entry.fields)()[..], &augment[..]];
    let settings = TuneRecipe::resolve(head, trained.training, &recipe, &all, fields)?;
    let start = EncoderStart { section: recipe.encoder.clone(), weights: None, seed: 0 };
    let interrupted = Arc::new(AtomicBool::new(false));
    let request = FitRequest {
        recipe: &settings,
        start: &start,
        place: micro::place(),
        shots: 0,
        limits: [8, 4],
        interrupted: &interrupted,
    };
    (trained.fit)(&request, &mut Silent)
}

#[test]
fn heads_are_fitted_scored_and_drawn() {
    let small = "strides=[4.0, 8.0]";
    for (head, overrides, figures) in [
        ("segment", vec!["decoder=linear"], vec!["mean_iou", "pixel_accuracy"]),
        ("segment", vec!["scales=[1.0, 1.5]", "flip=true"], vec!["mean_iou", "frequency_weighted_iou"]),
        ("detect", vec![small], vec!["box_ap", "box_ap50"]),
        ("detect", vec![small, "detector=mask-rcnn"], vec!["box_ap", "mask_ap"]),
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

#[test]
fn settings_that_do_not_fit_are_told_with_their_key() {
    for (head, setting, parts) in [
        ("segment", "strides=[3.0, 8.0, 16.0, 32.0]", ["`strides`", "a stride of 3 px from patches of 8 px"]),
        ("segment", "scales=[]", ["`scales`", "no scale"]),
        ("segment", "decodr=linear", ["`decodr`", "did you mean `decoder`?"]),
        ("detect", "strides=[8.0, 4.0]", ["`strides`", "no strides from fine to coarse"]),
        ("detect", "augment.scale=[2.0]", ["scale", "is no range"]),
        ("detect", "detector=yolo", ["`detector`", "yolo"]),
    ] {
        let text = fit(head, &[setting]).err().unwrap_or_else(|| panic!("{setting} fits")).to_string();
        for part in parts {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
    }
}
