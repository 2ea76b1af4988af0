//! Scores of detection, gathered image by image, with overlays.

use palimpsest_core::data::{Batch, Image8};
use palimpsest_core::head::{Artifact, HeadContext, Metric, MetricState, Scores};
use palimpsest_core::{Error, Result};
use palimpsest_targets::target_sheet::{ObjectRow, object_sheet};
use palimpsest_targets::{BoundingBox, Object, Objects, Rle};

use super::{BoxXyxy, Detection, FoundObject};
use crate::metrics::{CocoEvaluator, CocoScores, Detection as CocoDetection, IouKind};
use crate::shown_image::{put_image, shown_image, take_image};

/// Boxes of a lower score are not drawn.
const DRAWN: f64 = 0.3;

/// Box AP first; mask AP where both detector and data have masks.
pub struct DetectionMetric {
    context: HeadContext,
    boxes: CocoEvaluator,
    /// Cleared when an object has no mask.
    masks: Option<CocoEvaluator>,
    most: usize,
    rows: Vec<ObjectRow>,
}

impl DetectionMetric {
    /// Of a detector that finds such objects; draws at most `most` images. Without `masks`, boxes alone are scored.
    pub fn new<F: FoundObject>(context: &HeadContext, most: usize, masks: bool) -> Self {
        let evaluator = |kind| CocoEvaluator::new(kind, context.classes.len());
        Self {
            context: context.clone(),
            boxes: evaluator(IouKind::Box),
            masks: (masks && F::MASKED).then(|| evaluator(IouKind::Mask)),
            most,
            rows: vec![],
        }
    }
}

/// An image as the encoder sees it, with truth and what was found.
fn row(image: Image8, truth: &Objects, predicted: &[impl FoundObject]) -> ObjectRow {
    let framed = truth.in_frame(image.width, image.height);
    let object = |d: CocoDetection| {
        let object = match d.mask {
            Some(mask) => Object { bounds: d.bounds, ..Object::masked(d.class, mask) },
            None => Object::boxed(d.class, d.bounds),
        };
        (object, d.score)
    };
    let found = detections(&framed, predicted).into_iter().filter(|d| d.score >= DRAWN).map(object);
    (image, framed.objects, Some(found.collect()))
}

impl<F: FoundObject> Metric<Objects, Vec<F>> for DetectionMetric {
    fn add(&mut self, batch: &Batch, targets: &[Objects], predictions: &[Vec<F>]) -> Result<()> {
        for (i, (truth, predicted)) in targets.iter().zip(predictions).enumerate() {
            let found = detections(truth, predicted);
            self.boxes.add(&truth.objects, &found)?;
            if truth.objects.iter().any(|o| o.mask.is_none()) {
                self.masks = None;
            }
            if let Some(masks) = &mut self.masks {
                masks.add(&truth.objects, &found)?;
            }
            if self.rows.len() < self.most {
                self.rows.push(row(shown_image(batch, i, &self.context), truth, predicted));
            }
        }
        Ok(())
    }

    fn scores(&self) -> Result<Scores> {
        if self.boxes.images() == 0 {
            return Err(Error::user("there are no test images").help("give a test part"));
        }
        let mut scores = named(&self.boxes.scores(), "box");
        if let Some(masks) = &self.masks {
            scores.extend(named(&masks.scores(), "mask"));
        }
        let scored = self.boxes.scores().classes.iter().filter(|class| class.ap >= 0.0).count();
        scores.push(("classes_scored".to_owned(), scored as f64));
        Ok(scores)
    }

    fn artifacts(&self) -> Vec<Artifact> {
        let scores = self.boxes.scores();
        let mut table = format!("{:<24} {:>7} {:>7}\n", "class", "box AP", "AP50");
        // No object of the class was asked for.
        let percent = |v: f64| if v < 0.0 { "-".to_owned() } else { format!("{:.2}", 100.0 * v) };
        for (name, class) in self.context.classes.iter().zip(&scores.classes) {
            table.push_str(&format!("{name:<24} {:>7} {:>7}\n", percent(class.ap), percent(class.ap50)));
        }
        let mut artifacts = vec![Artifact { name: "classes.txt".to_owned(), bytes: table.into_bytes() }];
        if let Ok(bytes) = object_sheet(&self.rows, &self.context.classes).and_then(|sheet| sheet.to_png()) {
            artifacts.push(Artifact { name: "overlays.png".to_owned(), bytes });
        }
        artifacts
    }

    fn state(&self) -> Result<MetricState> {
        let mut state = MetricState::default();
        self.boxes.put(&mut state);
        state.put(&[u8::from(self.masks.is_some())]);
        if let Some(masks) = &self.masks {
            masks.put(&mut state);
        }
        state.put(&[self.rows.len() as u64]);
        for (image, truth, found) in &self.rows {
            put_image(image, &mut state);
            put_objects(truth.iter().map(|object| (object, 1.0)), &mut state);
            put_objects(found.iter().flatten().map(|(object, score)| (object, *score)), &mut state);
        }
        Ok(state)
    }

