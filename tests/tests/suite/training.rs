//! Splits, resumed runs, averages, mixed precision and what is logged.

use palimpsest_core::data::{Batch, BatchSource};
use palimpsest_core::model::Model;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::train::{Checkpoint, StepReport, Trainer};
use palimpsest_core::{DType, Result};
use palimpsest_tests::batches;
use palimpsest_tests::micro::{self, SHAPE};
use palimpsest_tests::parity;

fn trainer(recipe: &Recipe, dtype: DType) -> Trainer {
    let model = Model::build(recipe).unwrap();
    let values = model.specs.initial(recipe.run.seed).unwrap();
    Trainer::with_values(recipe.clone(), model, micro::device(), 5, values, dtype).unwrap()
}

fn train(trainer: &mut Trainer, batches: &[Batch], observe: bool) -> Vec<StepReport> {
    batches.iter().map(|batch| trainer.train_step(batch, observe).unwrap()).collect()
}

fn weights(trainer: &Trainer) -> Vec<Vec<f64>> {
    trainer.params().tensors().iter().map(|t| t.download().unwrap().into_f64()).collect()
}

fn worst(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.fold(0.0, |m, (a, b)| m.max((a - b).abs()))
}

/// One batch of 16 and four of 4 give the same weights after 5 steps, with drop path and noise on.
///
/// f64: only the order of sums differs. f32: a parameter whose true gradient is 0 (a key's bias)
/// has a gradient of pure rounding, which Adam scales up to a whole step; so weights may differ by
/// a share of the way they could have gone (5 steps of up to 2e-3), and losses by rounding.
#[test]
#[expect(clippy::print_stdout, reason = "figures")]
fn a_batch_may_be_split() {
    for preset in ["paper", "paper-released", "mae", "diffmae", "maskfeat", "can"] {
        let recipes = ["1", "4"].map(|parts| {
            let accumulate = format!("train.accumulate={parts}");
            parity::recipe(preset, &["train.batch=16", "encoder.drop_path=0.3", &accumulate])
        });
        let batches = batches::series(5, 16, SHAPE, 6);
        let [a, b] = [0, 1].map(|i| {
            let mut trainer = trainer(&recipes[i], DType::F64);
            let losses: Vec<f64> = train(&mut trainer, &batches, true).iter().map(StepReport::loss).collect();
            (losses, weights(&trainer))
        });
        let scale = a.1.iter().flatten().fold(0.0f64, |m, w| m.max(w.abs()));
        let f64_error = worst(&a.1, &b.1) / scale;
        assert!(f64_error < 1e-10, "{preset} in f64: {f64_error:e}");
        let [a, b] = [0, 1].map(|i| {
            let mut trainer = trainer(&recipes[i], DType::F32);
            let losses: Vec<f64> =
                train(&mut trainer, &batches, false).iter().map(StepReport::loss).collect();
            (losses, weights(&trainer))
        });
        let loss = a.0.iter().zip(&b.0).fold(0.0f64, |m, (a, b)| m.max((a - b).abs() / b.abs()));
        let f32_error = worst(&a.1, &b.1);
        println!(
            "{preset:16} f64 {f64_error:.1e} relative; f32 weights {f32_error:.1e}, losses {loss:.1e} relative"
        );
        assert!(loss < 1e-5, "{preset} in f32: losses differ by {loss:e}");
        assert!(f32_error < 1e-3, "{preset} in f32: {f32_error:e}");
    }
}

/// Batches in parts, from a list of whole ones.
struct InParts {
    batches: Vec<Batch>,
    parts: usize,
    next: usize,
}

impl BatchSource for InParts {
    fn next_batch(&mut self) -> Result<Batch> {
        let batch = &self.batches[self.next / self.parts];
        let (part, images) = (self.next % self.parts, batch.len() / self.parts);
        self.next += 1;
        Ok(batch.slice(part * images, (part + 1) * images))
    }
    fn parts(&self) -> usize {
        self.parts
    }
    fn seek(&mut self, step: u64) -> Result<()> {
        self.next = step as usize * self.parts;
        Ok(())
    }
    fn steps_per_epoch(&self) -> u64 {
        5
    }
}

/// Parts that are asked for one by one give every bit of those cut from the whole batch, also by graphs, which begin a step again.
#[test]
fn parts_may_come_one_by_one() {
    for (preset, graph) in [("paper", "off"), ("mae", "on"), ("diffmae", "off")] {
        let graph = format!("train.graph={graph}");
        let overrides = ["train.batch=16", "encoder.drop_path=0.3", "train.accumulate=4", &graph];
        let recipe = parity::recipe(preset, &overrides);
        let batches = batches::series(5, 16, SHAPE, 6);
        let mut whole = trainer(&recipe, DType::F32);
        let wanted = train(&mut whole, &batches, true);
        let mut source = InParts { batches, parts: 4, next: 0 };
        let mut parts = trainer(&recipe, DType::F32);
        for wanted in wanted {
            let first = source.next_batch().unwrap();
            let report = parts.train_step_in_parts(&first, &mut source, true).unwrap();
            assert_eq!((report.images, report.corrupted), (wanted.images, wanted.corrupted), "{preset}");
            assert_eq!(report.scalars, wanted.scalars, "{preset}");
        }
        assert_eq!(weights(&whole), weights(&parts), "{preset}");
    }
}

