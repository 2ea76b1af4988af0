use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::{DType, Tensor};
use palimpsest_heads::detection::anchors::{AnchorGenerator, LevelExtents};
use palimpsest_heads::detection::mask_rcnn::{
    AnchorChoice, BoxOutputs, ProposalSettings, Region, RoiAlign, RpnOutputs, box_losses, mask_loss,
    mask_target, paste_mask, propose, rpn_losses,
};
use palimpsest_heads::detection::matcher::Matcher;
use palimpsest_heads::detection::sampler::Sampler;
use palimpsest_heads::pyramid::FeatureMap;
use palimpsest_targets::Rle;

use crate::detection::flat;
use crate::reference::{Case, each_case, host, leaf};

fn one(x: &Tensor) -> Tensor {
    x.reshape([1]).expect("a number")
}

#[test]
fn roi_align_as_torchvision() {
    each_case(|case| {
        let x = leaf(case, "roi", "x");
        let regions: Vec<Region> = case
            .edges("roi.boxes")
            .into_iter()
            .zip(case.numbers("roi.images"))
            .map(|(edges, image)| Region { image, edges })
            .collect();
        let levels = [FeatureMap { values: x.1.clone(), stride: 4.0 }];
        let align = RoiAlign { size: 5, samples: 2 };
        let y = align.forward(&levels, &regions).expect("runs");
        case.close_with_gradient("roi", &[x], &[("y", y)]);
        let none = align.forward(&levels, &[]).expect("runs");
        assert_eq!(none.shape().dims(), [0, 3, 5, 5]);
    });
}

#[test]
fn levels_as_torchvision() {
    each_case(|case| {
        let values = case.device.full([1, 1, 1, 1], 0.0, DType::F32).expect("a map");
        let level = |stride| FeatureMap { values: values.clone(), stride };
        let levels = [4.0, 8.0, 16.0, 32.0].map(level);
        let align = RoiAlign { size: 7, samples: 2 };
        let have: Vec<f64> =
            case.edges("levels.boxes").iter().map(|b| align.level(&levels, b) as f64).collect();
        case.close("levels.level", &have);
    });
}

fn rpn(case: &Case, objectness: Tensor, deltas: Tensor) -> RpnOutputs {
    let generator = AnchorGenerator { scale: 2.0, ratios: vec![0.25, 1.0, 4.0] };
    let levels = [
        LevelExtents { height: 6, width: 8, stride: 8.0 },
        LevelExtents { height: 3, width: 4, stride: 16.0 },
    ];
    assert!(case.has("rpn.boxes.1"), "two images");
    RpnOutputs { objectness, deltas, anchors: generator.generate(&levels) }
}

#[test]
fn region_proposals_as_torchvision() {
    each_case(|case| {
        let leaves = ["objectness", "deltas"].map(|name| leaf(case, "rpn", name));
        let outputs = rpn(case, leaves[0].1.clone(), leaves[1].1.clone());
        let objects: Vec<_> = (0..2).map(|i| case.edges(&format!("rpn.boxes.{i}"))).collect();
        let matcher = Matcher { foreground: 0.7, background: 0.3, best_for_each: true };
        // All anchors, as in the reference.
        let sampler = Sampler { count: 100_000, foreground: 0.5 };
        let mut random = |i: usize| Philox::new(0, Stream::Test, 0, i as u64);
        let losses =
            rpn_losses(&outputs, &objects, &AnchorChoice { matcher, sampler }, &mut random).expect("losses");
        case.close_with_gradient(
            "rpn.loss",
            &leaves,
            &[("objectness", one(&losses.objectness)), ("boxes", one(&losses.boxes))],
        );
        let settings = ProposalSettings { before: 30, after: 12, nms: 0.6 };
        for (i, boxes) in propose(&outputs, [48, 64], &settings).expect("regions").iter().enumerate() {
            // Outputs are read in f32.
            let want = case.values(&format!("rpn.proposals.{i}"));
            let have = flat(boxes);
            assert_eq!(have.len(), want.len());
            assert!(have.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-4), "{have:?}, not {want:?}");
        }
    });
}

