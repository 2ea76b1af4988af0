//! Heads that are trained with the encoder: gradients against differences, and steps against PyTorch.

use palimpsest_core::head::{Class, Features, TaskHead};
use palimpsest_core::tensor::{HostData, HostTensor};
use palimpsest_core::{DType, Tensor};
use palimpsest_heads::classification::attentive::Attentive;
use palimpsest_heads::classification::finetune::Finetune;
use palimpsest_heads::classification::linear::LinearProbe;
use palimpsest_heads::classification::probe_optimizer::{ProbeOptimizer, ProbeUpdate};
use palimpsest_heads::classification::soft_cross_entropy::soft_cross_entropy;
use palimpsest_heads::metrics::top_k_accuracy;
use palimpsest_tests::differences::check_loss;
use palimpsest_tests::files::Named;
use palimpsest_tests::finetuning::{self, examples, fine_tuner};
use palimpsest_tests::{files, micro, python};

const CLASSES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// As in `gradients.rs`.
const TOLERANCE: f64 = 1e-5;
const SAME: f64 = 1e-12;

fn targets() -> Vec<Class> {
    let mixed = |class, other, share| Class { class, other, share };
    vec![Class::pure(1), mixed(4, 0, 0.7), mixed(2, 2, 0.5), Class::pure(3)]
}

/// Differences, the same with blocks recomputed, and nothing where nothing is trained.
fn holds<H: TaskHead<Target = Class>>(name: &str, overrides: &[&str]) {
    let recipe = micro::preset("paper", &["encoder.drop_path=0.0"]);
    let examples = examples(targets(), 40);
    let full =
        fine_tuner::<H>(&recipe, &CLASSES, 8, &[&["train.batch=4", "train.tune=full"], overrides].concat());
    let params = finetuning::lively(&full);
    let whole = finetuning::gradients(&full, &params, &examples, 0).gradients;
    let loss = |params: &palimpsest_core::params::Params| finetuning::loss(&full, params, &examples);
    let worst = check_loss(&full.specs, &params, &whole, &loss, 6);
    assert!(worst.error < TOLERANCE, "{name}: error {:e} at {}", worst.error, worst.at);
    let read = |g: &Option<Tensor>| g.as_ref().map(|g| g.download().unwrap().into_f64());
    for tune in ["full", "last:1", "last:2", "frozen"] {
        let tune = format!("train.tune={tune}");
        let some = fine_tuner::<H>(&recipe, &CLASSES, 8, &[&["train.batch=4", &tune], overrides].concat());
        let mask: Vec<bool> = (0..params.tensors().len()).map(|i| some.params().is_trained(i)).collect();
        let params = params.clone().only(mask.clone().into());
        for blocks in [0, 1, 2] {
            let found = finetuning::gradients(&some, &params, &examples, blocks).gradients;
            for (i, (a, b)) in whole.iter().zip(&found).enumerate() {
                let place = format!("{name}, {tune}, {blocks}: {}", some.specs.specs()[i].name);
                let (Some(a), true) = (read(a), mask[i]) else {
                    assert!(b.is_none() || mask[i], "{place} has a gradient");
                    continue;
                };
                let b = read(b).unwrap_or_else(|| vec![0.0; a.len()]);
                let scale = a.iter().fold(1e-9f64, |m, g| m.max(g.abs()));
                let error = a.iter().zip(&b).fold(0.0f64, |m, (a, b)| m.max((a - b).abs() / scale));
                assert!(error < SAME, "{place}: {error:e}");
            }
        }
    }
}

#[test]
fn gradients_are_differences() {
    holds::<Finetune>("finetune", &["smoothing=0.1"]);
    holds::<Finetune>("finetune, drop path, class token", &["pooling=class", "train.drop_path=0.4"]);
    holds::<Attentive>("attentive", &["smoothing=0.1"]);
    holds::<Attentive>("attentive after block 2", &["blocks=2", "queries=3"]);
}

/// Accumulated parts of a batch make the step of the whole; f64, other order of sums.
#[test]
fn a_split_batch_makes_the_same_step() {
    let recipe = micro::preset("paper", &[]);
    let examples = examples(targets(), 0);
    let step = |parts: &str| {
        let overrides = ["train.batch=4", parts, "train.steps=2", "train.ema=0.5", "train.drop_path=0.2"];
        let mut fine_tuner = fine_tuner::<Finetune>(&recipe, &CLASSES, 4, &overrides);
        fine_tuner.train_step(&examples).unwrap();
        fine_tuner.train_step(&examples).unwrap();
        let weights = fine_tuner.scored_params().unwrap().tensors().to_vec();
        weights.iter().flat_map(|w| w.download().unwrap().into_f64()).collect::<Vec<f64>>()
    };
    let (whole, parts) = (step("train.accumulate=1"), step("train.accumulate=2"));
    let worst = whole.iter().zip(&parts).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
    assert!(worst < 1e-9, "{worst:e}");
}

