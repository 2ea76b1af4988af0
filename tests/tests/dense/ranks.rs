//! Heads that several ranks train and score together, against one process. Here they are threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use palimpsest_core::collective::Collective;
use palimpsest_core::data::Batch;
use palimpsest_core::finetune::{
    EncoderStart, FinetuneRecipe, FitObserver, FitRequest, Fitted, HeadKind, TaskHeadEntry, find_head,
};
use palimpsest_core::head::{Class, Draws, Feature, HeadContext, HeadFeatures, Metric, Scores, TaskHead};
use palimpsest_core::objective::NamedLoss;
use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::train::StepReport;
use palimpsest_core::{ErrorKind, Result};
use palimpsest_heads::classification::finetune::Finetune;
use palimpsest_tests::micro;
use palimpsest_tests::ranks::on_ranks;

const RECIPE: &str = r#"
preset = "mae"
[data]
image_size = 32
workers = 0
[encoder]
patch = 8
dim = 16
depth = 3
heads = 2
"#;

/// A fit to be made by one process or several.
#[derive(Clone, Copy)]
struct Task<'a> {
    data: &'a str,
    head: &'a str,
    overrides: &'a [&'a str],
    limits: [usize; 2],
}

/// Asks to stop after some step.
struct Watcher<'a> {
    stop_after: Option<u64>,
    interrupted: &'a AtomicBool,
    steps: u64,
}

impl FitObserver for Watcher<'_> {
    fn start(&mut self, _: u64, _: u64) {}
    fn step(&mut self, report: &StepReport) -> Result<()> {
        self.steps = report.step;
        if self.stop_after == Some(report.step) {
            self.interrupted.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
    fn message(&mut self, _: &str) {}
}

impl Task<'_> {
    fn entry(&self) -> &'static TaskHeadEntry {
        palimpsest_heads::link();
        palimpsest_datasets::link();
        find_head(self.head, None, &[]).expect("is linked").0
    }

    fn fit_entry(
        &self,
        entry: &TaskHeadEntry,
        more: &[&str],
        engine: Option<Arc<dyn Collective>>,
        stop_after: Option<u64>,
    ) -> (Result<Fitted>, u64) {
        let data = [format!("data.name={}", self.data)];
        let recipe = Recipe::parse("micro", RECIPE, &data).expect("a recipe");
        let steps = ["train.steps=3", "train.batch=8", "optimizer.lr=1e-3", "optimizer.lr_batch=0"];
        let all: Vec<String> =
            steps.iter().chain(self.overrides).chain(more).map(|&text| text.to_owned()).collect();
        let HeadKind::Trained(trained) = &entry.build else { panic!("{} is not trained", self.head) };
        let settings = FinetuneRecipe::of(entry, &recipe, &all).expect("settings");
        let start = EncoderStart { section: recipe.encoder.clone(), weights: None, seed: 0 };
        let interrupted = AtomicBool::new(stop_after == Some(0));
        let request = FitRequest {
            recipe: &settings,
            start: &start,
            device: micro::device(),
            shots: 0,
            limits: self.limits,
            interrupted: &interrupted,
            collective: engine,
        };
        let mut watcher = Watcher { stop_after, interrupted: &interrupted, steps: 0 };
        ((trained.fit)(&request, &mut watcher), watcher.steps)
    }

    fn fit(&self, more: &[&str], engine: Option<Arc<dyn Collective>>) -> Fitted {
        self.fit_entry(self.entry(), more, engine, None).0.unwrap_or_else(|e| panic!("{}: {e}", self.head))
    }
}

/// Scores as bits: what is not a number is equal to itself.
fn bits(scores: &Scores) -> Vec<(&str, u64)> {
    scores.iter().map(|(name, value)| (name.as_str(), value.to_bits())).collect()
}

/// 40 test images of scenes are 3 batches: one of four ranks has none.
#[test]
fn ranks_fit_and_score_as_one_process_with_as_many_parts() {
    let strides = "strides=[4.0, 8.0]";
    for (data, head, overrides, sizes) in [
        ("fashion-mnist", "finetune", &["augment.mixup=0.8", "augment.cutmix=1.0"][..], &[2, 4][..]),
        ("fashion-mnist", "attentive", &["queries=2"], &[2]),
        ("scenes", "segment", &["decoder=linear"], &[2, 4]),
        ("scenes", "segment", &["flip=true", "train.drop_path=0.2"], &[2]),
        ("scenes", "fcos", &[strides], &[4]),
        ("scenes", "mask-rcnn", &[strides], &[2]),
    ] {
        let limits = if data == "scenes" { [24, 40] } else { [24, 203] };
        let task = Task { data, head, overrides, limits };
        for &size in sizes {
            let due = task.fit(&[&format!("train.accumulate={size}")], None);
            let found = on_ranks(size, |engine| task.fit(&["train.deterministic=true"], Some(engine)));
            for (rank, found) in found.iter().enumerate() {
                let place = format!("{head} {overrides:?}, rank {rank} of {size}");
                assert_eq!(found.summary.loss, due.summary.loss, "{place}");
                assert_eq!(bits(&found.scores), bits(&due.scores), "{place}");
                assert_eq!(found.sizes, due.sizes, "{place}");
                assert_eq!(found.checkpoint.tensors, due.checkpoint.tensors, "{place}");
                for (found, due) in found.artifacts.iter().zip(&due.artifacts) {
                    assert!(found.bytes == due.bytes, "{place}: {} differs", due.name);
                }
            }
        }
    }
}

