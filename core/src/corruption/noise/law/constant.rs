//! One standard deviation for all images.

use crate::corruption::noise::{Level, NoiseLaw, NoiseLawEntry};
use crate::random::Philox;
use crate::settings::Settings;

crate::settings! {
    /// z + sigma eps
    pub struct Constant {
        /// Standard deviation.
        sigma: f64 = 0.5, in 0.0..=1000.0;
    }
}

impl NoiseLaw for Constant {
    fn draw(&self, _: &mut Philox) -> Level {
        let sigma = self.sigma as f32;
        Level { gain: 1.0, noise: sigma, time: None }
    }
}

inventory::submit! {
    NoiseLawEntry {
        name: "constant",
        summary: "one standard deviation for all images",
        fields: Constant::fields,
        build: |section| Ok(Box::new(section.read::<Constant>()?)),
    }
}
