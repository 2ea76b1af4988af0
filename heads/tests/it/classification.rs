use palimpsest_heads::metrics::{ConfusionMatrix, top_k_accuracy};

use crate::reference::{close, each_case, integers, number, numbers};

#[test]
fn as_scikit_learn() {
    each_case("classification", "sklearn", |case| {
        let classes = number(&case["classes"]) as usize;
        let (labels, predicted) = (integers(&case["labels"]), integers(&case["predicted"]));
        let scores: Vec<f32> = numbers(&case["scores"]).iter().map(|&v| v as f32).collect();
        for (k, want) in case["top"].as_object().expect("a map") {
            let have = top_k_accuracy(&scores, classes, &labels, k.parse().expect("a number"));
            close(have.expect("fits"), number(want), &format!("top-{k}"));
        }
        let matrix = ConfusionMatrix::of(classes, &labels, &predicted).expect("fits");
        close(matrix.accuracy(), number(&case["accuracy"]), "accuracy");
        close(matrix.mean_class_accuracy(), number(&case["mean_class_accuracy"]), "mean per class");
        for (i, &want) in integers(&case["confusion"]).iter().enumerate() {
            assert_eq!(matrix.count(i / classes, i % classes), want as u64, "confusion at {i}");
        }
    });
}

#[test]
fn more_places_than_classes() {
    let all = top_k_accuracy(&[0.1, 0.2, 0.3, 0.1], 2, &[0, 1], 5).expect("fits");
    assert_eq!(all, 1.0);
}

#[test]
fn wrong_input() {
    for (result, part) in [
        (top_k_accuracy(&[0.0; 5], 2, &[0, 1], 1), "5 scores for 2 labels and 2 classes"),
        (top_k_accuracy(&[], 2, &[], 1), "0 scores"),
        (top_k_accuracy(&[0.0; 4], 2, &[0, 2], 1), "sample 1 has the label 2, of 2 classes"),
        (top_k_accuracy(&[0.0; 4], 2, &[0, -1], 1), "sample 1 has the label -1"),
        (top_k_accuracy(&[0.0, 1.0, f32::NAN, 0.0], 2, &[0, 1], 1), "sample 1 are not numbers"),
    ] {
        let text = result.expect_err("wrong input").to_string();
        assert!(text.contains(part), "{text}");
    }
    let mut matrix = ConfusionMatrix::new(2);
    let text = matrix.add(&[0i64, 1], &[0i64, 2], None).expect_err("no class").to_string();
    assert!(text.contains("the prediction at 1 is 2, of 2 classes; "), "{text}");
    let text = matrix.add(&[0i64], &[0i64, 1], None).expect_err("lengths").to_string();
    assert!(text.contains("2 predictions for 1 labels"), "{text}");
}
