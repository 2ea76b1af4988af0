use palimpsest_core::{DType, Tensor};
use palimpsest_heads::segmentation::{SlidingWindow, segmentation_loss};
use palimpsest_targets::{IGNORE, LabelMap};

use crate::reference::{each_case, host, leaf};

#[test]
fn loss_as_pytorch_with_pixels_to_ignore() {
    each_case(|case| {
        let logits = leaf(case, "segment", "logits");
        let labels: Vec<u8> = case.values("segment.labels").into_iter().map(|v| v as u8).collect();
        let maps: Vec<LabelMap> =
            labels.chunks(13 * 18).map(|map| LabelMap::new(18, 13, map.to_vec())).collect();
        let loss = segmentation_loss(&logits.1, &maps).and_then(|l| l.reshape([1])).expect("a loss");
        case.close_with_gradient("segment.loss", &[logits], &[("y", loss)]);
    });
}

#[test]
fn maps_that_say_nothing_cost_nothing() {
    let device = palimpsest_tests::micro::device();
    let logits = device.full([1, 3, 2, 2], 0.7, DType::F32).and_then(|x| x.track()).expect("a tensor");
    let loss = segmentation_loss(&logits, &[LabelMap::new(4, 4, vec![IGNORE; 16])]).expect("a loss");
    assert_eq!(loss.item().expect("a number"), 0.0);
    let gradient = loss.backward(&[&logits]).expect("gradients").remove(0).expect("of the logits");
    assert_eq!(host(&gradient), [0.0; 12]);
}

#[test]
fn targets_that_do_not_fit() {
    let device = palimpsest_tests::micro::device();
    let logits = device.full([2, 3, 2, 2], 0.0, DType::F32).expect("a tensor");
    let map = |width: usize, label: u8| LabelMap::new(width, 4, vec![label; width * 4]);
    for (maps, part) in [
        (vec![map(4, 0)], "1 label maps for 2 images"),
        (vec![map(4, 0), map(5, 0)], "the label map has 5x4 pixels, its image 4x4"),
        (vec![map(4, 0), map(4, 3)], "has the label 3, of 3 classes"),
    ] {
        let text = segmentation_loss(&logits, &maps).expect_err("don't fit").to_string();
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn sliding_windows_as_mmsegmentation() {
    each_case(|case| {
        let (image, weight) = (case.tensor("slide.image"), case.tensor("slide.weight"));
        let sliding = SlidingWindow {
            size: [10, 10],
            stride: [7, 7],
            scales: vec![0.5, 1.0, 1.75],
            flip: true,
            batch: 2,
        };
        sliding.check().expect("sound");
        // A model whose output is half as high and wide: every second pixel.
        let even = case.device.indices([5], vec![0, 2, 4, 6, 8]).expect("indices");
        let forward = |x: &Tensor| x.conv2d(&weight, 1, 1)?.index_select(2, &even)?.index_select(3, &even);
        let have = sliding.probabilities(&image, &forward).expect("runs");
        case.close("slide.probabilities", &host(&have));
    });
}
