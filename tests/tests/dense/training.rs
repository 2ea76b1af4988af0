//! The same heads on every backend: losses, gradients, and whether a few steps learn.

use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::tensor::{AdamwRates, Op};
use palimpsest_core::{DType, Result, Tensor};
use palimpsest_heads::detection::BoxXyxy;
use palimpsest_heads::detection::anchors::AnchorGenerator;
use palimpsest_heads::detection::fcos::{Fcos, FcosSettings};
use palimpsest_heads::detection::mask_rcnn::{MaskRcnn, MaskRcnnSettings};
use palimpsest_heads::pyramid::{FeatureMap, SimplePyramidSettings};
use palimpsest_heads::segmentation::{DecoderKind, SegmentationDecoder, segmentation_loss};
use palimpsest_targets::{LabelMap, Object, Rle};
use palimpsest_tests::candidates::{apart, candidates};
use palimpsest_tests::micro;

use crate::differences::{drawn, maps};
use crate::pyramids::decoder;

/// A detector's total loss from the patch grid.
pub(crate) type Detector = Box<dyn Fn(&Params, &FeatureMap, &[Vec<Object>]) -> Result<Tensor>>;

/// Patches of 8 px, 4 x 4 of them.
const IMAGE: [usize; 2] = [32, 32];
const PYRAMID: SimplePyramidSettings<'static> =
    SimplePyramidSettings { input: 8, width: 6, patch: 8, strides: &[4.0, 8.0] };

/// Two images, with two discs and one.
pub(crate) fn objects() -> Vec<Vec<Object>> {
    let disc = |class, x: f64, y: f64, radius: f64| {
        let inside = |c: usize, r: usize| (c as f64 + 0.5 - x).hypot(r as f64 + 0.5 - y) < radius;
        Object::masked(class, Rle::from_fn(32, 32, inside))
    };
    vec![vec![disc(0, 10.3, 9.1, 7.4), disc(2, 22.6, 21.2, 8.3)], vec![disc(1, 17.2, 13.8, 10.6)]]
}

