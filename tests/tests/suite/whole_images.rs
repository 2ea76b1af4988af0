//! Heads on label sets and numbers: losses against their formulas and PyTorch, gradients against differences.

use palimpsest_core::finetune::TrainingData;
use palimpsest_core::head::{LabelSet, TargetStatistics, TaskHead, Values};
use palimpsest_core::params::Params;
use palimpsest_core::{DType, Tensor};
use palimpsest_heads::classification::label_loss::{LabelWeight, label_loss};
use palimpsest_heads::classification::multi_label::MultiLabel;
use palimpsest_heads::regression::linear_regression::Regression;
use palimpsest_heads::regression::value_loss::ValueLoss;
use palimpsest_tests::differences::check_loss;
use palimpsest_tests::finetuning::{self, examples, fine_tuner_on};
use palimpsest_tests::{micro, python};

/// As in `gradients.rs`.
const TOLERANCE: f64 = 1e-5;

fn label_sets() -> Vec<LabelSet> {
    let of = |flags: [i8; 3]| {
        let mut set = LabelSet::unknown(3);
        flags.iter().enumerate().for_each(|(label, &has)| set.set(label, (has >= 0).then_some(has == 1)));
        set
    };
    [[1, 0, 1], [-1, 1, 0], [0, 0, 0], [1, -1, -1]].map(of).to_vec()
}

