//! Scores of label sets and of numbers.

use palimpsest_core::data::Batch;
use palimpsest_core::head::{LabelSet, Metric, MetricState, Values};
use palimpsest_heads::classification::multi_label_metric::MultiLabelMetric;
use palimpsest_heads::metrics::{MultiLabelScores, RegressionScores};
use palimpsest_heads::regression::metric::RegressionMetric;
use serde_json::Value;

use crate::reference::{close, each_case, integers, list, number, numbers};

fn floats(value: &Value) -> Vec<f32> {
    numbers(value).iter().map(|&v| v as f32).collect()
}

#[track_caller]
fn close_or_none(have: Option<f64>, want: &Value, what: &str) {
    match have {
        Some(have) => close(have, number(want), what),
        None => assert!(want.is_null(), "{what}: none, the reference has {want}"),
    }
}

#[test]
fn label_sets_as_scikit_learn() {
    each_case("multi_label", "sklearn", |case| {
        let name = case["name"].as_str().expect("a name");
        let labels = number(&case["labels"]) as usize;
        let truths: Vec<Option<bool>> =
            integers(&case["truths"]).iter().map(|&has| (has >= 0).then_some(has == 1)).collect();
        let scores = MultiLabelScores::of(labels, &truths, &floats(&case["logits"])).expect("fits");
        close(scores.map, number(&case["map"]), &format!("{name}: mAP"));
        close(scores.map_micro, number(&case["map_micro"]), &format!("{name}: micro mAP"));
        close(scores.f1_macro, number(&case["f1_macro"]), &format!("{name}: macro F1"));
        close(scores.f1_micro, number(&case["f1_micro"]), &format!("{name}: micro F1"));
        for (label, scores) in scores.labels.iter().enumerate() {
            close_or_none(scores.average_precision, &case["ap"][label], &format!("{name}: AP of {label}"));
            close_or_none(scores.f1, &case["f1"][label], &format!("{name}: F1 of {label}"));
            assert_eq!(scores.positives + scores.negatives + scores.unknown, truths.len() / labels);
        }
    });
}

#[test]
fn numbers_as_scikit_learn() {
    each_case("regression", "sklearn", |case| {
        let name = case["name"].as_str().expect("a name");
        let values = number(&case["values"]) as usize;
        let truths: Vec<Option<f32>> =
            list(&case["truths"]).iter().map(|v| v.as_f64().map(|v| v as f32)).collect();
        let scores = RegressionScores::of(values, &truths, &floats(&case["predictions"])).expect("fits");
        let figures = &case["figures"];
        close_or_none(scores.r2, &figures[0], &format!("{name}: R2"));
        close(scores.mae, number(&figures[1]), &format!("{name}: MAE"));
        close(scores.rmse, number(&figures[2]), &format!("{name}: RMSE"));
        for (value, scores) in scores.values.iter().enumerate() {
            let due = &case["scores"][value];
            let Some(scores) = scores else {
                assert!(due.is_null(), "{name}: value {value}");
                continue;
            };
            close_or_none(scores.r2, &due[0], &format!("{name}: R2 of {value}"));
            close(scores.mae, number(&due[1]), &format!("{name}: MAE of {value}"));
            close(scores.rmse, number(&due[2]), &format!("{name}: RMSE of {value}"));
        }
    });
}

#[test]
fn wrong_input() {
    let (yes, no) = (Some(true), Some(false));
    let text = |result: palimpsest_core::Result<MultiLabelScores>| result.expect_err("wrong").to_string();
    assert!(
        text(MultiLabelScores::of(2, &[yes; 4], &[0.0; 2])).contains("2 logits for 4 entries of 2 labels")
    );
    assert!(text(MultiLabelScores::of(2, &[yes; 4], &[0.0, 0.0, f32::NAN, 0.0])).contains("image 1"));
    assert!(
        text(MultiLabelScores::of(2, &[no, None], &[0.0; 2])).contains("no test image has any of the labels")
    );
    assert!(text(MultiLabelScores::of(0, &[], &[])).contains("no test image"));
    let text = |result: palimpsest_core::Result<RegressionScores>| result.expect_err("wrong").to_string();
    assert!(text(RegressionScores::of(2, &[Some(1.0); 3], &[1.0; 3])).contains("3 predictions of 3 numbers"));
    assert!(text(RegressionScores::of(1, &[Some(1.0); 2], &[1.0, f32::INFINITY])).contains("image 1"));
    assert!(text(RegressionScores::of(1, &[None], &[1.0])).contains("no test image has a number"));
}

