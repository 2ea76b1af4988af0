//! The decay of the weights' moving average over the run.

use std::f64::consts::PI;

use crate::recipe::{EmaShape, TrainSettings};

/// Which part of the average stays in every step: average = decay * average + (1 - decay) * weights.
#[derive(Debug, Clone, PartialEq)]
pub struct EmaDecay {
    start: f64,
    end: f64,
    steps: f64,
    shape: EmaShape,
}

impl EmaDecay {
    /// The same in every step; 0 keeps no average.
    pub fn constant(decay: f64) -> Self {
        Self { start: decay, end: decay, steps: 1.0, shape: EmaShape::Linear }
    }

    /// That of a recipe's run of `total_steps`, `steps_per_epoch` to an epoch.
    pub fn new(train: &TrainSettings, steps_per_epoch: u64, total_steps: u64) -> Self {
        if train.ema == 0.0 || train.ema_end == 0.0 {
            return Self::constant(train.ema);
        }
        let steps = match train.ema_epochs {
            0.0 => total_steps as f64,
            epochs => epochs * steps_per_epoch as f64,
        };
        Self { start: train.ema, end: train.ema_end, steps: steps.max(1.0), shape: train.ema_shape }
    }

    /// Whether an average is kept.
    pub fn keeps(&self) -> bool {
        self.start > 0.0
    }

    /// The decay of a step, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        let done = (step as f64 / self.steps).min(1.0);
        let share = match self.shape {
            EmaShape::Linear => done,
            EmaShape::Cosine => (1.0 - (PI * done).cos()) / 2.0,
        };
        if self.start == self.end { self.start } else { self.start + (self.end - self.start) * share }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decay(shape: EmaShape, epochs: f64) -> EmaDecay {
        let train = TrainSettings {
            ema: 0.996,
            ema_end: 1.0,
            ema_epochs: epochs,
            ema_shape: shape,
            ..TrainSettings::default()
        };
        EmaDecay::new(&train, 10, 100)
    }

    /// DINO's and iBOT's `cosine_scheduler(0.996, 1, epochs, niter_per_ep)`, and I-JEPA's
    /// `ema[0] + i * (ema[1] - ema[0]) / (ipe * epochs)`, computed by numpy.
    #[test]
    fn it_goes_as_the_published_schedules() {
        let near = |found: f64, want: f64| assert!((found - want).abs() < 1e-12, "{found} {want}");
        let cosine = decay(EmaShape::Cosine, 0.0);
        near(cosine.at(0), 0.996);
        near(cosine.at(25), 0.996_585_786_437_626_9);
        near(cosine.at(50), 0.998);
        near(cosine.at(99), 0.999_999_013_120_731_5);
        let linear = decay(EmaShape::Linear, 0.0);
        near(linear.at(25), 0.997);
        near(linear.at(99), 0.999_96);
        let soon = decay(EmaShape::Linear, 5.0);
        near(soon.at(25), 0.998);
        near(soon.at(50), 1.0);
        near(soon.at(99), 1.0);
    }

    #[test]
    fn without_an_end_it_stays() {
        let train = TrainSettings { ema: 0.99, ..TrainSettings::default() };
        let decay = EmaDecay::new(&train, 10, 100);
        assert_eq!([decay.at(0), decay.at(57)], [0.99; 2]);
        assert!(decay.keeps());
        assert!(!EmaDecay::constant(0.0).keeps());
    }
}