    fn absorb(&mut self, state: &mut MetricState) -> Result<()> {
        self.boxes.absorb(state)?;
        // Boxes alone are scored if any object of any process has no mask.
        match state.take_one::<u8>()? {
            0 => self.masks = None,
            _ => {
                let mut other = CocoEvaluator::new(IouKind::Mask, self.context.classes.len());
                self.masks.as_mut().unwrap_or(&mut other).absorb(state)?;
            }
        }
        for _ in 0..state.take_one::<u64>()? {
            let image = take_image(state)?;
            let truth = take_objects(state)?.into_iter().map(|(object, _)| object).collect();
            let row = (image, truth, Some(take_objects(state)?));
            if self.rows.len() < self.most {
                self.rows.push(row);
            }
        }
        Ok(())
    }
}

/// Puts objects with scores into a state.
fn put_objects<'a>(objects: impl Iterator<Item = (&'a Object, f64)>, state: &mut MetricState) {
    let objects: Vec<_> = objects.collect();
    state.put(&[objects.len() as u64]);
    for (object, score) in objects {
        let BoundingBox { left, top, width, height } = object.bounds;
        state.put(&[object.class]);
        state.put(&[left, top, width, height, object.area, score]);
        state.put(&[object.crowd, object.ignore, object.mask.is_some()].map(u8::from));
        if let Some(mask) = &object.mask {
            state.put(&[mask.width() as u64, mask.height() as u64]);
            state.put(mask.counts());
        }
    }
}

/// Takes what [`put_objects`] has put.
fn take_objects(state: &mut MetricState) -> Result<Vec<(Object, f64)>> {
    let mut objects = vec![];
    for _ in 0..state.take_one::<u64>()? {
        let class = state.take_one()?;
        let [left, top, width, height, area, score] = state.take_array()?;
        let [crowd, ignore, masked] = state.take_array::<u8, 3>()?.map(|flag| flag > 0);
        let mask = match masked {
            true => {
                let [width, height] = state.take_array::<u64, 2>()?.map(|side| side as usize);
                Some(Rle::new(width, height, &state.take::<u32>()?)?)
            }
            false => None,
        };
        let bounds = BoundingBox { left, top, width, height };
        objects.push((Object { class, bounds, mask, area, crowd, ignore }, score));
    }
    Ok(objects)
}

/// What was found, in the pixels that the objects are in.
fn detections<F: FoundObject>(truth: &Objects, predicted: &[F]) -> Vec<CocoDetection> {
    let (width, height) = truth.image_size;
    let restored = |found: &Detection| {
        let [left, top, right, bottom] = found.edges.0;
        let (across, down) = truth.scale;
        BoxXyxy([left / across, top / down, right / across, bottom / down]).clipped([height, width])
    };
    let detection = |object: &F| {
        let found = object.found();
        let edges = restored(found);
        CocoDetection {
            class: found.class as u32,
            score: found.score,
            bounds: edges.bounds(),
            mask: object.mask(&edges, truth.image_size),
        }
    };
    predicted.iter().map(detection).collect()
}

fn named(scores: &CocoScores, kind: &str) -> Scores {
    let all = scores.named();
    all.into_iter().map(|(name, value)| (format!("{kind}_{name}"), value)).collect()
}

#[cfg(test)]
mod tests {
    use palimpsest_core::geometry::Geometry;
    use palimpsest_core::head::TargetStatistics;

    use super::*;
    use crate::detection::mask_rcnn::DetectionWithMask;

    #[test]
    fn masks_that_were_never_trained_are_not_scored() {
        let (side, patch) = (8, 4);
        let geometry = Geometry {
            channels: 3,
            height: side,
            width: side,
            patch,
            prefix: 0,
            registers: 0,
            dim: 8,
            depth: 1,
            heads: 1,
        };
        let context = HeadContext {
            geometry,
            classes: vec!["a".to_owned()],
            mean: vec![0.0; 3],
            std: vec![1.0; 3],
            shown: [0, 1, 2],
            statistics: TargetStatistics::default(),
        };
        let object = Object::masked(0, palimpsest_targets::Rle::from_fn(side, side, |x, _| x > 3));
        let target = Objects::framed((side, side), vec![object]);
        let batch = Batch {
            pixels: vec![0.0; 3 * side * side].into(),
            shape: [1, 3, side, side],
            labels: vec![-1],
            indices: vec![0],
            first_sample: 0,
        };
        for trained in [false, true] {
            let mut metric = DetectionMetric::new::<DetectionWithMask>(&context, 0, trained);
            metric
                .add(&batch, std::slice::from_ref(&target), &[Vec::<DetectionWithMask>::new()])
                .expect("fits");
            let scores = Metric::<Objects, Vec<DetectionWithMask>>::scores(&metric).expect("has an image");
            assert_eq!(scores.iter().any(|(name, _)| name.starts_with("mask_")), trained);
        }
    }
}
