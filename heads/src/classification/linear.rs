//! Linear probe: a linear classifier on standardised frozen features, trained with AdamW and a
//! cosine. The learning rate is chosen on a tenth of the training images, never on the test split.

use palimpsest_core::head::{Features, FrozenHead, Scores, Task, TaskHeadEntry, TaskSplit};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::tensor::Op;
use palimpsest_core::{DType, Place, Result, Tensor, settings};

use super::standardise::Standardiser;

settings! {
    /// Linear probe.
    pub struct LinearProbe {
        /// Passes over the training features.
        epochs: usize = 30, in 1..=10_000;
        /// Images in a step.
        batch: usize = 512, in 1..=1_000_000;
        /// Learning rates to choose from, on a tenth of the training images.
        rates: Vec<f64> = vec![1e-3, 3e-3, 1e-2];
        /// Weight decay.
        weight_decay: f64 = 1e-4, in 0.0..=10.0;
    }
}

/// Standardised features and labels.
struct Split {
    values: Vec<f32>,
    labels: Vec<i64>,
    width: usize,
}

impl LinearProbe {
    /// Trains at one rate and returns the share of `test` that is classified rightly.
    fn fit(&self, train: &Features, test: &Features, rate: f64, seed: u64, place: &Place) -> Result<f64> {
        let standardiser = Standardiser::fit(train);
        let split = |features: &Features| Split {
            values: standardiser.apply(features),
            labels: features.labels.clone(),
            width: features.width,
        };
        let (train, test) = (split(train), split(test));
        let classes = 1 + train.labels.iter().chain(&test.labels).max().copied().unwrap_or(0) as usize;
        let batch = self.batch.min(train.labels.len());
        let steps_per_epoch = train.labels.len() / batch;
        let steps = (self.epochs * steps_per_epoch) as u64;
        let zeros = |shape: &[usize]| place.full(shape, 0.0, DType::F32);
        let shapes: [&[usize]; 2] = [&[classes, train.width], &[classes]];
        let mut state = shapes
            .iter()
            .map(|shape| Ok([zeros(shape)?, zeros(shape)?, zeros(shape)?]))
            .collect::<Result<Vec<[Tensor; 3]>>>()?;
        let mut step = 0;
        for epoch in 0..self.epochs {
            let order = Philox::new(seed, Stream::Head, epoch as u64, 0).permutation(train.labels.len());
            for rows in order.chunks_exact(batch) {
                let (x, y) = train.gather(rows, place)?;
                let leaves = [state[0][0].track()?, state[1][0].track()?];
                let loss = x.linear(&leaves[0], Some(&leaves[1]))?.cross_entropy(&y, 0.0)?;
                let gradients = loss.backward(&[&leaves[0], &leaves[1]])?;
                drop(leaves);
                let cosine = 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos());
                step += 1;
                for (i, gradient) in gradients.into_iter().enumerate() {
                    let Some(gradient) = gradient else { continue };
                    let op = Op::AdamwStep {
                        lr: rate * cosine,
                        beta1: 0.9,
                        beta2: 0.999,
                        eps: 1e-8,
                        decay: if i == 0 { self.weight_decay } else { 0.0 },
                        step,
                        scale: 1.0,
                    };
                    let [p, m, v] = state[i].clone();
                    let new = Tensor::apply_owned(&op, vec![p, gradient, m, v])?;
                    if let [p, m, v] = new.as_slice() {
                        state[i] = [p.clone(), m.clone(), v.clone()];
                    }
                }
            }
        }
        let all: Vec<u32> = (0..test.labels.len() as u32).collect();
        let (x, _) = test.gather(&all, place)?;
        let scores = x.linear(&state[0][0], Some(&state[1][0]))?;
        let predicted = scores.argmax(1)?.download()?.into_i64();
        let right = predicted.iter().zip(&test.labels).filter(|(a, b)| a == b).count();
        Ok(right as f64 / test.labels.len() as f64)
    }
}

impl Split {
    fn gather(&self, rows: &[u32], place: &Place) -> Result<(Tensor, Tensor)> {
        let mut values = Vec::with_capacity(rows.len() * self.width);
        for &row in rows {
            values.extend_from_slice(&self.values[row as usize * self.width..][..self.width]);
        }
        let labels = rows.iter().map(|&row| self.labels[row as usize]).collect();
        Ok((
            place.floats([rows.len(), self.width], values, DType::F32)?,
            place.indices([rows.len()], labels)?,
        ))
    }
}

impl FrozenHead for LinearProbe {
    fn evaluate(&self, task: &Task<'_>) -> Result<Scores> {
        let (train, test) = (task.features(TaskSplit::Train)?, task.features(TaskSplit::Test)?);
        let place = task.place();
        let order = Philox::new(task.seed, Stream::Head, u64::from(u32::MAX), 0).permutation(train.count());
        let order: Vec<usize> = order.into_iter().map(|row| row as usize).collect();
        let (chosen, fitted) = order.split_at((train.count() / 10).max(1));
        let (held_out, rest) = (train.select(chosen), train.select(fitted));
        let mut best = (f64::NEG_INFINITY, self.rates.first().copied().unwrap_or(1e-3));
        if self.rates.len() > 1 && rest.count() > 0 {
            for &rate in &self.rates {
                let accuracy = self.fit(&rest, &held_out, rate, task.seed, &place)?;
                if accuracy > best.0 {
                    best = (accuracy, rate);
                }
            }
        }
        let accuracy = self.fit(train, test, best.1, task.seed, &place)?;
        Ok(vec![("accuracy".to_owned(), accuracy), ("rate".to_owned(), best.1)])
    }
}

palimpsest_core::inventory::submit! {
    TaskHeadEntry::frozen::<LinearProbe>("linear", "linear probe on frozen features, rate chosen on a tenth of the training images")
}
