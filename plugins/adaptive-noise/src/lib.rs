//! Noise in proportion to what it disturbs: each patch gets noise whose standard deviation is a chosen
//! multiple of the root mean square of its image's own embedding (or of its own), so that every image is
//! corrupted at the same signal-to-noise ratio. A fixed deviation drowns dim images and hardly touches bright
//! ones. After the observation of Choi et al. (arXiv 2412.19104) that the level of feature noise decides what
//! is learnt from it.

use palimpsest_sdk::prelude::*;

/// What a level is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Choice)]
enum Per {
    /// All patches of the image.
    Image,
    /// The patch alone.
    Patch,
}

/// Noise at a fixed signal-to-noise ratio.
#[derive(Parameters)]
struct AdaptiveNoise {
    /// Share of the patches that is noised, `round(L * share)` of L, exactly.
    #[param(default = 0.75, range = 0.0..=1.0)]
    share: f64,
    /// Noise to signal: the deviation as a multiple of the root mean square of what is measured.
    #[param(default = 0.5, range = 0.0..=100.0)]
    level: f64,
    /// What is measured: image or patch.
    #[param(default = Per::Image)]
    per: Per,
    /// Share of the patches that is masked besides, among those without noise.
    #[param(default = 0.0, range = 0.0..=1.0)]
    ratio: f64,
}

impl Corruption for AdaptiveNoise {
    const ID: &'static str = "org.palimpsest.adaptive-noise";
    const SUMMARY: &'static str = "noise in proportion to each image's own features";
    const INJECTS: bool = true;
    const UNBIASED: bool = true;
    const EQUAL_COUNTS: bool = true;

    fn check(&self, geometry: &Geometry) -> Result<()> {
        if self.share + self.ratio <= 1.0 {
            return Ok(());
        }
        let both = self.share + self.ratio;
        Err(Error::user(format!("noise and masks would take {both} of the {} patches", geometry.tokens()))
            .at("corruption.ratio")
            .help("choose share + ratio up to 1"))
    }

    fn plan(&self, request: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
        let count = |share: f64| (share * request.tokens as f64).round() as usize;
        let noised = count(self.share);
        let masked = count(self.ratio).min(request.tokens - noised);
        for mut image in plan.images() {
            // Mean squares of the patches' embeddings.
            let squares = image.scores().ok_or_else(|| Error::failure("a plan without scores"))?;
            let whole = squares.iter().sum::<f32>() / squares.len().max(1) as f32;
            let mut random = image.random();
            let chosen = random.choose(request.tokens, noised + masked);
            for &token in &chosen[..noised] {
                let square = if self.per == Per::Image { whole } else { squares[token] };
                image.add_noise(token, 1.0, self.level as f32 * square.max(0.0).sqrt());
            }
            chosen[noised..].iter().for_each(|&token| image.mask(token));
        }
        Ok(())
    }
}

impl Observe for AdaptiveNoise {
    fn observe(&self) -> Observation {
        Observation::Embedding
    }

    fn score<'call>(&self, embedded: Tensor<'call>, geometry: &Geometry) -> Result<Tensor<'call>> {
        let batch = embedded.shape()[0];
        let squares = embedded.mul(embedded)?.mean(&[2])?;
        squares.reshape(&[batch, geometry.tokens()])?.cast(DType::F32)
    }
}

export_plugin!(AdaptiveNoise);

#[cfg(test)]
mod tests {
    use super::*;
    use palimpsest_sdk::testing::{Array, Case};

    #[test]
    fn a_brighter_image_gets_more_noise() {
        let mut case = Case::new(Geometry::of_grid(4, 4), 2, 1);
        // The second image's embedding is three times the first's.
        let embedded = Array::from_fn(&[2, 16, 16], |i| if i < 256 { 2.0 } else { -6.0 });
        let scores = case.score(AdaptiveNoise::defaults(), &embedded).expect("scores");
        case.scores = Some(scores.data.iter().map(|&s| s as f32).collect());
        let strategy = AdaptiveNoise { share: 0.5, ratio: 0.25, level: 0.5, per: Per::Image };
        let plan = case.plan(strategy).expect("a plan");
        for (image, due) in [(0, 1.0), (1, 3.0)] {
            let noise = &plan.noise[image * 16..][..16];
            assert_eq!(noise.iter().filter(|&&s| s == due).count(), 8, "{noise:?}");
            assert_eq!(plan.masked(image), 4);
        }
    }
}
