//! Gradients of whole heads against central differences in f64.

use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::tensor::{HostData, HostTensor};
use palimpsest_core::{DType, DeviceHandle, Result, Tensor};
use palimpsest_heads::pyramid::FeatureMap;
use palimpsest_heads::segmentation::{DecoderKind, SegmentationDecoder, segmentation_loss};
use palimpsest_targets::LabelMap;
use palimpsest_tests::micro;

use crate::pyramids::decoder;
use crate::training::{Detector, fcos, mask_rcnn, objects};

/// Half the distance between the points. The error of the formula is h^2 f''' / 6, about 1e-12 of a
/// gradient of 1, and rounding adds 1e-16 f / h, about 1e-10. A ReLU whose input is nearer to 0 than the
/// step moves it would show as an error of 1e-5 and more: with these seeds there is none.
const STEP: f64 = 1e-6;

/// Relative to the largest gradient of the same parameter.
const TOLERANCE: f64 = 1e-6;

/// Draws values for every parameter: the initial ones have zeros and exact ties.
pub(crate) fn drawn(device: &DeviceHandle, specs: &ParamSpecs, dtype: DType) -> Params {
    let values = specs.specs().iter().enumerate().map(|(i, spec)| {
        let mut random = Philox::new(7, Stream::Test, 0, i as u64);
        let fan: usize = spec.shape.dims().iter().skip(1).product();
        let (start, scale) = match spec.name.ends_with("norm.weight") {
            true => (1.0, 0.2),
            false => (0.0, 1.0 / (fan.max(4) as f32).sqrt()),
        };
        let values = (0..spec.shape.count()).map(|_| start + scale * random.normal_pair().0).collect();
        HostTensor::f32(spec.shape.clone(), values).expect("fits")
    });
    Params::upload(device, values.collect(), dtype, dtype).expect("uploads")
}

pub(crate) fn maps(
    device: &DeviceHandle,
    count: usize,
    extents: [usize; 4],
    dtype: DType,
) -> Vec<FeatureMap> {
    (0..count)
        .map(|i| {
            let mut values = vec![0.0; extents.iter().product()];
            Philox::new(9, Stream::Test, 1, i as u64).fill_normal(&mut values);
            FeatureMap { values: device.floats(extents, values, dtype).expect("uploads"), stride: 8.0 }
        })
        .collect()
}

fn check(specs: &ParamSpecs, params: &Params, loss: &dyn Fn(&Params) -> Result<Tensor>) {
    let tracked = params.track().expect("tracks");
    let leaves: Vec<&Tensor> = tracked.tensors().iter().collect();
    let gradients = loss(&tracked).expect("a loss").backward(&leaves).expect("gradients");
    let device = params.device();
    for (index, spec) in specs.specs().iter().enumerate() {
        let start = params.tensors()[index].download().expect("downloads").into_f64();
        let gradient = gradients[index].as_ref().map(|g| g.download().expect("downloads").into_f64());
        let gradient = gradient.unwrap_or_else(|| panic!("{} has no gradient", spec.name));
        let largest = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        let moved = |at: usize, by: f64| {
            let mut values = start.clone();
            values[at] += by;
            let mut tensors = params.tensors().to_vec();
            let values = HostTensor::new(spec.shape.clone(), HostData::F64(values)).expect("fits");
            tensors[index] = device.upload(values).expect("uploads");
            loss(&Params::new(tensors, DType::F64)).and_then(|l| l.item()).expect("a loss")
        };
        // The element that matters most, and two others.
        let most = (0..gradient.len()).max_by(|&a, &b| gradient[a].abs().total_cmp(&gradient[b].abs()));
        let mut random = Philox::new(11, Stream::Test, 0, index as u64);
        let mut chosen = vec![most.expect("an element")];
        chosen.extend((0..2).map(|_| random.below(gradient.len())));
        for at in chosen {
            let slope = (moved(at, STEP) - moved(at, -STEP)) / (2.0 * STEP);
            // Biases in front of a norm that takes them out again.
            if largest < 1e-12 {
                assert!(slope.abs() < 1e-9, "{}[{at}] has no gradient, but a slope of {slope}", spec.name);
                continue;
            }
            let error = (slope - gradient[at]).abs() / largest;
            assert!(
                error < TOLERANCE,
                "{}[{at}]: {} backward, {slope} by differences",
                spec.name,
                gradient[at]
            );
        }
    }
}

#[test]
fn segmentation() {
    let device = micro::device();
    let labels: Vec<u8> =
        (0..2 * 16 * 24).map(|i| if i % 11 == 0 { 255 } else { (i * 7 % 3) as u8 }).collect();
    let labels: Vec<LabelMap> = labels.chunks(384).map(|l| LabelMap::new(24, 16, l.to_vec())).collect();
    for kind in [DecoderKind::Linear, DecoderKind::Upernet] {
        let mut specs = ParamSpecs::default();
        let decoder = SegmentationDecoder::new(&mut specs, &decoder(kind)).expect("builds");
        let grids = maps(&device, 4, [2, 6, 2, 3], DType::F64);
        check(&specs, &drawn(&device, &specs, DType::F64), &|params| {
            segmentation_loss(&decoder.forward(params, &grids)?, &labels)
        });
    }
}

#[test]
fn detection() {
    let device = micro::device();
    for build in [fcos as fn(&mut ParamSpecs) -> Detector, mask_rcnn] {
        let mut specs = ParamSpecs::default();
        let detector = build(&mut specs);
        let grid = maps(&device, 1, [2, 8, 4, 4], DType::F64).remove(0);
        check(&specs, &drawn(&device, &specs, DType::F64), &|params| detector(params, &grid, &objects()));
    }
}
