//! Metrics of processes that share the images, put together, are the one of all.

use palimpsest_core::data::Batch;
use palimpsest_core::geometry::Geometry;
use palimpsest_core::head::{Class, HeadContext, Metric, MetricState, TargetStatistics};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_heads::classification::finetune::ClassMetric;
use palimpsest_heads::classification::scores::ClassScores;
use palimpsest_heads::detection::mask_rcnn::DetectionWithMask;
use palimpsest_heads::detection::{BoxXyxy, Detection, DetectionMetric};
use palimpsest_heads::segmentation::SegmentationMetric;
use palimpsest_targets::{IGNORE, LabelMap, Object, Objects, Rle};

const SIDE: usize = 24;

fn context() -> HeadContext {
    let geometry = Geometry {
        channels: 3,
        height: SIDE,
        width: SIDE,
        patch: 8,
        prefix: 0,
        registers: 0,
        dim: 8,
        depth: 1,
        heads: 1,
    };
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    HeadContext {
        geometry,
        classes,
        mean: vec![0.5; 3],
        std: vec![0.3; 3],
        shown: [0, 1, 2],
        statistics: TargetStatistics::default(),
    }
}

fn random(image: usize) -> Philox {
    Philox::new(8, Stream::Test, 0, image as u64)
}

fn batch(image: usize) -> Batch {
    let mut pixels = vec![0.0; 3 * SIDE * SIDE];
    random(image).fill_normal(&mut pixels);
    Batch {
        pixels: pixels.into(),
        shape: [1, 3, SIDE, SIDE],
        labels: vec![-1],
        indices: vec![image],
        first_sample: image as u64,
    }
}

/// Scores, as bits, and what shows more.
type Told = (Vec<(String, u64)>, Vec<(String, Vec<u8>)>);

fn told<T, P>(metric: &dyn Metric<T, P>) -> Told {
    let scores = metric.scores().expect("has images");
    (
        scores.into_iter().map(|(name, value)| (name, value.to_bits())).collect(),
        metric.artifacts().into_iter().map(|artifact| (artifact.name, artifact.bytes)).collect(),
    )
}

/// Of `images` images, each given by its number.
fn holds<T, P>(name: &str, metric: &dyn Fn() -> Box<dyn Metric<T, P>>, image: &dyn Fn(usize) -> (T, P)) {
    const IMAGES: usize = 23;
    let of = |range: std::ops::Range<usize>| {
        let mut metric = metric();
        for at in range {
            let (target, prediction) = image(at);
            metric.add(&batch(at), &[target], &[prediction]).expect("fits");
        }
        metric
    };
    let whole = told(&*of(0..IMAGES));
    let together = |ends: &[usize], order: &dyn Fn(usize) -> usize| {
        let mut merged = metric();
        for rank in (0..ends.len()).map(order) {
            let start = if rank == 0 { 0 } else { ends[rank - 1] };
            let bytes = of(start..ends[rank]).state().expect("has one").as_bytes().to_vec();
            let mut state = MetricState::from_bytes(bytes);
            merged.absorb(&mut state).expect("is its own");
            assert!(state.take::<u8>().is_err(), "{name}: something is left");
        }
        told(&*merged)
    };
    for ends in [&[IMAGES][..], &[9, IMAGES], &[0, 5, 5, 16, IMAGES], &[1, IMAGES, IMAGES]] {
        assert!(together(ends, &|rank| rank) == whole, "{name} in parts that end at {ends:?}");
    }
    let mut other = MetricState::default();
    other.put(&[1u16]);
    assert!(metric().absorb(&mut other).is_err(), "{name} takes another's state");
}

fn found(image: usize) -> (Objects, Vec<DetectionWithMask>) {
    let mut random = random(image);
    let mut place = || {
        let (left, top) = (random.below(SIDE - 8), random.below(SIDE - 8));
        (left, top, 4 + random.below(4), random.below(3) as u32)
    };
    let objects: Vec<Object> = (0..3)
        .map(|_| {
            let (left, top, side, class) = place();
            let inside =
                |x: usize, y: usize| (left..left + side).contains(&x) && (top..top + side).contains(&y);
            Object::masked(class, Rle::from_fn(SIDE, SIDE, inside))
        })
        .collect();
    // Near each object and elsewhere, with scores of which many are equal, also across images.
    let detections = (0..6)
        .map(|i| {
            let (left, top, side, class) = place();
            let (left, top, class) = match objects.get(i) {
                Some(object) => (object.bounds.left + 1.0, object.bounds.top, object.class),
                None => (left as f64, top as f64, class),
            };
            let side = side as f64;
            let score = [0.9, 0.5, 0.5, 0.2][(image + i) % 4];
            DetectionWithMask {
                found: Detection {
                    edges: BoxXyxy([left, top, left + side, top + side]),
                    class: class as usize,
                    score,
                },
                mask: vec![0.8; 28 * 28],
            }
        })
        .collect();
    (Objects::framed((SIDE, SIDE), objects), detections)
}

#[test]
fn metrics_of_parts_are_those_of_all() {
    holds::<_, Vec<DetectionWithMask>>(
        "detection",
        &|| Box::new(DetectionMetric::new::<DetectionWithMask>(&context(), 7, true)),
        &found,
    );
    // One object of the last image has no mask: no mask is scored then.
    holds::<_, Vec<DetectionWithMask>>(
        "detection of boxes",
        &|| Box::new(DetectionMetric::new::<DetectionWithMask>(&context(), 7, true)),
        &|image| {
            let (mut objects, found) = found(image);
            if image == 22 {
                objects.objects[1].mask = None;
            }
            (objects, found)
        },
    );
    holds::<LabelMap, LabelMap>(
        "segmentation",
        &|| Box::new(SegmentationMetric::new(&context(), 7)),
        &|image| {
            let mut random = random(image);
            let mut map = |classes: usize| {
                let label = |_| match random.below(classes) as u8 {
                    3 => IGNORE,
                    class => class,
                };
                LabelMap { width: SIDE, height: SIDE, labels: (0..SIDE * SIDE).map(label).collect() }
            };
            (map(4), map(3))
        },
    );
    holds::<Class, Vec<f32>>(
        "classification",
        &|| Box::new(ClassMetric(ClassScores::new(&context().classes))),
        &|image| {
            let mut random = random(image);
            let target = Class::pure(random.below(3) as u32);
            (target, (0..3).map(|_| random.uniform()).collect())
        },
    );
}

/// Of equal scores the earlier image's detection comes first, so that another order gives other figures.
#[test]
fn the_order_of_the_parts_is_that_of_the_images() {
    let scores = |order: [usize; 2]| {
        let mut merged = DetectionMetric::new::<DetectionWithMask>(&context(), 0, true);
        for start in order {
            let mut part = DetectionMetric::new::<DetectionWithMask>(&context(), 0, true);
            for image in start..start + 10 {
                let (objects, found) = found(image);
                part.add(&batch(image), &[objects], &[found]).expect("fits");
            }
            let mut state = Metric::<Objects, Vec<DetectionWithMask>>::state(&part).expect("has one");
            Metric::<Objects, Vec<DetectionWithMask>>::absorb(&mut merged, &mut state).expect("is its own");
        }
        Metric::<Objects, Vec<DetectionWithMask>>::scores(&merged).expect("has images")
    };
    let (right, wrong) = (scores([0, 10]), scores([10, 0]));
    let ap = right[0].1;
    assert!(ap > 0.0 && ap < 1.0 && right != wrong, "{right:?}");
}