/// 10 steps are 5, a checkpoint in a file, a new trainer, and 5 more, to the last bit.
#[test]
fn a_run_may_be_resumed() {
    for preset in ["paper", "mae", "diffmae"] {
        let recipe = parity::recipe(preset, &["encoder.drop_path=0.3", "train.ema=0.9"]);
        let batches = batches::series(10, 8, SHAPE, 7);
        let mut whole = trainer(&recipe, DType::F32);
        let reports = train(&mut whole, &batches, false);
        let mut first = trainer(&recipe, DType::F32);
        train(&mut first, &batches[..5], false);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(Checkpoint::file_name(5));
        first.checkpoint().unwrap().write(&path).unwrap();
        drop(first);
        let mut second = trainer(&recipe, DType::F32);
        second.restore(Checkpoint::read(&path).unwrap()).unwrap();
        let resumed = train(&mut second, &batches[5..], false);
        let [a, b] = [&whole, &second].map(|trainer| trainer.checkpoint().unwrap());
        assert_eq!(a.state, b.state);
        assert!(a.has_average());
        for ((name, a), (_, b)) in a.tensors.iter().zip(&b.tensors) {
            assert_eq!(a, b, "{preset}: {name}");
        }
        for (a, b) in reports[5..].iter().zip(&resumed) {
            assert_eq!((a.step, a.lr, &a.scalars, a.grad_norm), (b.step, b.lr, &b.scalars, b.grad_norm));
        }
    }
}

/// A checkpoint of another recipe is refused with the difference.
#[test]
fn a_changed_recipe_is_not_resumed() {
    let before = trainer(&parity::recipe("mae", &[]), DType::F32);
    let mut after = trainer(&parity::recipe("mae", &["corruption.ratio=0.5"]), DType::F32);
    let error = after.restore(before.checkpoint().unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the recipe has changed since the checkpoint: corruption.ratio: 0.75 -> 0.5; undo the change, or start a new run from these weights, by init_from"
    );
}

/// average_n = d^n w_0 + (1 - d) sum_k d^(n - k) w_k.
#[test]
fn the_average_has_its_closed_form() {
    let decay = 0.8f64;
    let mut trainer = trainer(&parity::recipe("simmim", &["train.ema=0.8"]), DType::F64);
    let mut seen = vec![weights(&trainer)];
    for batch in batches::series(6, 8, SHAPE, 8) {
        trainer.train_step(&batch, false).unwrap();
        seen.push(weights(&trainer));
    }
    let n = seen.len() - 1;
    let mut want: Vec<Vec<f64>> =
        seen[0].iter().map(|w| w.iter().map(|v| decay.powi(n as i32) * v).collect()).collect();
    for (k, weights) in seen.iter().enumerate().skip(1) {
        for (want, weights) in want.iter_mut().zip(weights) {
            want.iter_mut()
                .zip(weights)
                .for_each(|(a, w)| *a += (1.0 - decay) * decay.powi((n - k) as i32) * w);
        }
    }
    let average: Vec<Vec<f64>> = trainer
        .evaluated_params()
        .unwrap()
        .tensors()
        .iter()
        .map(|t| t.download().unwrap().into_f64())
        .collect();
    assert!(worst(&want, &average) < 1e-14);
    assert!(worst(&seen[n], &average) > 1e-4, "the average is not the last weights");
}

/// bf16 keeps 8 bits: a product of 16 to 64 terms is off by up to 2^-8, and the loss by a share of
/// that, as errors of both signs average out.
#[test]
#[expect(clippy::print_stdout, reason = "figures")]
fn bf16_is_near_f32() {
    for preset in palimpsest_core::recipe::presets() {
        let losses = ["f32", "bf16"].map(|precision| {
            let precision = format!("precision={precision}");
            let mut trainer = trainer(&parity::recipe(preset.name, &[&precision]), DType::F32);
            let reports = train(&mut trainer, &batches::series(5, 8, SHAPE, 9), true);
            assert!(
                reports.iter().all(|r| r.loss().is_finite() && r.grad_norm.is_finite() && r.grad_norm > 0.0)
            );
            assert_eq!(trainer.step_count(), 5, "every step was taken");
            assert!(weights(&trainer).iter().flatten().all(|w| w.is_finite()));
            reports.iter().map(StepReport::loss).collect::<Vec<_>>()
        });
        let error = losses[0].iter().zip(&losses[1]).fold(0.0f64, |m, (a, b)| m.max((a - b).abs() / a));
        println!("{:16} bf16 differs from f32 by {error:.1e}", preset.name);
        assert!(error > 0.0, "{}: bf16 changed nothing", preset.name);
        assert!(error < 5e-3, "{}: {error:e}", preset.name);
    }
}