fn numbers() -> Vec<Values> {
    let of = |values: [Option<f32>; 2]| Values(values.to_vec());
    [[Some(31.0), Some(-0.25)], [None, Some(0.5)], [Some(40.0), None], [Some(90.0), Some(0.0)]]
        .map(of)
        .to_vec()
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

/// Gradients are differences, with the encoder and without, and parts of a batch make the step of the whole.
fn holds<H: TaskHead>(name: &str, data: &TrainingData, targets: &[H::Target], overrides: &[&str]) {
    let recipe = micro::preset("paper", &["encoder.drop_path=0.0"]);
    let examples = examples(targets.to_vec(), 40);
    for tune in ["train.tune=full", "train.tune=frozen"] {
        let all = [&["train.batch=4", tune], overrides].concat();
        let tuner = fine_tuner_on::<H>(&recipe, data.clone(), &all);
        let params = finetuning::lively(&tuner);
        let params = match tune {
            "train.tune=full" => params,
            _ => {
                let mask: Vec<bool> =
                    (0..params.tensors().len()).map(|i| tuner.params().is_trained(i)).collect();
                params.only(mask.into())
            }
        };
        let found = finetuning::gradients(&tuner, &params, &examples, 0).gradients;
        if tune == "train.tune=frozen" {
            for (spec, gradient) in tuner.specs.specs().iter().zip(&found) {
                let own = ["head.norm.", "head.classifier.", "head.output."];
                let trained = own.iter().any(|own| spec.name.starts_with(own));
                assert_eq!(gradient.is_some(), trained, "{name}: {}", spec.name);
            }
            continue;
        }
        let loss = |params: &Params| finetuning::loss(&tuner, params, &examples);
        let worst = check_loss(&tuner.specs, &params, &found, &loss, 6);
        assert!(worst.error < TOLERANCE, "{name}: error {:e} at {}", worst.error, worst.at);
    }
    let step = |parts: &str| {
        let all = [&["train.batch=4", parts, "train.steps=2", "optimizer.lr=0.01"], overrides].concat();
        let mut tuner = fine_tuner_on::<H>(&recipe, data.clone(), &all);
        tuner.train_step(&examples).unwrap();
        tuner.train_step(&examples).unwrap();
        let weights = tuner.params().tensors().to_vec();
        weights.iter().flat_map(|w| w.download().unwrap().into_f64()).collect::<Vec<f64>>()
    };
    let (whole, parts) = (step("train.accumulate=1"), step("train.accumulate=2"));
    let worst = whole.iter().zip(&parts).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
    assert!(worst < 1e-9, "{name}: {worst:e}");
}

#[test]
fn gradients_are_differences() {
    let sets = label_sets();
    let data = TrainingData {
        classes: names(&["a", "b", "c"]),
        statistics: TargetStatistics::of_labels(3, sets.iter()),
        images: 8,
    };
    holds::<MultiLabel>("multi-label", &data, &sets, &[]);
    let weights = ["class_weights=[1.0, 2.0, 0.5]", "balance=true", "blocks=2"];
    holds::<MultiLabel>("weighted multi-label", &data, &sets, &weights);
    let numbers = numbers();
    let statistics = TargetStatistics::of_values(&names(&["age", "tilt"]), numbers.iter());
    let data = TrainingData { classes: vec![], statistics, images: 8 };
    holds::<Regression>("smooth L1", &data, &numbers, &["beta=0.3"]);
    holds::<Regression>("L2", &data, &numbers, &["loss=l2", "pooling=class"]);
}

#[test]
fn weights_that_do_not_fit_are_told() {
    let sets = label_sets();
    let statistics = TargetStatistics::of_labels(3, sets.iter());
    let build = |overrides: &[&str]| {
        let classes = names(&["a", "b", "c"]);
        let data = TrainingData { classes, statistics: statistics.clone(), images: 8 };
        let all = [&["train.batch=4"], overrides].concat();
        std::panic::catch_unwind(|| fine_tuner_on::<MultiLabel>(&micro::preset("paper", &[]), data, &all))
            .is_err()
    };
    assert!(!build(&["positive_weights=[1.0, 2.0, 3.0]"]));
    assert!(build(&["positive_weights=[1.0]"]));
    assert!(build(&["class_weights=[1.0, -2.0, 3.0]"]));
    assert!(build(&["positive_weights=[1.0, 2.0, 3.0]", "balance=true"]));
}

const LOGITS: [f64; 12] = [0.3, -1.5, 40.0, -60.0, 2.0, 0.0, -0.7, 100.0, 1e-3, -2.5, 5.0, 0.1];
const OUTPUTS: [f64; 8] = [0.3, -1.5, 4.0, 0.1, 2.0, 0.0, -0.7, 9.0];

fn tensor(shape: [usize; 2], values: &[f64]) -> Tensor {
    micro::device().f64s(shape, values.to_vec(), DType::F64).unwrap().track().unwrap()
}

fn value_and_gradient(x: &Tensor, loss: &Tensor) -> (f64, Vec<f64>) {
    let gradient = loss.clone().backward(&[x]).unwrap().remove(0).expect("a gradient");
    (loss.item().unwrap(), gradient.download().unwrap().into_f64())
}

/// The losses and their gradients, for the formulas and for PyTorch.
fn losses() -> Vec<(&'static str, f64, Vec<f64>)> {
    let weights =
        [(1.0, 1.0), (2.0, 0.5), (0.5, 8.0)].map(|(class, positive)| LabelWeight { class, positive });
    let x = tensor([4, 3], &LOGITS);
    let (value, gradient) = value_and_gradient(&x, &label_loss(&x, &label_sets(), &weights).unwrap());
    let mut all = vec![("bce", value, gradient)];
    let wanted: Vec<Option<f32>> =
        numbers().iter().flat_map(|values| values.0.clone()).map(|v| v.map(|v| v / 32.0)).collect();
    for (name, kind) in [("smooth_l1", ValueLoss::SmoothL1), ("l2", ValueLoss::L2)] {
        let x = tensor([4, 2], &OUTPUTS);
        let (value, gradient) = value_and_gradient(&x, &kind.of(&x, &wanted, 0.3).unwrap());
        all.push((name, value, gradient));
    }
    all
}

/// -w (p t ln s(x) + (1 - t) ln(1 - s(x))), with ln s(x) = -ln(1 + e^-x), over all entries.
#[test]
fn binary_cross_entropy_is_its_formula() {
    let log_sigmoid = |x: f64| if x < -30.0 { x } else { -(-x).exp().ln_1p() };
    let weights = [(1.0, 1.0), (2.0, 0.5), (0.5, 8.0)];
    let entries = label_sets().iter().flat_map(|set| set.iter().collect::<Vec<_>>()).collect::<Vec<_>>();
    let due: f64 = entries
        .iter()
        .enumerate()
        .map(|(at, has)| {
            let ((class, positive), x) = (weights[at % 3], LOGITS[at]);
            match has {
                None => 0.0,
                Some(true) => -class * positive * log_sigmoid(x),
                Some(false) => -class * log_sigmoid(-x),
            }
        })
        .sum();
    let found = losses()[0].1;
    assert!((found - due / 12.0).abs() < 1e-12, "{found} instead of {}", due / 12.0);
}

#[test]
#[expect(clippy::print_stdout, reason = "why a check was skipped")]
fn losses_and_gradients_are_pytorchs() {
    if let Err(reason) = python::available("torch") {
        println!("skipped: {reason}");
        return;
    }
    let answer = python::run("whole_images.py", &[]);
    for (name, value, gradient) in losses() {
        let theirs: Vec<f64> = serde_json::from_value(answer[name].clone()).unwrap();
        let ours = [&[value], &gradient[..]].concat();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        let worst = ours.iter().zip(&theirs).fold(0.0f64, |worst, (a, b)| worst.max((a - b).abs()));
        // Both in f64; logarithms of sums near 1 keep 1e-16.
        assert!(worst < 1e-12, "{name}: {worst:e}\n{ours:?}\n{theirs:?}");
    }
}