/// Label sets and numbers: 90 test images are two batches, so that one of three ranks has none.
#[test]
fn ranks_score_label_sets_and_numbers_as_one_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let list =
        format!("data.path={:?}", palimpsest_tests::shapes::write(folder.path(), 360).display().to_string());
    let labels = "data.reader.label_columns=[\"red\", \"green\", \"blue\"]";
    let values = "data.reader.value_columns=[\"brightness\", \"squares\"]";
    for (head, keys) in [("multi-label", labels), ("regression", values)] {
        let overrides = [list.as_str(), keys, "train.batch=12"];
        let task = Task { data: "csv", head, overrides: &overrides, limits: [48, 0] };
        let due = task.fit(&["train.accumulate=3"], None);
        let found = on_ranks(3, |engine| task.fit(&["train.deterministic=true"], Some(engine)));
        for (rank, found) in found.iter().enumerate() {
            let place = format!("{head}, rank {rank}");
            assert_eq!(found.summary.loss, due.summary.loss, "{place}");
            assert_eq!(bits(&found.scores), bits(&due.scores), "{place}");
            assert_eq!(found.sizes, due.sizes, "{place}");
            assert_eq!(found.checkpoint.tensors, due.checkpoint.tensors, "{place}");
            assert_eq!(found.artifacts.len(), 2, "{place}");
            for (found, due) in found.artifacts.iter().zip(&due.artifacts) {
                assert!(found.bytes == due.bytes, "{place}: {} differs", due.name);
            }
        }
    }
}

#[test]
fn one_rank_that_is_asked_to_stop_stops_all() {
    let task = Task { data: "scenes", head: "segment", overrides: &["decoder=linear"], limits: [24, 20] };
    // Before the first step, between steps, and in the test.
    for (stop_after, due) in [(0, 1), (1, 2), (3, 3)] {
        let found = on_ranks(3, |engine| {
            let own = (engine.world().rank == 2).then_some(stop_after);
            let (fitted, steps) = task.fit_entry(task.entry(), &["train.batch=6"], Some(engine), own);
            (fitted.err().map(|e| e.kind()), steps)
        });
        assert_eq!(found, [(Some(ErrorKind::Interrupted), due); 3], "after step {stop_after}");
    }
}

#[test]
fn ranks_with_other_settings_are_told_so() {
    let task = Task { data: "scenes", head: "segment", overrides: &["decoder=linear"], limits: [24, 20] };
    let told = on_ranks(2, |engine| {
        let seed = format!("train.seed={}", engine.world().rank);
        let (fitted, _) = task.fit_entry(task.entry(), &[&seed], Some(engine), None);
        fitted.err().map(|e| e.to_string()).unwrap_or_default()
    });
    for text in told {
        assert!(text.contains("rank 1 and rank 0 differ in the head's settings"), "{text}");
    }
}

/// A head from outside, whose scores can't be put together.
struct Alone(Finetune);

/// Its metric: how many images there were.
struct Count(usize);

impl Metric<Class, Vec<f32>> for Count {
    fn add(&mut self, _: &Batch, targets: &[Class], _: &[Vec<f32>]) -> Result<()> {
        self.0 += targets.len();
        Ok(())
    }

    fn scores(&self) -> Result<Scores> {
        Ok(vec![("images".to_owned(), self.0 as f64)])
    }
}

impl TaskHead for Alone {
    type Settings = <Finetune as TaskHead>::Settings;
    type Target = Class;
    type Prediction = Vec<f32>;

    fn build(settings: &Self::Settings, context: &HeadContext, specs: &mut ParamSpecs) -> Result<Self> {
        Finetune::build(settings, context, specs).map(Self)
    }

    fn features(&self) -> Vec<Feature> {
        self.0.features()
    }

    fn losses(
        &self,
        params: &Params,
        features: &HeadFeatures,
        targets: &[Class],
        draws: Draws,
    ) -> Result<Vec<NamedLoss>> {
        self.0.losses(params, features, targets, draws)
    }

    fn predict(&self, params: &Params, features: &HeadFeatures) -> Result<Vec<Vec<f32>>> {
        self.0.predict(params, features)
    }

    fn metric(&self) -> Box<dyn Metric<Class, Vec<f32>>> {
        Box::new(Count(0))
    }
}

#[test]
fn scores_that_cannot_be_put_together_are_refused_before_training() {
    let entry = TaskHeadEntry::trained::<Alone>("alone", "");
    let task = Task { data: "fashion-mnist", head: "alone", overrides: &[], limits: [24, 70] };
    let (fitted, _) = task.fit_entry(&entry, &[], None, None);
    assert_eq!(fitted.expect("fits in one process").scores, [("images".to_owned(), 70.0)]);
    let told = on_ranks(2, |engine| {
        let (fitted, steps) = task.fit_entry(&entry, &[], Some(engine), None);
        (fitted.err().map(|e| e.to_string()).unwrap_or_default(), steps)
    });
    for (text, steps) in told {
        assert!(text.contains("can't be put together from several processes"), "{text}");
        assert_eq!(steps, 0);
    }
}
