//! A corruption as a value: small host data that says what happens to which token.

pub use palimpsest_types::Role;

use crate::geometry::Geometry;
use crate::{Error, Result};

/// Where noise enters, as recipes write it; a model resolves it to a [`NoiseSite`](super::NoiseSite).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Injection {
    /// On the pixels of the patches.
    Pixels,
    /// On the embedded patches, before positions are added.
    Embedding,
    /// On the tokens that enter block k, counted from 0.
    Block(usize),
}

impl TryFrom<String> for Injection {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        match text.split_once(':') {
            None if text == "pixels" => Ok(Self::Pixels),
            None if text == "embedding" => Ok(Self::Embedding),
            Some(("block", k)) if k.parse::<usize>().is_ok() => {
                Ok(Self::Block(k.parse().unwrap_or_default()))
            }
            _ => Err(Error::user(format!("unknown injection point `{text}`"))
                .help("write pixels, embedding or block:K")),
        }
    }
}

impl From<Injection> for String {
    fn from(injection: Injection) -> Self {
        match injection {
            Injection::Pixels => "pixels".to_owned(),
            Injection::Embedding => "embedding".to_owned(),
            Injection::Block(k) => format!("block:{k}"),
        }
    }
}

/// What a plan is a function of, besides the strategy's parameters.
#[derive(Debug, Clone, Copy)]
pub struct PlanRequest<'a> {
    /// Images, patches and encoder.
    pub geometry: &'a Geometry,
    /// Images in the batch.
    pub batch: usize,
    /// The run's seed.
    pub seed: u64,
    /// The optimiser step.
    pub step: u64,
    /// The number of the first image, counted over the run; the others follow.
    pub first_sample: u64,
    /// How much of the run is done, 0 to 1.
    pub progress: f32,
    /// What the strategy's `score` gave for this batch, [B, L], where it observes.
    pub scores: Option<&'a [f32]>,
}

/// What happens to each token of a batch of `batch` images with `tokens` patches each.
///
/// A token z with noise becomes `signal * z + sigma * eps`, eps standard normal.
#[derive(Debug, Clone, PartialEq)]
pub struct CorruptionPlan {
    /// Images, B.
    pub batch: usize,
    /// Patches in an image, L.
    pub tokens: usize,
    /// [B, L]
    pub roles: Vec<Role>,
    /// The factor of the signal, [B, L]; 1 without noise.
    pub signal: Vec<f32>,
    /// The standard deviation of the noise, [B, L]; 0 without noise.
    pub sigma: Vec<f32>,
    /// What the timestep embedding is told, \[B\]: a time step, or 1000 times the standard deviation.
    pub timestep: Vec<f32>,
    /// Gain and noise for prefix tokens, \[B\]; only the `released` variant noises these.
    pub prefix: Option<Vec<(f32, f32)>>,
    /// Masked tokens are noised instead of being replaced by the mask token.
    pub substitutive: bool,
    /// The token that each token is taken from before anything else, as `image * L + position`,
    /// [B, L]; `None` leaves all in place.
    pub source: Option<Vec<u32>>,
    /// How much of the run was done, 0 to 1.
    pub progress: f32,
}

/// Shares of a batch's tokens, each from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Corrupted {
    /// Masked ones.
    pub masked: f64,
    /// Those with noise; masked tokens may carry it too.
    pub noised: f64,
}

impl CorruptionPlan {
    /// A plan that leaves every token alone.
    pub fn identity(batch: usize, tokens: usize) -> Self {
        Self {
            batch,
            tokens,
            roles: vec![Role::Visible; batch * tokens],
            signal: vec![1.0; batch * tokens],
            sigma: vec![0.0; batch * tokens],
            timestep: vec![0.0; batch],
            prefix: None,
            substitutive: false,
            source: None,
            progress: 0.0,
        }
    }

    /// The roles in image `image`.
    pub fn image(&self, image: usize) -> &[Role] {
        &self.roles[image * self.tokens..(image + 1) * self.tokens]
    }

