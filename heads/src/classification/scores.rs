//! The scores of classification.

use palimpsest_core::head::{Artifact, MetricState, Scores};
use palimpsest_core::{Error, Result};

use crate::metrics::{ConfusionMatrix, top_k_accuracy};

/// Scores of every test image, gathered batch by batch.
pub struct ClassScores {
    names: Vec<String>,
    labels: Vec<i64>,
    /// [count, classes]
    scores: Vec<f32>,
}

impl ClassScores {
    /// For classes of these names.
    pub fn new(names: &[String]) -> Self {
        Self { names: names.to_vec(), labels: vec![], scores: vec![] }
    }

    /// Adds images with their labels and a score for each class, [count, classes].
    ///
    /// # Errors
    /// Another number of scores.
    pub fn add(&mut self, labels: &[i64], scores: &[f32]) -> Result<()> {
        if scores.len() != labels.len() * self.names.len() {
            return Err(Error::failure(format!(
                "{} scores for {} images and {} classes",
                scores.len(),
                labels.len(),
                self.names.len()
            )));
        }
        self.labels.extend(labels);
        self.scores.extend(scores);
        Ok(())
    }

    /// `accuracy` (top-1), `top5` where there are more than 5 classes, and `mean_class_accuracy`.
    ///
    /// # Errors
    /// No images, or scores that are not numbers.
    pub fn scores(&self) -> Result<Scores> {
        let top = |k| top_k_accuracy(&self.scores, self.names.len(), &self.labels, k);
        let mut scores = vec![("accuracy".to_owned(), top(1)?)];
        if self.names.len() > 5 {
            scores.push(("top5".to_owned(), top(5)?));
        }
        scores.push(("mean_class_accuracy".to_owned(), self.confusion()?.mean_class_accuracy()));
        Ok(scores)
    }

    /// How often each class was taken for each other. Of equal scores the later class is the greater, as
    /// for the top-k accuracy.
    ///
    /// # Errors
    /// A label that is no class.
    pub fn confusion(&self) -> Result<ConfusionMatrix> {
        let predicted: Vec<i64> = self
            .scores
            .chunks(self.names.len())
            .map(|row| {
                let best = row.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
                best.map_or(0, |(class, _)| class as i64)
            })
            .collect();
        ConfusionMatrix::of(self.names.len(), &self.labels, &predicted)
    }

    /// Labels and scores, for [`ClassScores::absorb`].
    pub fn state(&self) -> MetricState {
        let mut state = MetricState::default();
        state.put(&self.labels);
        state.put(&self.scores);
        state
    }

    /// Adds the images of another process behind those that are here.
    ///
    /// # Errors
    /// A state of another metric.
    pub fn absorb(&mut self, state: &mut MetricState) -> Result<()> {
        let (labels, scores) = (state.take::<i64>()?, state.take::<f32>()?);
        self.add(&labels, &scores)
    }

    /// The confusion matrix as an image.
    pub fn artifacts(&self) -> Vec<Artifact> {
        let svg = self.confusion().map(|matrix| matrix.to_svg(&self.names));
        svg.into_iter()
            .map(|svg| Artifact { name: "confusion.svg".to_owned(), bytes: svg.into_bytes() })
            .collect()
    }
}
