//! One standard deviation for all images.

use crate::corruption::noise::{NoiseLevel, NoiseSchedule, NoiseScheduleEntry};
use crate::random::Philox;
use crate::settings::Settings;

crate::settings! {
    /// z + sigma eps
    pub struct Constant {
        /// Standard deviation.
        sigma: f64 = 0.5, in 0.0..=1000.0;
    }
}

impl NoiseSchedule for Constant {
    fn draw(&self, _: &mut Philox) -> NoiseLevel {
        let sigma = self.sigma as f32;
        NoiseLevel { signal: 1.0, sigma, timestep: None }
    }
}

inventory::submit! {
    NoiseScheduleEntry {
        name: "constant",
        summary: "one standard deviation for all images",
        fields: Constant::fields,
        build: |section| Ok(Box::new(section.read::<Constant>()?)),
    }
}