    /// The roles in image `image`, to write.
    pub fn image_mut(&mut self, image: usize) -> &mut [Role] {
        &mut self.roles[image * self.tokens..(image + 1) * self.tokens]
    }

    /// Whether any token is masked.
    pub fn has_masked(&self) -> bool {
        self.roles.contains(&Role::Masked)
    }

    /// Whether any token carries noise.
    pub fn has_noise(&self) -> bool {
        self.sigma.iter().any(|&s| s != 0.0)
    }

    /// The shares of the tokens that are masked, and that carry noise.
    pub fn shares(&self) -> Corrupted {
        let count = self.roles.len().max(1) as f64;
        let masked = self.roles.iter().filter(|&&role| role == Role::Masked).count();
        let levels = self.signal.iter().zip(&self.sigma);
        let noised = self.roles.iter().zip(levels);
        let noised =
            noised.filter(|(role, (a, s))| **role == Role::Noised || **a != 1.0 || **s != 0.0).count();
        Corrupted { masked: masked as f64 / count, noised: noised as f64 / count }
    }

    /// The positions that an encoder which drops masked tokens keeps, ascending, [B, kept].
    ///
    /// # Errors
    /// Images with different numbers of masked tokens.
    pub fn kept(&self) -> Result<Vec<Vec<usize>>> {
        let kept: Vec<Vec<usize>> = (0..self.batch)
            .map(|b| {
                let roles = self.image(b).iter().enumerate();
                roles.filter(|(_, role)| **role != Role::Masked).map(|(i, _)| i).collect()
            })
            .collect();
        match kept.iter().position(|k| k.len() != kept[0].len()) {
            None => Ok(kept),
            Some(b) => Err(Error::user(format!(
                "image {b} keeps {} tokens and image 0 keeps {}: an encoder that drops tokens needs equal numbers",
                kept[b].len(),
                kept[0].len()
            ))
            .help("use a mask with an exact count, or restoration.style = \"encoder\"")),
        }
    }

    /// What every plan must hold, whoever made it.
    ///
    /// # Errors
    /// A wrong length, a level that is not finite or negative, noise on tokens that have no
    /// noised role, or a source outside the batch.
    pub fn check(&self) -> Result<()> {
        let fail = |what: String| Err(Error::failure(format!("the corruption plan is broken: {what}")));
        let n = self.batch * self.tokens;
        if [self.roles.len(), self.signal.len(), self.sigma.len()] != [n; 3]
            || self.timestep.len() != self.batch
        {
            return fail(format!("its arrays don't fill {} x {}", self.batch, self.tokens));
        }
        // Without an early end, so that it is a few instructions for many tokens; which one it is, is looked up after.
        let sound =
            self.roles.iter().zip(&self.signal).zip(&self.sigma).fold(true, |sound, ((&role, &a), &s)| {
                sound
                    & a.is_finite()
                    & s.is_finite()
                    & (s >= 0.0)
                    & ((role != Role::Visible) | ((a == 1.0) & (s == 0.0)))
            });
        let suspects = if sound { 0..0 } else { 0..n };
        for i in suspects {
            let (a, s) = (self.signal[i], self.sigma[i]);
            if !a.is_finite() || !s.is_finite() || s < 0.0 {
                return fail(format!(
                    "token {} of image {} has gain {a}, noise {s}",
                    i % self.tokens,
                    i / self.tokens
                ));
            }
            if self.roles[i] == Role::Visible && (a, s) != (1.0, 0.0) {
                return fail(format!(
                    "visible token {} of image {} has noise",
                    i % self.tokens,
                    i / self.tokens
                ));
            }
        }
        if let Some(source) = &self.source
            && (source.len() != n || source.iter().any(|&s| s as usize >= n))
        {
            return fail("a source is outside the batch".to_owned());
        }
        Ok(())
    }
}
