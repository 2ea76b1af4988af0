//! The variance-preserving schedule of DDPM (Ho et al. 2020), each beta raised to an exponent.

use crate::Error;
use crate::corruption::noise::{NoiseLevel, NoiseSchedule, NoiseScheduleEntry};
use crate::random::Philox;
use crate::settings::Settings;

crate::settings! {
    /// sqrt(abar_t) z + sqrt(1 - abar_t) eps, t uniform, one per image
    pub struct Ddpm {
        /// Time steps, T.
        steps: usize = 1000, in 1..=100_000;
        /// beta of the first step.
        beta_start: f64 = 1e-4, in 0.0..=1.0;
        /// beta of the last step; linear between them.
        beta_end: f64 = 0.02, in 0.0..=1.0;
        /// Each beta is raised to this exponent: above 1 less noise, below 1 more.
        exponent: f64 = 1.2, in 0.1..=10.0;
        /// Smallest time step drawn.
        t_min: usize = 0, in 0..=99_999;
        /// Largest time step drawn; T - 1 where it is larger.
        t_max: usize = 999, in 0..=99_999;
    }
}

/// The schedule with its cumulated products.
pub struct Schedule {
    signal: Vec<f64>,
    first: usize,
    last: usize,
}

impl Ddpm {
    /// abar_t for every t: the cumulated product of 1 - beta_t^exponent.
    pub fn signal(&self) -> Vec<f64> {
        let span = (self.steps.max(2) - 1) as f64;
        (0..self.steps)
            .scan(1.0, |product, t| {
                let beta = self.beta_start + (self.beta_end - self.beta_start) * t as f64 / span;
                *product *= 1.0 - beta.powf(self.exponent);
                Some(*product)
            })
            .collect()
    }
}

impl NoiseSchedule for Schedule {
    fn draw(&self, random: &mut Philox) -> NoiseLevel {
        let t = self.first + random.below(self.last - self.first + 1);
        let signal = self.signal[t];
        NoiseLevel {
            signal: signal.sqrt() as f32,
            sigma: (1.0 - signal).sqrt() as f32,
            timestep: Some(t as f32),
        }
    }

    fn has_time(&self) -> bool {
        true
    }
}

inventory::submit! {
    NoiseScheduleEntry {
        name: "ddpm",
        summary: "the DDPM schedule with a beta exponent, t uniform (the paper)",
        fields: Ddpm::fields,
        build: |section| {
            let schedule: Ddpm = section.read()?;
            let last = schedule.t_max.min(schedule.steps - 1);
            if schedule.t_min > last {
                return Err(Error::user(format!("t_min {} is above the last step {last}", schedule.t_min))
                    .at(section.location("t_min"))
                    .help("lower it"));
            }
            Ok(Box::new(Schedule { signal: schedule.signal(), first: schedule.t_min, last }))
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that the method's description lists, to the digits it gives.
    #[test]
    fn cumulated_signal_as_published() {
        let rows: [(f64, [f64; 5]); 3] = [
            (1.2, [0.971, 0.814, 0.397, 0.107, 0.015]),
            (1.0, [0.895, 0.521, 0.078, 0.0033, 4e-5]),
            (0.8, [0.655, 0.124, 0.0008, 0.0, 0.0]),
        ];
        for (exponent, want) in rows {
            let signal = Ddpm { exponent, ..Ddpm::default() }.signal();
            for (t, want) in [100, 250, 500, 750, 999].into_iter().zip(want) {
                // Half a unit of the last digit given; 0 stands for less than 5e-5.
                let digits = match want {
                    4e-5 => 5e-6,
                    want if want >= 0.01 => 5e-4,
                    _ => 5e-5,
                };
                assert!((signal[t] - want).abs() <= digits, "exponent {exponent}, t {t}: {}", signal[t]);
            }
        }
    }
}