fn total(losses: Vec<(&'static str, Tensor)>) -> Result<Tensor> {
    let (first, rest) = losses.split_first().expect("losses");
    rest.iter().try_fold(first.1.clone(), |sum, (_, loss)| sum.add(loss))
}

pub(crate) fn fcos(specs: &mut ParamSpecs) -> Detector {
    let settings = FcosSettings { width: 6, convs: 1, classes: 3 };
    let fcos = Fcos::new(specs, &PYRAMID, &settings).expect("builds");
    Box::new(move |params, grid, objects| {
        let boxes = |o: &Object| (BoxXyxy::of(&o.bounds), o.class as usize);
        let objects: Vec<Vec<_>> = objects.iter().map(|o| o.iter().map(boxes).collect()).collect();
        total(fcos.losses(params, grid, &objects)?)
    })
}

/// The regions are fixed: no gradient flows through what is proposed.
pub(crate) fn mask_rcnn(specs: &mut ParamSpecs) -> Detector {
    let settings = MaskRcnnSettings {
        classes: 3,
        rpn_convs: 1,
        box_convs: 1,
        mask_convs: 1,
        hidden: 10,
        anchors: AnchorGenerator { scale: 3.0, ratios: vec![0.5, 1.0, 2.0] },
        sampled_anchors: 24,
        sampled_regions: 8,
        proposals: 20,
    };
    let detector = MaskRcnn::new(specs, &PYRAMID, settings).expect("builds");
    Box::new(move |params, grid, objects| {
        let mut random = |image: usize| Philox::new(3, Stream::Test, 0, image as u64);
        let (levels, outputs) = detector.look(params, grid)?;
        let mut losses = detector.proposal_losses(&outputs, objects, &mut random)?;
        let near = |o: &Object| {
            let [left, top, right, bottom] = BoxXyxy::of(&o.bounds).0;
            [
                BoxXyxy([left + 1.3, top - 0.7, right + 0.4, bottom + 1.9]),
                BoxXyxy([left - 9.0, top, left + 3.1, bottom]),
            ]
        };
        let proposed = objects.iter().map(|o| o.iter().flat_map(near).collect()).collect();
        let sampled = detector.sample(proposed, objects, &mut random);
        losses.extend(detector.region_losses(params, &levels, &sampled)?);
        assert_eq!(losses.len(), 5, "objectness, proposals, classes, boxes, masks");
        total(losses)
    })
}

/// Loss and gradients of a head, all in one vector each.
type Outcome = (f64, Vec<f64>);

fn outcome(params: &Params, loss: &dyn Fn(&Params) -> Result<Tensor>) -> Result<Outcome> {
    let tracked = params.track()?;
    let leaves: Vec<&Tensor> = tracked.tensors().iter().collect();
    let loss = loss(&tracked)?;
    let value = loss.item()?;
    let mut all = vec![];
    for gradient in loss.backward(&leaves)?.into_iter().flatten() {
        all.extend(gradient.download()?.into_f64());
    }
    Ok((value, all))
}

/// f32 against f64 of burn: rounding of some thousand products; the norms amplify it.
const LOSS: f64 = 1e-5;
const GRADIENT: f64 = 1e-3;

/// A loss of given parameters.
type Loss = Box<dyn Fn(&Params) -> Result<Tensor>>;

fn agree(build: &dyn Fn(&mut ParamSpecs) -> Loss) {
    let mut specs = ParamSpecs::default();
    let loss = build(&mut specs);
    let precise = outcome(&drawn(&micro::device(), &specs, DType::F64), &*loss).expect("runs");
    for (name, device) in candidates() {
        let found =
            outcome(&drawn(&device, &specs, DType::F32), &*loss).unwrap_or_else(|e| panic!("{name}: {e}"));
        let error = (found.0 - precise.0).abs() / precise.0.abs();
        assert!(error < LOSS, "{name}: loss {} instead of {}", found.0, precise.0);
        let error = apart(&precise.1, &found.1);
        assert!(error < GRADIENT, "{name}: gradients differ by {error}");
    }
}

#[test]
fn segmentation_on_every_backend() {
    for kind in [DecoderKind::Linear, DecoderKind::Upernet] {
        agree(&|specs| {
            let decoder = SegmentationDecoder::new(specs, &decoder(kind)).expect("builds");
            Box::new(move |params| {
                let grids = maps(&params.device(), 4, [2, 6, 2, 3], params.dtype());
                let labels: Vec<u8> = (0..2 * 16 * 24).map(|i| (i * 7 % 3) as u8).collect();
                let labels: Vec<_> = labels.chunks(384).map(|l| LabelMap::new(24, 16, l.to_vec())).collect();
                segmentation_loss(&decoder.forward(params, &grids)?, &labels)
            })
        });
    }
}

#[test]
fn detection_on_every_backend() {
    for build in [fcos as fn(&mut ParamSpecs) -> Detector, mask_rcnn] {
        agree(&|specs| {
            let detector = build(specs);
            Box::new(move |params| {
                let grid = maps(&params.device(), 1, [2, 8, 4, 4], params.dtype()).remove(0);
                detector(params, &grid, &objects())
            })
        });
    }
}

#[test]
fn a_few_steps_learn_two_images_by_heart() {
    use palimpsest_heads::detection::PostProcess;
    for (name, device) in candidates() {
        let mut specs = ParamSpecs::default();
        let settings = FcosSettings { width: 6, convs: 1, classes: 3 };
        let fcos = Fcos::new(&mut specs, &PYRAMID, &settings).expect("builds");
        let grid = maps(&device, 1, [2, 8, 4, 4], DType::F32).remove(0);
        let objects: Vec<Vec<_>> = objects()
            .iter()
            .map(|o| o.iter().map(|o| (BoxXyxy::of(&o.bounds), o.class as usize)).collect())
            .collect();
        let mut params = drawn(&device, &specs, DType::F32);
        let zeros = |p: &Tensor| device.full(p.shape().clone(), 0.0, DType::F32).expect("zeros");
        let mut moments: Vec<[Tensor; 2]> = params.tensors().iter().map(|p| [zeros(p), zeros(p)]).collect();
        for step in 1..=150 {
            let tracked = params.track().expect("tracks");
            let leaves: Vec<&Tensor> = tracked.tensors().iter().collect();
            let loss = fcos.losses(&tracked, &grid, &objects).and_then(total).expect("a loss");
            let gradients = loss.backward(&leaves).expect("gradients");
            let update = |((p, g), m): ((&Tensor, Option<Tensor>), &mut [Tensor; 2])| {
                let op = Op::Adamw { beta1: 0.9, beta2: 0.99, eps: 1e-8, decay: 0.0, factor: 1.0 };
                let rates = AdamwRates::new(0.02, step).upload(&device, DType::F32).expect("rates");
                let inputs = [p.clone(), g.expect("a gradient"), m[0].clone(), m[1].clone(), rates];
                let mut out = Tensor::apply(&op, &inputs).expect("steps");
                *m = [out.remove(1), out.remove(1)];
                out.remove(0)
            };
            let stepped = params.tensors().iter().zip(gradients).zip(&mut moments).map(update).collect();
            params = Params::new(stepped, DType::F32);
        }
        let post_process = PostProcess { score_threshold: 0.3, nms: 0.5, max_detections: 10 };
        let found = fcos.predict(&params, &grid, IMAGE, &post_process).expect("predictions");
        for (found, objects) in found.iter().zip(&objects) {
            for (edges, class) in objects {
                let hit = found.iter().any(|f| f.class == *class && f.edges.iou(edges) > 0.5);
                assert!(hit, "{name}: {edges:?} of class {class} is not among {found:?}");
            }
        }
    }
}