#[test]
fn samples_are_of_both_kinds_and_depend_on_the_stream_alone() {
    use palimpsest_heads::detection::matcher::Match;
    let matches: Vec<Match> = (0..100)
        .map(|i| match i % 10 {
            0..3 => Match::Object(i),
            3 => Match::Ignored,
            _ => Match::Background,
        })
        .collect();
    let sampler = Sampler { count: 40, foreground: 0.25 };
    let draw = |sample| sampler.sample(&matches, &mut Philox::new(0, Stream::Test, 0, sample));
    let [objects, background] = draw(0);
    assert_eq!((objects.len(), background.len()), (10, 30));
    assert!(objects.iter().all(|&i| i % 10 < 3) && background.iter().all(|&i| i % 10 > 3));
    assert_eq!(draw(0), draw(0));
    assert_ne!(draw(0), draw(1));
    // Where there are too few objects, background fills up.
    let [objects, background] =
        Sampler { count: 100, foreground: 0.5 }.sample(&matches, &mut Philox::new(0, Stream::Test, 0, 0));
    assert_eq!((objects.len(), background.len()), (30, 60));
}

#[test]
fn box_losses_as_torchvision() {
    each_case(|case| {
        let leaves = ["logits", "deltas"].map(|name| leaf(case, "box", name));
        let outputs = BoxOutputs { classes: leaves[0].1.clone(), deltas: leaves[1].1.clone() };
        let regions: Vec<Region> =
            case.edges("box.proposals").into_iter().map(|edges| Region { image: 0, edges }).collect();
        let targets: Vec<_> = case
            .edges("box.truths")
            .into_iter()
            .zip(case.numbers("box.labels"))
            .map(|(edges, label)| (label > 0).then(|| (edges, label - 1)))
            .collect();
        let losses = box_losses(&outputs, &regions, &targets).expect("losses");
        case.close_with_gradient(
            "box.loss",
            &leaves,
            &[("classes", one(&losses.classes)), ("boxes", one(&losses.boxes))],
        );
    });
}

const SIDE: (usize, usize) = (30, 26);

#[test]
fn masks_as_detectron2() {
    each_case(|case| {
        let pixels = case.values("mask.pixels");
        let regions = case.edges("mask.regions");
        let mut targets = vec![];
        for (mask, edges) in pixels.chunks(SIDE.0 * SIDE.1).zip(&regions) {
            let mask: Vec<u8> = mask.iter().map(|&v| v as u8).collect();
            targets.extend(mask_target(&Rle::encode(SIDE.0, SIDE.1, &mask), edges, 10));
        }
        case.close("mask.targets", &targets);
        let labels = case.numbers("mask.labels");
        let logits = leaf(case, "mask", "logits");
        let whole = mask_loss(&logits.1, &labels, vec![1.0; targets.len()]).expect("a loss");
        case.close("mask.whole", &host(&one(&whole)));
        let loss = mask_loss(&logits.1, &labels, targets).expect("a loss");
        case.close_with_gradient("mask.loss", &[logits], &[("y", one(&loss))]);

        let probabilities: Vec<f32> =
            case.values("mask.probabilities").into_iter().map(|v| v as f32).collect();
        let mut have = vec![];
        for (mask, edges) in probabilities.chunks(100).zip(&regions) {
            let pasted = paste_mask(mask, 10, edges, SIDE).decode();
            have.extend(pasted.into_iter().map(f64::from));
        }
        let doubtful = case.numbers("mask.doubtful");
        for (at, (have, want)) in have.iter().zip(case.values("mask.pasted")).enumerate() {
            assert!(*have == want || doubtful.contains(&at), "pixel {at}");
        }
    });
}