fn batch(first: usize, images: usize) -> Batch {
    Batch {
        pixels: vec![].into(),
        shape: [images, 1, 0, 0],
        labels: vec![-1; images],
        indices: (first..first + images).collect(),
        first_sample: first as u64,
    }
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

/// What a metric has of `parts` of the images, put together in their order.
fn merged<T: Clone, M: Metric<T, Vec<f32>>>(
    make: impl Fn() -> M,
    targets: &[T],
    found: &[Vec<f32>],
    parts: &[usize],
) -> M {
    let mut whole = make();
    let mut first = 0;
    for &images in parts {
        let mut part = make();
        let range = first..first + images;
        part.add(&batch(first, images), &targets[range.clone()], &found[range]).expect("fits");
        let state = MetricState::from_bytes(part.state().expect("has one").as_bytes().to_vec());
        whole.absorb(&mut { state }).expect("is its own");
        first += images;
    }
    whole
}

/// Scores, artifacts and notes of processes that share the images are those of one.
#[test]
fn parts_make_the_whole() {
    let sets: Vec<LabelSet> = (0..11)
        .map(|image| {
            let mut set = LabelSet::none_of(3);
            set.set(0, Some(image % 3 == 0));
            set.set(1, if image == 4 { None } else { Some(image % 2 == 0) });
            set
        })
        .collect();
    let logits: Vec<Vec<f32>> =
        (0..11).map(|i| (0..3).map(|c| ((i * 7 + c * 5) % 11) as f32 - 5.0).collect()).collect();
    let make = || MultiLabelMetric::new(&names(&["a, b", "c", "never"]));
    let (one, many) = (merged(make, &sets, &logits, &[11]), merged(make, &sets, &logits, &[4, 0, 7]));
    assert_eq!(one.scores().expect("scores"), many.scores().expect("scores"));
    let notes = one.notes();
    assert!(notes.len() == 1 && notes[0].contains("leave out: never"), "{notes:?}");
    for (a, b) in one.artifacts().iter().zip(many.artifacts()) {
        assert!(a.name == b.name && a.bytes == b.bytes, "{}", a.name);
    }
    let table = String::from_utf8(one.artifacts()[0].bytes.clone()).expect("text");
    assert!(table.starts_with("label,average_precision,f1,with,without,unknown\n\"a, b\","), "{table}");
    assert!(table.ends_with("never,,,0,11,0\n"), "{table}");
    let values: Vec<Values> =
        (0..11).map(|i| Values(vec![Some(i as f32), (i == 2).then_some(1.0), None])).collect();
    let make = || RegressionMetric::new(&names(&["x", "once", "never"]));
    let (one, many) = (merged(make, &values, &logits, &[11]), merged(make, &values, &logits, &[0, 5, 6]));
    assert_eq!(one.scores().expect("scores"), many.scores().expect("scores"));
    let figures: Vec<String> = one.scores().expect("scores").into_iter().map(|(name, _)| name).collect();
    assert_eq!(figures, ["r2", "mae", "rmse", "r2/x", "mae/x", "rmse/x", "mae/once", "rmse/once"]);
    assert!(one.notes()[0].contains("left out: once, never"), "{:?}", one.notes());
    for (a, b) in one.artifacts().iter().zip(many.artifacts()) {
        assert!(a.name == b.name && a.bytes == b.bytes, "{}", a.name);
    }
}
