//! A standard deviation uniform in an interval, one per image (CAN, Mishra et al. 2022).

use crate::Error;
use crate::corruption::noise::{NoiseLevel, NoiseSchedule, NoiseScheduleEntry};
use crate::random::Philox;
use crate::settings::Settings;

crate::settings! {
    /// z + sigma eps, sigma ~ U(min, max)
    pub struct Uniform {
        /// Smallest standard deviation.
        min: f64 = 0.0, in 0.0..=1000.0;
        /// Largest standard deviation.
        max: f64 = 0.1, in 0.0..=1000.0;
    }
}

impl NoiseSchedule for Uniform {
    fn draw(&self, random: &mut Philox) -> NoiseLevel {
        let sigma = (self.min + random.uniform_f64() * (self.max - self.min)) as f32;
        NoiseLevel { signal: 1.0, sigma, timestep: None }
    }
}

inventory::submit! {
    NoiseScheduleEntry {
        name: "uniform",
        summary: "a standard deviation uniform in an interval, one per image (CAN)",
        fields: Uniform::fields,
        build: |section| {
            let schedule: Uniform = section.read()?;
            if schedule.min > schedule.max {
                return Err(Error::user(format!("min {} is above max {}", schedule.min, schedule.max))
                    .at(section.location("min"))
                    .help("swap them"));
            }
            Ok(Box::new(schedule))
        },
    }
}
