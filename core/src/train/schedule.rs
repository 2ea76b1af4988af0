//! The learning rate over the run: linear warm-up, then a cosine, steps or a constant. Rates grow
//! linearly with the batch (Goyal et al. 2017).

use crate::recipe::{OptimizerSettings, ScheduleKind, ScheduleSettings};

/// The learning rate of every step.
#[derive(Debug, Clone)]
pub struct Schedule {
    shape: ScheduleKind,
    base: f64,
    warmup_lr: f64,
    min_lr: f64,
    warmup_steps: f64,
    total_steps: f64,
    milestones: Vec<f64>,
    gamma: f64,
}

impl Schedule {
    /// The schedule of a run of `total_steps`, `steps_per_epoch` to an epoch, with this batch.
    pub fn new(
        schedule: &ScheduleSettings,
        optimizer: &OptimizerSettings,
        batch: usize,
        steps_per_epoch: u64,
        total_steps: u64,
    ) -> Self {
        let scale = match optimizer.lr_batch {
            0 => 1.0,
            reference => batch as f64 / reference as f64,
        };
        let mut milestones: Vec<f64> = schedule.milestones.iter().map(|m| m * total_steps as f64).collect();
        milestones.sort_by(f64::total_cmp);
        Self {
            shape: schedule.shape,
            base: optimizer.lr * scale,
            warmup_lr: schedule.warmup_lr * scale,
            min_lr: schedule.min_lr * scale,
            // A short run keeps its shape: the warm-up takes at most half of it.
            warmup_steps: (schedule.warmup_epochs * steps_per_epoch as f64)
                .min(total_steps as f64 / 2.0)
                .floor(),
            total_steps: total_steps as f64,
            milestones,
            gamma: schedule.gamma,
        }
    }

    /// The rate of a step, counted from 0.
    pub fn lr(&self, step: u64) -> f64 {
        let step = step as f64;
        if step < self.warmup_steps {
            return self.warmup_lr + (self.base - self.warmup_lr) * step / self.warmup_steps;
        }
        match self.shape {
            ScheduleKind::Constant => self.base,
            ScheduleKind::Multistep => {
                let passed = self.milestones.iter().filter(|&&m| step >= m).count();
                self.base * self.gamma.powi(passed as i32)
            }
            ScheduleKind::Cosine => {
                let done = (step - self.warmup_steps) / (self.total_steps - self.warmup_steps).max(1.0);
                let cosine = (std::f64::consts::PI * done.min(1.0)).cos();
                self.min_lr + (self.base - self.min_lr) * 0.5 * (1.0 + cosine)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(shape: ScheduleKind, warmup_epochs: f64, milestones: Vec<f64>) -> Schedule {
        let settings = ScheduleSettings { shape, warmup_epochs, milestones, ..ScheduleSettings::default() };
        let optimizer = OptimizerSettings { lr: 1e-4, lr_batch: 512, ..OptimizerSettings::default() };
        Schedule::new(&settings, &optimizer, 4096, 10, 4000)
    }

    /// The paper's schedule: 1e-4 x batch / 512, warm-up over 10 epochs from 5e-7, x0.1 at 300 of
    /// 400 epochs.
    #[test]
    fn multistep_as_published() {
        let schedule = schedule(ScheduleKind::Multistep, 10.0, vec![0.75]);
        let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-12, "{a} {b}");
        near(schedule.lr(0), 4e-6);
        near(schedule.lr(50), (4e-6 + 8e-4) / 2.0);
        near(schedule.lr(100), 8e-4);
        near(schedule.lr(2999), 8e-4);
        near(schedule.lr(3000), 8e-5);
    }

    #[test]
    fn cosine_ends_at_its_floor() {
        let schedule = schedule(ScheduleKind::Cosine, 0.0, vec![]);
        assert!((schedule.lr(0) - 8e-4).abs() < 1e-12);
        assert!((schedule.lr(2000) - 4e-4).abs() < 1e-12);
        assert!(schedule.lr(4000).abs() < 1e-12);
    }
}
