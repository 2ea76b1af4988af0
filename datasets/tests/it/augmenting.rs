//! RandAugment, erasing and mixing against timm and Pillow (`fixtures/augment/make.py`), and their draws
//! against the laws that they follow.

use palimpsest_core::data::{Batch, Image};
use palimpsest_core::head::{Class, Examples};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_datasets::erasing;
use palimpsest_datasets::mixing::{Mix, Mixing, beta, paste_box};
use palimpsest_datasets::rand_augment::{Operation, RandAugment};
use serde_json::Value;

use crate::files::fixture;

fn golden() -> Value {
    let bytes = std::fs::read(fixture("augment/augment.json")).expect("reads");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn numbers<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).expect("numbers")
}

/// Every operation gives Pillow's bytes; no tolerance.
#[test]
fn operations_are_pillows() {
    for source in golden()["operations"].as_array().expect("a list") {
        let shape: Vec<usize> = numbers(&source["shape"]);
        let image = Image {
            height: shape[0],
            width: shape[1],
            channels: shape.get(2).copied().unwrap_or(1),
            pixels: numbers(&source["pixels"]),
        };
        for case in source["cases"].as_array().expect("a list") {
            let operation = Operation::ALL[case["operation"].as_u64().expect("a number") as usize];
            let magnitude = case["magnitude"].as_f64().expect("a number");
            let out = operation.apply(&image, magnitude, case["negative"] == true);
            let want = if case["want"].is_null() { image.pixels.clone() } else { numbers(&case["want"]) };
            assert_eq!(out.pixels, want, "{operation:?} at {magnitude} of {shape:?}");
        }
    }
}

#[test]
fn mixes_are_timms() {
    for case in golden()["mixes"].as_array().expect("a list") {
        let shape: Vec<usize> = numbers(&case["shape"]);
        let labels: Vec<u32> = numbers(&case["labels"]);
        let batch = Batch {
            pixels: numbers::<f32>(&case["pixels"]).into(),
            shape: [shape[0], shape[1], shape[2], shape[3]],
            labels: labels.iter().map(|&l| i64::from(l)).collect(),
            indices: (0..shape[0]).collect(),
            first_sample: 0,
        };
        let mut examples = Examples { batch, targets: labels.into_iter().map(Class::pure).collect() };
        let share = case["share"].as_f64().expect("a number");
        let middle: Vec<usize> = numbers(&case["middle"]);
        let mix = if case["cutmix"] == true {
            Mix::Paste(paste_box((shape[3], shape[2]), share, (middle[0], middle[1])))
        } else {
            Mix::Blend(share)
        };
        mix.apply(&mut examples);
        let want: Vec<f32> = numbers(&case["want"]);
        // One product and one sum in f32, rounded in another order.
        let worst = examples
            .batch
            .pixels
            .normalised()
            .iter()
            .zip(&want)
            .fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst < 1e-6, "{worst}");
        let target: Vec<f64> = numbers(&case["target"]);
        for (given, want) in examples.targets.iter().zip(target.chunks(6)) {
            let mut smoothed = [0.1 / 6.0; 6];
            smoothed[given.class as usize] += 0.9 * f64::from(given.share);
            smoothed[given.other as usize] += 0.9 * (1.0 - f64::from(given.share));
            let worst = smoothed.iter().zip(want).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
            assert!(worst < 1e-6, "{given:?} {want:?}");
        }
    }
}

/// Mean 1/2 and variance 1 / (4 (2a + 1)) of Beta(a, a), within five standard errors (the fourth moment is
/// bounded by the variance / 4, since values lie within 1/2 of the mean).
#[test]
fn shares_follow_their_law() {
    const DRAWS: usize = 40_000;
    for a in [0.2, 0.8, 1.0, 3.0] {
        let mut random = Philox::new(1, Stream::Test, 0, 0);
        let draws: Vec<f64> = (0..DRAWS).map(|_| beta(a, &mut random)).collect();
        let variance = 1.0 / (4.0 * (2.0 * a + 1.0));
        let mean = draws.iter().sum::<f64>() / DRAWS as f64;
        let spread = draws.iter().map(|v| (v - 0.5).powi(2)).sum::<f64>() / DRAWS as f64;
        let n = DRAWS as f64;
        assert!((mean - 0.5).abs() < 5.0 * (variance / n).sqrt(), "{a}: mean {mean}");
        assert!((spread - variance).abs() < 5.0 * (variance / 4.0 / n).sqrt(), "{a}: variance {spread}");
    }
}

/// Shares of 0.02 to 1/3 and ratios of 0.3 to 3.3, rounding to whole pixels aside; four thousand draws come near
/// both ends.
#[test]
fn erased_boxes_lie_within_their_limits() {
    let mut shares = vec![];
    for sample in 0..4000 {
        let mut random = Philox::new(2, Stream::Test, 0, sample);
        let at = erasing::draw((200, 200), &mut random).expect("fits within ten draws");
        assert!(at.left + at.width <= 200 && at.top + at.height <= 200 && at.width > 0 && at.height > 0);
        shares.push((at.width * at.height) as f64 / 40_000.0);
        let ratio = at.height as f64 / at.width as f64;
        assert!((0.28..3.6).contains(&ratio), "{ratio}");
    }
    let (low, high) = shares.iter().fold((1.0f64, 0.0f64), |(l, h), &s| (l.min(s), h.max(s)));
    assert!(low > 0.019 && low < 0.03 && high < 0.34 && high > 0.31, "{low} {high}");
    let mut planes = vec![1.0f32; 2 * 64 * 64];
    erasing::erase(&mut planes, (64, 64), 1.0, &mut Philox::new(3, Stream::Test, 0, 0));
    let erased: Vec<usize> = (0..planes.len()).filter(|&i| planes[i] != 1.0).collect();
    // The same box in both channels.
    let (first, second): (Vec<usize>, Vec<usize>) = erased.iter().partition(|&&i| i < 64 * 64);
    assert!(!first.is_empty() && first.iter().map(|i| i + 64 * 64).eq(second));
    let before = planes.clone();
    erasing::erase(&mut planes, (64, 64), 0.0, &mut Philox::new(3, Stream::Test, 0, 0));
    assert_eq!(before, planes);
}

#[test]
fn draws_depend_on_the_stream_alone() {
    let image = Image { width: 6, height: 5, channels: 3, pixels: (0..90).collect() };
    let augment = RandAugment::new(9.0);
    let of = |sample| augment.apply(image.clone(), &mut Philox::new(4, Stream::Augment, 0, sample));
    assert_eq!(of(1), of(1));
    assert!((0..20).any(|sample| of(sample) != image));
    let mixing = Mixing { mixup: 0.8, cutmix: 1.0, probability: 1.0, switch: 0.5 };
    let drawn: Vec<_> =
        (0..200).map(|step| mixing.draw((8, 8), &mut Philox::new(4, Stream::Augment, step, 0))).collect();
    let pasted = drawn.iter().filter(|mix| matches!(mix, Some(Mix::Paste(_)))).count();
    // Five standard deviations of a binomial.
    assert!((65..=135).contains(&pasted), "{pasted}");
    let off = Mixing { mixup: 0.0, cutmix: 0.0, ..mixing };
    assert_eq!(off.draw((8, 8), &mut Philox::new(4, Stream::Augment, 0, 0)), None);
}
