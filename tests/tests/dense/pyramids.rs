use palimpsest_core::params::ParamSpecs;
use palimpsest_heads::convolution::{GroupNorm, NormKind};
use palimpsest_heads::pyramid::{FeatureMap, MultiBlockPyramid, SimplePyramid, SimplePyramidSettings};
use palimpsest_heads::segmentation::{DecoderKind, DecoderSettings, SegmentationDecoder};

use crate::reference::{each_case, leaf, named_leaves};

#[test]
fn simple_pyramid_as_its_paper() {
    each_case(|case| {
        let mut specs = ParamSpecs::default();
        let settings =
            SimplePyramidSettings { input: 8, width: 6, patch: 16, strides: &[4.0, 8.0, 16.0, 32.0] };
        let pyramid = SimplePyramid::new(&mut specs, &settings).expect("builds");
        let params = case.weights("simple", &specs).track().expect("tracks");
        let x = leaf(case, "simple", "x");
        let grid = FeatureMap { values: x.1.clone(), stride: 16.0 };
        let levels = pyramid.forward(&params, &grid).expect("runs");
        let strides: Vec<f64> = levels.iter().map(|level| level.stride).collect();
        assert_eq!(strides, [4.0, 8.0, 16.0, 32.0]);
        let names = ["y0", "y1", "y2", "y3"];
        let outputs: Vec<_> = names.into_iter().zip(levels.into_iter().map(|l| l.values)).collect();
        let mut inputs = named_leaves(&specs, &params);
        inputs.push(x);
        case.close_with_gradient("simple", &inputs, &outputs);
    });
}

/// A decoder on patches of 16 px with the extents of the reference.
pub(crate) fn decoder(kind: DecoderKind) -> DecoderSettings<'static> {
    DecoderSettings {
        kind,
        input: 6,
        patch: 16,
        classes: 3,
        width: 4,
        strides: &[4.0, 8.0, 16.0, 32.0],
        norm: NormKind::Group,
    }
}

#[test]
fn group_norm_as_pytorch() {
    each_case(|case| {
        let mut specs = ParamSpecs::default();
        let norm = GroupNorm::new(&mut specs, "norm", 6, 3);
        let params = case.weights("groups", &specs).track().expect("tracks");
        let x = leaf(case, "groups", "x");
        let y = norm.forward(&params, &x.1).expect("runs");
        let mut inputs = named_leaves(&specs, &params);
        inputs.push(x);
        case.close_with_gradient("groups", &inputs, &[("y", y)]);
    });
}

#[test]
fn groups_divide_the_channels() {
    let groups =
        |least| [1, 6, 16, 32, 48, 64, 256, 512, 768].map(|channels| GroupNorm::groups(channels, least));
    assert_eq!(groups(16), [1, 1, 1, 2, 3, 4, 16, 32, 32]);
    assert_eq!(groups(1), [1, 6, 16, 32, 24, 32, 32, 32, 32], "FCOS: 32 of 8 channels for a width of 256");
}

#[test]
fn uper_net_as_mmsegmentation() {
    each_case(|case| {
        let mut specs = ParamSpecs::default();
        let decoder = SegmentationDecoder::new(&mut specs, &decoder(DecoderKind::Upernet)).expect("builds");
        let params = case.weights("uper", &specs).track().expect("tracks");
        let grids: Vec<_> = (0..4).map(|i| leaf(case, "uper", &format!("x{i}"))).collect();
        let maps: Vec<FeatureMap> =
            grids.iter().map(|(_, x)| FeatureMap { values: x.clone(), stride: 16.0 }).collect();
        let logits = decoder.forward(&params, &maps).expect("runs");
        let mut inputs = named_leaves(&specs, &params);
        inputs.extend(grids);
        case.close_with_gradient("uper", &inputs, &[("logits", logits)]);
    });
}

#[test]
fn quarters_of_any_depth() {
    assert_eq!(MultiBlockPyramid::blocks(12), [3, 6, 9, 12]);
    assert_eq!(MultiBlockPyramid::blocks(4), [1, 2, 3, 4]);
    // Fewer than four blocks: some give more than one level.
    assert_eq!(MultiBlockPyramid::blocks(2), [1, 1, 2, 2]);
}

#[test]
fn what_cannot_be_built_is_told() {
    let built = |input, strides: &[f64]| {
        let settings = SimplePyramidSettings { input, width: 4, patch: 16, strides };
        SimplePyramid::new(&mut ParamSpecs::default(), &settings)
    };
    for (result, part) in [
        (
            built(8, &[3.0, 8.0]),
            "a stride of 3 px from patches of 16 px; choose strides among 4, 8, 16, 32, 64, 128",
        ),
        (built(8, &[8.0, 4.0]), "[8.0, 4.0] are no strides from fine to coarse; "),
        (
            built(6, &[4.0]),
            "a width of 6 can't be divided by 4; use an encoder whose width is a multiple of 4",
        ),
    ] {
        let text = result.expect_err("impossible").to_string();
        assert!(text.contains(part), "{text}");
    }
    let three = DecoderSettings { strides: &[4.0, 8.0, 16.0], ..decoder(DecoderKind::Upernet) };
    let text = SegmentationDecoder::new(&mut ParamSpecs::default(), &three).expect_err("three").to_string();
    assert!(text.contains("3 strides for the maps of four blocks; give four"), "{text}");
}
