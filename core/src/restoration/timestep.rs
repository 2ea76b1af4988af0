//! The timestep embedding: sinusoid -> Linear -> SiLU -> Linear (as in DDPM and DiT).

use crate::Result;
use crate::layer::Linear;
use crate::params::{Init, ParamSpecs, Params};
use crate::tensor::Tensor;

const WIDTH: usize = 256;

/// Embeds one timestep per image.
pub struct TimestepEmbedder {
    first: Linear,
    second: Linear,
    width: usize,
}

impl TimestepEmbedder {
    /// Declares an embedding of this width.
    pub fn new(specs: &mut ParamSpecs, width: usize) -> Self {
        let init = Init::TruncatedNormal(0.02);
        specs.scope("level_embed", |specs| Self {
            first: Linear::new(specs, "mlp.0", WIDTH, width, init.clone()),
            second: Linear::new(specs, "mlp.2", width, width, init.clone()),
            width,
        })
    }

    /// Levels of B images -> [B, 1, width].
    ///
    /// # Errors
    /// The backend's failure.
    pub fn forward(&self, params: &Params, timesteps: &[f32]) -> Result<Tensor> {
        let table: Vec<f32> = timesteps.iter().flat_map(|&timestep| sinusoid(timestep)).collect();
        let x = params.device().floats([timesteps.len(), WIDTH], table, params.dtype())?;
        let hidden = self.first.forward(params, &x)?.silu()?;
        self.second.forward(params, &hidden)?.reshape([timesteps.len(), 1, self.width])
    }
}

/// Cosines then sines at frequencies 10000^(-i / 128).
fn sinusoid(timestep: f32) -> Vec<f32> {
    let half = WIDTH / 2;
    let angle = |i: usize| f64::from(timestep) * 10000f64.powf(-(i as f64) / half as f64);
    (0..half).map(|i| angle(i).cos() as f32).chain((0..half).map(|i| angle(i).sin() as f32)).collect()
}
