//! Noise in a chosen band of the token grid's spatial frequencies: Gaussian noise on the tokens is projected
//! onto the cosines of that band (DCT-II over rows and columns), and scaled back to its deviation. Low bands
//! disturb the layout, high bands the detail. After the paper's finding that feature noise
//! widens the spectrum that an encoder learns (Choi et al., arXiv 2412.19104).
//!
//! The band is a projection matrix [L, L] on the device, so a step costs one product more.

use palimpsest_sdk::prelude::*;

/// Noise between two frequencies.
#[derive(Parameters)]
struct BandNoise {
    /// Lowest frequency, as a share of the highest one on the grid.
    #[param(default = 0.0, range = 0.0..=1.0)]
    low: f64,
    /// Highest frequency, likewise.
    #[param(default = 0.5, range = 0.0..=1.0)]
    high: f64,
    /// Standard deviation of the noise, on average over the patches.
    #[param(default = 0.5, range = 0.0..=100.0)]
    std: f64,
    /// Share of the patches that is masked besides, `round(L * ratio)` of L, exactly.
    #[param(default = 0.0, range = 0.0..=1.0)]
    ratio: f64,
}

impl Corruption for BandNoise {
    const ID: &'static str = "org.palimpsest.band-noise";
    const SUMMARY: &'static str = "noise in a band of the token grid's frequencies";
    const UNBIASED: bool = true;
    const EQUAL_COUNTS: bool = true;

    fn check(&self, geometry: &Geometry) -> Result<()> {
        if self.cosines(geometry).is_empty() {
            let Geometry { grid_h, grid_w, .. } = geometry;
            return Err(Error::user(format!(
                "no frequency of a grid of {grid_h} x {grid_w} lies in {}..={}",
                self.low, self.high
            ))
            .at("corruption.low")
            .help("widen the band"));
        }
        Ok(())
    }

    fn plan(&self, request: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
        let masked = (self.ratio * request.tokens as f64).round() as usize;
        for mut image in plan.images() {
            image.random().choose(request.tokens, masked).iter().for_each(|&token| image.mask(token));
            // Every patch that is not masked carries noise, which `apply` makes.
            image
                .roles_mut()
                .iter_mut()
                .filter(|role| **role == Role::Visible)
                .for_each(|role| *role = Role::Noised);
        }
        Ok(())
    }
}

impl Apply for BandNoise {
    fn apply<'call>(&self, application: &Application<'call>) -> Result<Tensor<'call>> {
        let (ops, tokens) = (application.ops(), application.tokens());
        let request = application.request();
        let (batch, count, prefix) = (request.batch, request.tokens, application.prefix());
        let width = tokens.shape()[2];
        let band = self.projection(&request.geometry);
        let band = ops.from_slice(&band, &[1, count, count])?.cast(tokens.dtype())?;
        let white = ops.random_normal(&[batch, count, width], tokens.dtype())?;
        let mut noise = band.matmul(white)?;
        if let Some(kept) = application.kept() {
            let kept_count = kept.shape()[1];
            let index = kept.reshape(&[batch, kept_count, 1])?.expand(&[batch, kept_count, width])?;
            noise = noise.gather(index, 1)?;
        } else {
            // A mask token carries none.
            let noised: Vec<f32> =
                application.roles().iter().map(|&role| f32::from(role == Role::Noised)).collect();
            if noised.contains(&0.0) {
                noise = noise.mul(ops.from_slice(&noised, &[batch, count, 1])?.cast(tokens.dtype())?)?;
            }
        }
        if prefix > 0 {
            noise = noise.pad(1, prefix, 0, 0.0)?;
        }
        tokens.add(noise)
    }
}

impl BandNoise {
    /// The frequencies (row, column) of the band.
    fn cosines(&self, geometry: &Geometry) -> Vec<(usize, usize)> {
        let Geometry { grid_h, grid_w, .. } = *geometry;
        let share = |k: usize, n: usize| if n > 1 { k as f64 / (n - 1) as f64 } else { 0.0 };
        let all = (0..grid_h).flat_map(|u| (0..grid_w).map(move |v| (u, v)));
        // The farthest corner of the spectrum counts as 1.
        let radius = |u, v| (share(u, grid_h).hypot(share(v, grid_w))) / std::f64::consts::SQRT_2;
        all.filter(|&(u, v)| (self.low..=self.high).contains(&radius(u, v))).collect()
    }

    /// The projection onto the band, [L, L], times the deviation, scaled so that white noise keeps its power
    /// on average over the patches.
    fn projection(&self, geometry: &Geometry) -> Vec<f32> {
        let Geometry { grid_h, grid_w, .. } = *geometry;
        let count = grid_h * grid_w;
        let cosines = self.cosines(geometry);
        let cosine = |k: usize, i: usize, n: usize| {
            let norm = if k == 0 { (1.0 / n as f64).sqrt() } else { (2.0 / n as f64).sqrt() };
            norm * (std::f64::consts::PI * (i as f64 + 0.5) * k as f64 / n as f64).cos()
        };
        let basis: Vec<Vec<f64>> = cosines
            .iter()
            .map(|&(u, v)| {
                (0..count).map(|t| cosine(u, t / grid_w, grid_h) * cosine(v, t % grid_w, grid_w)).collect()
            })
            .collect();
        // The trace of a projection is its rank.
        let scale = self.std * (count as f64 / basis.len().max(1) as f64).sqrt();
        let mut out = vec![0.0f64; count * count];
        for wave in &basis {
            for (i, row) in out.chunks_mut(count).enumerate() {
                row.iter_mut().zip(wave).for_each(|(x, w)| *x += scale * wave[i] * w);
            }
        }
        out.into_iter().map(|x| x as f32).collect()
    }
}

export_plugin!(BandNoise);

#[cfg(test)]
mod tests {
    use super::*;
    use palimpsest_sdk::testing::{Array, Case};

    /// The noise [B, L, 16] that a band puts on zeros.
    fn noise(low: f64, high: f64) -> Vec<f64> {
        let case = Case::new(Geometry::of_grid(6, 6), 8, 1);
        let tokens = Array::from_fn(&[8, 36, 16], |_| 0.0);
        let strategy = BandNoise { low, high, std: 0.5, ratio: 0.0 };
        case.apply(strategy, Injection::Embedding, &tokens).expect("noise").data
    }

    fn mean_square(values: &[f64]) -> f64 {
        values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn every_band_has_the_same_power() {
        // 4,608 values; a band of a few cosines leaves some hundred degrees of freedom, so 5 standard errors
        // of the mean square stay below 0.25 of it.
        for (low, high) in [(0.0, 1.0), (0.0, 0.3), (0.5, 1.0)] {
            let power = mean_square(&noise(low, high));
            assert!((power - 0.25).abs() < 0.0625, "{low}..={high}: {power}");
        }
    }

    #[test]
    fn a_low_band_is_smooth_and_a_high_one_rough() {
        // Squared differences of neighbours in a row, relative to the power.
        let roughness = |values: &[f64]| {
            let pairs = (0..8 * 36 * 16).filter(|i| i / 16 % 6 != 5);
            let sum: f64 = pairs.clone().map(|i| (values[i + 16] - values[i]).powi(2)).sum();
            sum / pairs.count() as f64 / mean_square(values)
        };
        let (low, high) = (roughness(&noise(0.0, 0.3)), roughness(&noise(0.6, 1.0)));
        // White noise has 2.
        assert!(low < 1.0 && high > 2.2, "{low} {high}");
    }
}
