use palimpsest_heads::metrics::{ConfusionMatrix, SegmentationScores};

use crate::reference::{close, each_case, integers, list, number};

#[test]
fn as_torchmetrics_and_scikit_learn() {
    each_case("segmentation", "sklearn, torchmetrics", |case| {
        let classes = number(&case["classes"]) as usize;
        let mut confusion = ConfusionMatrix::new(classes);
        // Image by image: the counts are summed, not the scores averaged.
        for (truth, predicted) in list(&case["truth"]).iter().zip(list(&case["predicted"])) {
            let truth: Vec<u8> = integers(truth).iter().map(|&v| v as u8).collect();
            confusion.add(&truth, &integers(predicted), Some(255)).expect("fits");
        }
        assert_eq!(confusion.total(), number(&case["pixels"]) as u64);
        let scores = SegmentationScores::of(&confusion);
        close(scores.mean_iou, number(&case["mean_iou"]), "mIoU");
        close(scores.pixel_accuracy, number(&case["pixel_accuracy"]), "pixel accuracy");
        // torchmetrics computes this one in f32.
        assert!((scores.pixel_accuracy - number(&case["pixel_accuracy_torchmetrics"])).abs() < 1e-6);
        close(scores.mean_accuracy, number(&case["mean_accuracy"]), "mean accuracy");
        close(scores.frequency_weighted_iou, number(&case["frequency_weighted_iou"]), "weighted IoU");
        for (class, scores) in scores.classes.iter().enumerate() {
            match case["class_iou"].get(class.to_string()) {
                Some(want) => close(scores.iou.expect("present"), number(want), "IoU of a class"),
                None => assert_eq!(scores.iou, None),
            }
        }
    });
}

#[test]
fn only_ignored_pixels() {
    let mut confusion = ConfusionMatrix::new(3);
    confusion.add(&[255u8; 4], &[0i64, 1, 2, 9], Some(255)).expect("predictions there don't matter");
    let scores = SegmentationScores::of(&confusion);
    assert!(scores.mean_iou.is_nan() && scores.pixel_accuracy.is_nan());
    assert!(scores.classes.iter().all(|c| c.iou.is_none()));
}
