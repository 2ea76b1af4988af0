//! A standard deviation uniform in an interval, one per image (CAN, Mishra et al. 2022).

use crate::Error;
use crate::corruption::noise::{Level, NoiseLaw, NoiseLawEntry};
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

impl NoiseLaw for Uniform {
    fn draw(&self, random: &mut Philox) -> Level {
        let sigma = (self.min + random.uniform_f64() * (self.max - self.min)) as f32;
        Level { gain: 1.0, noise: sigma, time: None }
    }
}

inventory::submit! {
    NoiseLawEntry {
        name: "uniform",
        summary: "a standard deviation uniform in an interval, one per image (CAN)",
        fields: Uniform::fields,
        build: |section| {
            let law: Uniform = section.read()?;
            if law.min > law.max {
                return Err(Error::user(format!("min {} is above max {}", law.min, law.max))
                    .at(section.location("min"))
                    .help("swap them"));
            }
            Ok(Box::new(law))
        },
    }
}
