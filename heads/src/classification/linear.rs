//! Linear probe: a linear classifier on standardised frozen features, trained with AdamW or LARS and a
//! cosine. The learning rate is chosen on a tenth of the training images, never on the test split.

use palimpsest_core::data::Split;
use palimpsest_core::finetune::TaskHeadEntry;
use palimpsest_core::head::{Evaluation, Features, FrozenEval, FrozenHead};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::{DType, DeviceHandle, Result, Tensor, settings};

use super::probe_optimizer::{ProbeOptimizer, ProbeUpdate};
use super::scores::ClassScores;
use super::standardise::Standardiser;

settings! {
    /// Linear probe.
    pub struct LinearProbe {
        /// adamw, or lars with momentum 0.9 (MAE).
        optimizer: ProbeOptimizer = ProbeOptimizer::AdamW;
        /// Passes over the training features.
        epochs: usize = 30, in 1..=10_000;
        /// Epochs of linear warm-up from 0.
        warmup_epochs: usize = 0, in 0..=10_000;
        /// Images in a step.
        batch: usize = 512, in 1..=1_000_000;
        /// Learning rates to choose from, on a tenth of the training images; [] takes the optimiser's: 1e-3,
        /// 3e-3, 1e-2 for adamw; 0.1, 0.3, 1, 3 times batch / 256 for lars.
        rates: Vec<f64> = vec![];
        /// Weight decay.
        weight_decay: f64 = 1e-4, in 0.0..=10.0;
    }
}

/// Standardised features and labels.
struct Standardised {
    values: Vec<f32>,
    labels: Vec<i64>,
    width: usize,
}

impl LinearProbe {
    /// The rates that are tried, for batches of this size.
    fn rates(&self, batch: usize) -> Vec<f64> {
        if !self.rates.is_empty() {
            return self.rates.clone();
        }
        match self.optimizer {
            ProbeOptimizer::AdamW => vec![1e-3, 3e-3, 1e-2],
            ProbeOptimizer::Lars => [0.1, 0.3, 1.0, 3.0].map(|rate| rate * batch as f64 / 256.0).into(),
        }
    }

    /// Trains at one rate and returns the scores of each image of `test` for each class.
    fn fit(&self, [train, test]: [&Features; 2], rate: f64, task: &FrozenEval<'_>) -> Result<Vec<f32>> {
        let (classes, seed, device) = (task.data.classes().len(), task.seed, &task.device());
        let standardiser = Standardiser::fit(train);
        let split = |features: &Features| Standardised {
            values: standardiser.apply(features),
            labels: features.labels.clone(),
            width: features.width,
        };
        let (train, test) = (split(train), split(test));
        let batch = self.batch.min(train.labels.len());
        let steps_per_epoch = train.labels.len() / batch;
        let steps = (self.epochs * steps_per_epoch) as f64;
        let warmup = (self.warmup_epochs * steps_per_epoch).min(steps as usize / 2) as f64;
        let zeros = |shape: &[usize]| device.full(shape, 0.0, DType::F32);
        let initial = self.optimizer.initial([classes, train.width], seed, device)?;
        let mut weight = ProbeUpdate::new(self.optimizer, initial, self.weight_decay)?;
        let mut bias = ProbeUpdate::new(self.optimizer, zeros(&[classes])?, 0.0)?;
        let mut step = 0;
        for epoch in 0..self.epochs {
            let order = Philox::new(seed, Stream::Head, epoch as u64, 0).permutation(train.labels.len());
            for rows in order.chunks_exact(batch) {
                task.go_on()?;
                let (x, y) = train.gather(rows, device)?;
                let leaves = [weight.value.track()?, bias.value.track()?];
                let loss = x.linear(&leaves[0], Some(&leaves[1]))?.cross_entropy(&y, 0.0)?;
                let gradients = loss.backward(&[&leaves[0], &leaves[1]])?;
                drop(leaves);
                let at = step as f64;
                let factor = if at < warmup {
                    at / warmup
                } else {
                    0.5 * (1.0 + (std::f64::consts::PI * (at - warmup) / (steps - warmup)).cos())
                };
                step += 1;
                for (parameter, gradient) in [&mut weight, &mut bias].into_iter().zip(gradients) {
                    if let Some(gradient) = gradient {
                        parameter.step(gradient, rate * factor, step)?;
                    }
                }
            }
        }
        let all: Vec<usize> = (0..test.labels.len()).collect();
        let (x, _) = test.gather(&all, device)?;
        Ok(x.linear(&weight.value, Some(&bias.value))?.download()?.into_f32())
    }
}

impl Standardised {
    fn gather(&self, rows: &[usize], device: &DeviceHandle) -> Result<(Tensor, Tensor)> {
        let mut values = Vec::with_capacity(rows.len() * self.width);
        for &row in rows {
            values.extend_from_slice(&self.values[row * self.width..][..self.width]);
        }
        let labels = rows.iter().map(|&row| self.labels[row]).collect();
        Ok((
            device.floats([rows.len(), self.width], values, DType::F32)?,
            device.indices([rows.len()], labels)?,
        ))
    }
}

impl FrozenHead for LinearProbe {
    fn evaluate(&self, task: &FrozenEval<'_>) -> Result<Evaluation> {
        let (train, test) = (task.features(Split::Train)?, task.features(Split::Test)?);
        let names = task.data.classes();
        let scored = |labels: &[i64], scores: &[f32]| -> Result<ClassScores> {
            let mut all = ClassScores::new(names);
            all.add(labels, scores)?;
            Ok(all)
        };
        let order = Philox::new(task.seed, Stream::Head, u64::from(u32::MAX), 0).permutation(train.count());
        let (chosen, fitted) = order.split_at((train.count() / 10).max(1));
        let (held_out, rest) = (train.select(chosen), train.select(fitted));
        let rates = self.rates(self.batch.min(train.count()));
        let mut best = (f64::NEG_INFINITY, rates.first().copied().unwrap_or(1e-3));
        if rates.len() > 1 && rest.count() > 0 {
            for rate in rates {
                let scores = self.fit([&rest, &held_out], rate, task)?;
                let accuracy = scored(&held_out.labels, &scores)?.confusion()?.accuracy();
                if accuracy > best.0 {
                    best = (accuracy, rate);
                }
            }
        }
        let all = scored(&test.labels, &self.fit([train, test], best.1, task)?)?;
        let mut scores = all.scores()?;
        scores.push(("rate".to_owned(), best.1));
        Ok(Evaluation { scores, artifacts: all.artifacts() })
    }
}

palimpsest_core::inventory::submit! {
    TaskHeadEntry::frozen::<LinearProbe>(
        "linear",
        "linear probe on frozen features, rate chosen on a tenth of the training images",
    )
}
