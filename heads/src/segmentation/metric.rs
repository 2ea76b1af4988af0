//! Scores of segmentation, gathered image by image, with a table and overlays.

use palimpsest_core::data::{Batch, Image8};
use palimpsest_core::head::{Artifact, HeadContext, Metric, MetricState, Scores};
use palimpsest_core::{Error, Result};
use palimpsest_targets::{IGNORE, LabelMap, target_sheet};

use crate::metrics::{ConfusionMatrix, SegmentationScores};
use crate::shown_image::{put_image, shown_image, take_image};

/// mIoU first.
pub struct SegmentationMetric {
    context: HeadContext,
    confusion: ConfusionMatrix,
    most: usize,
    rows: Vec<(Image8, LabelMap, Option<LabelMap>)>,
}

impl SegmentationMetric {
    /// Draws at most `most` images.
    pub fn new(context: &HeadContext, most: usize) -> Self {
        let confusion = ConfusionMatrix::new(context.classes.len());
        Self { context: context.clone(), confusion, most, rows: vec![] }
    }
}

impl Metric<LabelMap, LabelMap> for SegmentationMetric {
    fn add(&mut self, batch: &Batch, targets: &[LabelMap], predictions: &[LabelMap]) -> Result<()> {
        for (i, (truth, predicted)) in targets.iter().zip(predictions).enumerate() {
            truth.check_size(predicted.width, predicted.height)?;
            self.confusion.add(&truth.labels, &predicted.labels, Some(i64::from(IGNORE)))?;
            if self.rows.len() < self.most {
                let image = shown_image(batch, i, &self.context);
                self.rows.push((image, truth.clone(), Some(predicted.clone())));
            }
        }
        Ok(())
    }

    fn scores(&self) -> Result<Scores> {
        if self.confusion.total() == 0 {
            return Err(Error::user("no test pixel has a class").help("give label maps with classes"));
        }
        let scores = SegmentationScores::of(&self.confusion);
        Ok(vec![
            ("mean_iou".to_owned(), scores.mean_iou),
            ("pixel_accuracy".to_owned(), scores.pixel_accuracy),
            ("mean_accuracy".to_owned(), scores.mean_accuracy),
            ("frequency_weighted_iou".to_owned(), scores.frequency_weighted_iou),
            // A mean over one class of two says little.
            (
                "classes_scored".to_owned(),
                scores.classes.iter().filter(|class| class.pixels > 0).count() as f64,
            ),
        ])
    }

    fn artifacts(&self) -> Vec<Artifact> {
        let table = SegmentationScores::of(&self.confusion).table(&self.context.classes);
        let mut artifacts = vec![Artifact { name: "classes.txt".to_owned(), bytes: table.into_bytes() }];
        if let Ok(bytes) = target_sheet::label_sheet(&self.rows).and_then(|sheet| sheet.to_png()) {
            artifacts.push(Artifact { name: "overlays.png".to_owned(), bytes });
        }
        artifacts
    }

    fn state(&self) -> Result<MetricState> {
        let mut state = MetricState::default();
        self.confusion.put(&mut state);
        state.put(&[self.rows.len() as u64]);
        for (image, truth, predicted) in &self.rows {
            put_image(image, &mut state);
            let maps = [Some(truth), predicted.as_ref()];
            for map in maps.into_iter().flatten() {
                state.put(&[map.width as u64, map.height as u64]);
                state.put(&map.labels);
            }
        }
        Ok(state)
    }

    fn absorb(&mut self, state: &mut MetricState) -> Result<()> {
        self.confusion.absorb(state)?;
        for _ in 0..state.take_one::<u64>()? {
            let image = take_image(state)?;
            let mut map = || -> Result<LabelMap> {
                let [width, height] = state.take_array::<u64, 2>()?.map(|side| side as usize);
                Ok(LabelMap { width, height, labels: state.take()? })
            };
            let row = (image, map()?, Some(map()?));
            if self.rows.len() < self.most {
                self.rows.push(row);
            }
        }
        Ok(())
    }
}
