use palimpsest_heads::detection::anchors::{AnchorGenerator, LevelExtents};
use palimpsest_heads::detection::box_coder::BoxCoder;
use palimpsest_heads::detection::fcos::{FcosOutputs, fcos_losses, fcos_predict, points};
use palimpsest_heads::detection::loss::{FocalSettings, binary_cross_entropy, focal, giou_loss, smooth_l1};
use palimpsest_heads::detection::matcher::{Match, Matcher};
use palimpsest_heads::detection::nms::batched_nms;
use palimpsest_heads::detection::{BoxXyxy, PostProcess};

use crate::reference::{each_case, leaf};

pub(crate) fn flat(boxes: &[BoxXyxy]) -> Vec<f64> {
    boxes.iter().flat_map(|b| b.0).collect()
}

#[test]
fn anchors_as_torchvision() {
    each_case(|case| {
        let generator = AnchorGenerator { scale: 4.0, ratios: vec![0.25, 1.0, 4.0] };
        let levels = [
            LevelExtents { height: 3, width: 5, stride: 8.0 },
            LevelExtents { height: 2, width: 3, stride: 16.0 },
        ];
        case.close("anchors.boxes", &flat(&generator.generate(&levels).concat()));
    });
}

#[test]
fn box_coder_as_torchvision() {
    each_case(|case| {
        let (references, truths) = (case.edges("coder.reference"), case.edges("coder.truth"));
        let codes = case.edges("coder.codes");
        for (name, coder) in [("proposals", BoxCoder::PROPOSALS), ("boxes", BoxCoder::BOXES)] {
            let pairs = truths.iter().zip(&references);
            let encoded: Vec<f64> = pairs.flat_map(|(t, r)| coder.encode(t, r)).collect();
            case.close(&format!("coder.{name}.encoded"), &encoded);
            let pairs = codes.iter().zip(&references);
            let decoded: Vec<f64> = pairs.flat_map(|(c, r)| coder.decode(c.0, r).0).collect();
            case.close(&format!("coder.{name}.decoded"), &decoded);
        }
    });
}

#[test]
fn matching_and_suppression_as_torchvision() {
    each_case(|case| {
        let (boxes, objects) = (case.edges("match.boxes"), case.edges("match.objects"));
        let low = Matcher { foreground: 0.7, background: 0.3, best_for_each: true };
        let plain = Matcher { foreground: 0.5, background: 0.5, best_for_each: false };
        for (name, matcher) in [("low", low), ("plain", plain)] {
            let code = |m: Match| match m {
                Match::Object(object) => object as f64,
                Match::Background => -1.0,
                Match::Ignored => -2.0,
            };
            let have: Vec<f64> = matcher.match_boxes(&objects, &boxes).into_iter().map(code).collect();
            case.close(&format!("match.{name}"), &have);
        }
        let kept = batched_nms(&boxes, &case.values("nms.scores"), &case.numbers("nms.groups"), 0.4);
        assert_eq!(kept, case.numbers("nms.kept"));
    });
}

#[test]
fn an_object_that_no_box_touches_takes_none() {
    let matcher = Matcher { foreground: 0.7, background: 0.3, best_for_each: true };
    let boxes = [BoxXyxy([0.0, 0.0, 4.0, 4.0])];
    let matches = matcher.match_boxes(&[BoxXyxy([50.0, 50.0, 60.0, 60.0])], &boxes);
    assert_eq!(matches, [Match::Background]);
    assert_eq!(matcher.match_boxes(&[], &boxes), [Match::Background]);
}

#[test]
fn losses_as_torchvision() {
    each_case(|case| {
        let (targets, soft) = (case.tensor("loss.targets"), case.tensor("loss.soft"));
        let logits = || ("x".to_owned(), leaf(case, "loss", "logits").1);
        let x = logits();
        let y = focal(&x.1, &targets, FocalSettings::default()).expect("a loss");
        case.close_with_gradient("loss.focal", &[x], &[("y", y)]);
        let x = logits();
        let y = binary_cross_entropy(&x.1, &soft).expect("a loss");
        case.close_with_gradient("loss.bce", &[x], &[("y", y)]);
        let x = logits();
        let y = smooth_l1(&x.1, &soft, 1.0 / 9.0).expect("a loss");
        case.close_with_gradient("loss.smooth", &[x], &[("y", y)]);
        let x = ("x".to_owned(), leaf(case, "loss", "boxes").1);
        let y = giou_loss(&x.1, &case.tensor("loss.truths")).and_then(|y| y.reshape([12])).expect("a loss");
        case.close_with_gradient("loss.giou", &[x], &[("y", y)]);
    });
}

const IMAGE: [usize; 2] = [32, 48];

fn fcos_levels() -> [LevelExtents; 3] {
    [(8, 12, 4.0), (4, 6, 8.0), (2, 3, 16.0)].map(|(height, width, stride)| LevelExtents {
        height,
        width,
        stride,
    })
}

#[test]
fn fcos_losses_as_torchvision() {
    each_case(|case| {
        let leaves = ["cls_logits", "bbox_regression", "bbox_ctrness"].map(|name| leaf(case, "fcos", name));
        let outputs = FcosOutputs {
            classes: leaves[0].1.clone(),
            distances: leaves[1].1.clone(),
            centreness: leaves[2].1.clone(),
            points: points(&fcos_levels()),
        };
        let objects: Vec<Vec<(BoxXyxy, usize)>> = (0..3)
            .map(|i| {
                let labels = case.numbers(&format!("fcos.labels.{i}"));
                case.edges(&format!("fcos.boxes.{i}")).into_iter().zip(labels).collect()
            })
            .collect();
        assert!(objects[1].is_empty(), "an image without objects");
        let losses = fcos_losses(&outputs, &objects, 1.5).expect("losses");
        let one = |x: &palimpsest_core::Tensor| x.reshape([1]).expect("a number");
        case.close_with_gradient(
            "fcos.loss",
            &leaves,
            &[
                ("classification", one(&losses.classes)),
                ("bbox_regression", one(&losses.boxes)),
                ("bbox_ctrness", one(&losses.centreness)),
            ],
        );
    });
}

#[test]
fn fcos_finds_what_torchvision_finds() {
    each_case(|case| {
        let outputs = FcosOutputs {
            classes: case.tensor("fcos.cls_logits"),
            distances: case.tensor("fcos.bbox_regression"),
            centreness: case.tensor("fcos.bbox_ctrness"),
            points: points(&fcos_levels()),
        };
        let post_process = PostProcess { score_threshold: 0.3, nms: 0.5, max_detections: 20 };
        let images = fcos_predict(&outputs, IMAGE, &post_process).expect("predictions");
        for (i, found) in images.iter().enumerate() {
            // Outputs are read in f32.
            let near = |name: &str, have: Vec<f64>| {
                let want = case.values(&format!("fcos.found.{i}.{name}"));
                assert_eq!(have.len(), want.len(), "{name}");
                for (have, want) in have.iter().zip(&want) {
                    assert!((have - want).abs() < 1e-4, "{name}: {have}, not {want}");
                }
            };
            near("scores", found.iter().map(|f| f.score).collect());
            near("boxes", found.iter().flat_map(|f| f.edges.0).collect());
            near("labels", found.iter().map(|f| f.class as f64).collect());
        }
    });
}