/// AdamW's first step moves every value by its learning rate, whatever its gradient; without weight decay nothing else does.
#[test]
fn lower_layers_learn_more_slowly() {
    let overrides = [
        "train.layer_decay=0.5",
        "optimizer.weight_decay=0.0",
        "schedule.warmup_epochs=0",
        "optimizer.clip=0",
    ];
    let mut trainer = trainer(&parity::recipe("mae", &overrides), DType::F64);
    let before = weights(&trainer);
    train(&mut trainer, &batches::series(1, 8, SHAPE, 9), false);
    let after = weights(&trainer);
    let depth = trainer.model.geometry().depth;
    let moved: Vec<(String, f64)> = trainer
        .model
        .specs
        .specs()
        .iter()
        .zip(before.iter().zip(&after))
        .map(|(spec, (a, b))| {
            (spec.name.clone(), a.iter().zip(b).fold(0.0f64, |m, (a, b)| m.max((a - b).abs())))
        })
        .collect();
    let of = |name: &str| moved.iter().find(|(known, _)| known == name).map(|(_, by)| *by).unwrap();
    let top = of("norm.weight");
    for (name, layers_below) in [
        ("patch_embed.proj.weight", depth + 1),
        ("blocks.0.mlp.fc1.weight", depth),
        ("decoder.embed.weight", 0),
    ] {
        let want = top * 0.5f64.powi(layers_below as i32);
        assert!((of(name) - want).abs() < 1e-3 * want, "{name}: {} {want}", of(name));
    }
}

fn metric(report: &StepReport, name: &str) -> f64 {
    report
        .scalars
        .iter()
        .find(|(n, _)| n == name)
        .unwrap_or_else(|| panic!("no {name}: {:?}", report.scalars))
        .1
}

const METRICS: [&str; 2] = ["attention/cross_mass", "attention/row_entropy_gap"];

/// Attention is measured with the loss on and off, from the same weights to the same values, and
/// equals the losses where these are on.
#[test]
fn attention_is_measured_without_the_loss() {
    let batch = batches::series(1, 8, SHAPE, 10);
    let first = |overrides: &[&str]| {
        let mut all = vec!["encoder.drop_path=0.3"];
        all.extend(overrides);
        train(&mut trainer(&parity::recipe("paper", &all), DType::F32), &batch, true).remove(0)
    };
    let (on, off) = (first(&[]), first(&["objective.disruption.weight=0"]));
    for name in METRICS {
        let (a, b) = (metric(&on, name), metric(&off, name));
        assert!((a - b).abs() <= 1e-6 * a.abs(), "{name}: {a} on, {b} off");
    }
    assert_eq!(metric(&on, METRICS[1]), metric(&on, "loss/disruption"));
    let cross = first(&["objective.disruption.form=cross-mass"]);
    assert_eq!(metric(&cross, METRICS[0]), metric(&cross, "loss/disruption"));
    // Not measured unless asked, and not in the loss.
    let quiet = train(&mut trainer(&parity::recipe("paper", &[]), DType::F32), &batch, false).remove(0);
    assert!(quiet.scalars.iter().all(|(name, _)| !name.starts_with("attention/")));
    // With masks and no noise, too.
    let simmim = train(&mut trainer(&parity::recipe("simmim", &[]), DType::F32), &batch, true).remove(0);
    assert!(METRICS.iter().all(|name| metric(&simmim, name) > 0.0));
}

/// The metrics mean the same whichever blocks the loss looks at.
#[test]
fn measured_blocks_do_not_depend_on_the_loss() {
    let batch = batches::series(1, 8, SHAPE, 10);
    let first = |first_block: &str| {
        let overrides = ["noise.at=block:1", &format!("objective.disruption.first_block={first_block}")];
        train(&mut trainer(&parity::recipe("paper", &overrides), DType::F32), &batch, true).remove(0)
    };
    for name in METRICS {
        let values = ["-1", "0", "2"].map(|block| metric(&first(block), name));
        assert!(
            values.iter().all(|v| (v - values[0]).abs() < 1e-6),
            "{name} with first_block -1, 0, 2: {values:?}"
        );
    }
}

/// Ratios of 0 and 1 train or say what is wrong.
#[test]
#[expect(clippy::print_stdout, reason = "what the edge cases do")]
fn extreme_ratios_train_or_say_why() {
    for preset in palimpsest_core::recipe::presets() {
        if ["pixel-dae", "distill"].contains(&preset.name) {
            continue; // masks nothing as it is
        }
        for ratio in ["0.0", "1.0"] {
            let recipe = parity::recipe(preset.name, &[&format!("corruption.ratio={ratio}")]);
            let mut trainer = trainer(&recipe, DType::F32);
            match trainer.train_step(&batches::noise(8, SHAPE, 1, 0), true) {
                Ok(report) => {
                    println!("{} at {ratio}: {:?}", preset.name, report.scalars);
                    assert!(report.scalars.iter().all(|(_, v)| v.is_finite()), "{} at {ratio}", preset.name);
                }
                Err(error) => {
                    println!("{} at {ratio}: {error}", preset.name);
                    assert_eq!(error.exit_status(), 2, "{} at {ratio}: {error}", preset.name);
                }
            }
        }
    }
}