/// Five steps of the whole loop (layer decay, warm-up, clipping, mixed and smoothed labels) against timm's
/// VisionTransformer with its parameter groups and PyTorch's AdamW; the parts against timm and MAE's LARS.
#[test]
#[expect(clippy::print_stdout, reason = "figures, and why a check was skipped")]
fn five_steps_in_pytorch() {
    if let Err(reason) = python::available("torch, timm, safetensors, numpy") {
        println!("skipped: {reason}");
        return;
    }
    let recipe = micro::preset(
        "paper",
        &["encoder.position=learned", "encoder.relative_bias=false", "encoder.layer_scale=0.1"],
    );
    let overrides = [
        "train.batch=4",
        "train.steps=5",
        "train.layer_decay=0.65",
        "train.drop_path=0.0",
        "optimizer.lr=0.01",
        "optimizer.lr_batch=0",
        "optimizer.clip=0.5",
        "schedule.warmup_epochs=2.0",
        "smoothing=0.1",
        "init=0.02",
    ];
    let mut fine_tuner = fine_tuner::<Finetune>(&recipe, &CLASSES, 4, &overrides);
    let mut file = Named::new();
    for (spec, tensor) in fine_tuner.specs.specs().iter().zip(fine_tuner.params().tensors()) {
        file.insert(format!("weight.{}", spec.name), tensor.download().unwrap());
    }
    let (mut losses, mut lrs) = (vec![], vec![]);
    for step in 0..5u64 {
        let examples = examples(targets(), 4 * step);
        let shape = examples.batch.shape;
        file.insert(
            format!("batch.{step}"),
            HostTensor::f32(shape, examples.batch.pixels.normalised().into_owned()).unwrap(),
        );
        let report = fine_tuner.train_step(&examples).unwrap();
        losses.push(report.loss());
        lrs.push(report.lr);
    }
    let floats = |values: Vec<f64>| HostTensor::new([values.len()], HostData::F64(values)).unwrap();
    file.insert("lr".to_owned(), floats(lrs));
    let mixes = targets().iter().flat_map(|t| [t.class as f64, t.other as f64, t.share.into()]).collect();
    file.insert("targets".to_owned(), floats(mixes));
    let (lars, cross_entropy) = (lars(), loss_of_logits());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuning.safetensors");
    files::write(&path, &file, &[]);
    let answer = python::run("against_timm_finetuning.py", &[&path]);
    let near = |what: &str, ours: &[f64], tolerance: f64| {
        let theirs: Vec<f64> = serde_json::from_value(answer[what].clone()).unwrap();
        assert_eq!(ours.len(), theirs.len(), "{what}");
        let error =
            ours.iter().zip(&theirs).fold(0.0f64, |m, (a, b)| m.max((a - b).abs() / b.abs().max(1.0)));
        println!("{what:16} {error:.1e}");
        assert!(error < tolerance, "{what}: {error:e}\n{ours:?}\n{theirs:?}");
    };
    // Both in f64; initial values and shares are f32 on both sides.
    near("losses", &losses, 1e-7);
    near("cross_entropy", &cross_entropy, 1e-6);
    // f32 here: three steps of products and norms.
    near("lars", &lars, 1e-5);
}

/// sin(i) and friends: inputs that both sides compute.
fn wave(count: usize, phase: f64) -> Vec<f32> {
    (0..count).map(|i| (0.7 * i as f64 + phase).sin() as f32).collect()
}

/// The loss of logits [4, 5] and its gradient.
fn loss_of_logits() -> Vec<f64> {
    let logits = micro::device().floats([4, 5], wave(20, 0.3), DType::F64).unwrap().track().unwrap();
    let loss = soft_cross_entropy(&logits, &targets(), 0.1).unwrap();
    let mut out = vec![loss.item().unwrap()];
    out.extend(loss.backward(&[&logits]).unwrap()[0].as_ref().unwrap().download().unwrap().into_f64());
    out
}

/// A matrix and a vector after three steps of LARS with known gradients.
fn lars() -> Vec<f64> {
    let device = micro::device();
    let mut out = vec![];
    for (shape, decay) in [(vec![3, 4], 0.1), (vec![5], 0.0)] {
        let count = shape.iter().product();
        let tensor = |phase| device.floats(shape.clone(), wave(count, phase), DType::F32).unwrap();
        let mut parameter = ProbeUpdate::new(ProbeOptimizer::Lars, tensor(0.1), decay).unwrap();
        for step in 1..=3 {
            parameter.step(tensor(step as f64), 2.0, step).unwrap();
        }
        out.extend(parameter.value.download().unwrap().into_f64());
    }
    out
}

/// Features of a golden file.
fn part(data: &Named, name: &str) -> Features {
    let values = &data[&format!("{name}.features")];
    let HostData::I64(labels) = data[&format!("{name}.labels")].data() else { panic!("labels are integers") };
    Features {
        width: values.shape()[1],
        values: values.clone().into_f32(),
        labels: labels.clone(),
        indices: (0..labels.len()).collect(),
        ..Features::default()
    }
}

/// Both optimisers come to scikit-learn's logistic regression. The rate is chosen on 150 images.
#[test]
#[expect(clippy::print_stdout, reason = "figures")]
fn the_linear_probe_comes_to_logistic_regression() {
    let data = files::read(&files::here("golden/linear_probe.safetensors"));
    let (train, test) = (part(&data, "train"), part(&data, "test"));
    let theirs = files::f64s(&data, "accuracy")[0];
    let probe = |settings: LinearProbe| {
        let probed = settings.probe([&train, &test], 10, 0, &micro::device(), &|| Ok(())).unwrap();
        let (rate, scores) = (probed.rate, probed.scores);
        let accuracy = top_k_accuracy(&scores, 10, &test.labels, 1).unwrap();
        println!("{:?}: {accuracy:.4} at {rate:.4}, scikit-learn {theirs:.4}", settings.optimizer);
        (rate, accuracy)
    };
    let (_, accuracy) = probe(LinearProbe::default());
    assert!((accuracy - theirs).abs() <= 0.005, "{accuracy} against {theirs}");
    let lars = LinearProbe { optimizer: ProbeOptimizer::Lars, weight_decay: 0.0, ..LinearProbe::default() };
    assert!(probe(lars).1 > theirs - 0.03);
    // Rates that are given are the only ones.
    let (rate, accuracy) =
        probe(LinearProbe { rates: vec![1e-3, 1e-2], epochs: 30, ..LinearProbe::default() });
    assert!(rate == 1e-2 && accuracy < theirs - 0.05);
}
