//! Weighted nearest neighbours by cosine similarity (Wu et al. 2018, as DINO uses it): each of the k
//! nearest training images votes for its class with exp(similarity / temperature).

use palimpsest_core::backend::NoGrad;
use palimpsest_core::head::{Features, FrozenHead, Scores, Task, TaskHeadEntry, TaskSplit};
use palimpsest_core::{DType, Place, Result, Tensor, settings};
use rayon::prelude::*;

settings! {
    /// k nearest neighbours.
    pub struct Knn {
        /// Neighbours that vote.
        k: usize = 20, in 1..=10_000;
        /// Temperature of the votes.
        temperature: f64 = 0.07, in 1e-4..=100.0;
    }
}

/// Test images whose similarities are computed at once.
const ROWS: usize = 256;

impl Knn {
    /// The predicted class of each test image.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn predict(&self, train: &Features, test: &Features, place: &Place) -> Result<Vec<i64>> {
        let _quiet = NoGrad::new(&*place.backend);
        let bank = normalised(train, place)?.permute(&[1, 0])?;
        let queries = normalised(test, place)?;
        let (n, classes) = (train.count(), 1 + train.labels.iter().max().copied().unwrap_or(0) as usize);
        let mut predictions = Vec::with_capacity(test.count());
        for start in (0..test.count()).step_by(ROWS) {
            let rows = ROWS.min(test.count() - start);
            let similarity = queries.narrow(0, start, rows)?.matmul(&bank)?.download()?.into_f32();
            predictions
                .par_extend(similarity.par_chunks(n).map(|row| self.vote(row, &train.labels, classes)));
        }
        Ok(predictions)
    }

    fn vote(&self, similarity: &[f32], labels: &[i64], classes: usize) -> i64 {
        let mut order: Vec<usize> = (0..similarity.len()).collect();
        let k = self.k.min(order.len());
        // Ties go to the earlier image, so that the result does not depend on the sort.
        let nearer = |a: &usize, b: &usize| similarity[*b].total_cmp(&similarity[*a]).then(a.cmp(b));
        if k < order.len() {
            order.select_nth_unstable_by(k - 1, nearer);
        }
        order.truncate(k);
        order.sort_unstable_by(nearer);
        let mut votes = vec![0.0f64; classes];
        for i in order {
            votes[labels[i] as usize] += (f64::from(similarity[i]) / self.temperature).exp();
        }
        let mut best = 0;
        for class in 1..classes {
            if votes[class] > votes[best] {
                best = class;
            }
        }
        best as i64
    }
}

/// Rows of unit length, [count, width].
fn normalised(features: &Features, place: &Place) -> Result<Tensor> {
    let mut values = features.values.clone();
    for row in values.chunks_mut(features.width) {
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
        row.iter_mut().for_each(|v| *v /= norm);
    }
    place.floats([features.count(), features.width], values, DType::F32)
}

impl FrozenHead for Knn {
    fn evaluate(&self, task: &Task<'_>) -> Result<Scores> {
        let (train, test) = (task.features(TaskSplit::Train)?, task.features(TaskSplit::Test)?);
        let predicted = self.predict(train, test, &task.place())?;
        let right = predicted.iter().zip(&test.labels).filter(|(a, b)| a == b).count();
        Ok(vec![("accuracy".to_owned(), right as f64 / test.count() as f64), ("k".to_owned(), self.k as f64)])
    }
}

palimpsest_core::inventory::submit! {
    TaskHeadEntry::frozen::<Knn>("knn", "weighted nearest neighbours on frozen features, by cosine similarity")
}
