//! Noise on tokens: how strong (a law), where it enters, and on which tokens.

pub mod law;
mod values;

pub use values::normal_values;

use super::{CorruptionPlan, Injection, PlanRequest, Role};
use crate::random::{Philox, Stream};
use crate::registry::{self, Entry};
use crate::restoration::Style;
use crate::settings::Section;
use crate::{Error, Result};

/// A noise level: a token z becomes `gain * z + noise * eps`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The factor of the signal.
    pub gain: f32,
    /// The standard deviation of the noise.
    pub noise: f32,
    /// The time step, for a law that has them.
    pub time: Option<f32>,
}

/// The distribution of noise levels, one level drawn per image.
pub trait NoiseLaw: Send + Sync {
    /// Draws a level.
    fn draw(&self, random: &mut Philox) -> Level;

    /// Whether its levels are those of time steps.
    fn has_time(&self) -> bool {
        false
    }
}

/// A noise law in the registry.
pub type NoiseLawEntry = Entry<fn(&Section) -> Result<Box<dyn NoiseLaw>>>;

inventory::collect!(NoiseLawEntry);

/// How masks and noise share the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Combination {
    /// Masked tokens stay masked, visible ones are noised.
    Conjunctive,
    /// Masked tokens are replaced by noised ones.
    Substitutive,
    /// Every token is noised; at a block also mask and class tokens (what the released code does).
    Everything,
}

/// How a level is told to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LevelEmbedding {
    /// Not at all.
    None,
    /// sinusoid -> Linear -> SiLU -> Linear of the time step.
    Time,
    /// The same of the standard deviation (times 1000, to the scale of time steps).
    Sigma,
}

/// Who draws the noise values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseValues {
    /// The host, by Philox: the same on every backend.
    Host,
    /// The backend's own generator: fast on a GPU, different on each backend.
    Device,
}

crate::settings! {
    /// The `[noise]` table of a recipe; its law is the table `[noise.law]`.
    pub struct NoiseSettings {
        /// Where noise enters: pixels, embedding or block:K (before block K, counted from 0).
        at: Injection = Injection::Block(2);
        /// conjunctive (visible tokens), substitutive (masked tokens) or everything.
        combination: Combination = Combination::Conjunctive;
        /// The share of the eligible tokens that is noised.
        share: f64 = 1.0, in 0.0..=1.0;
        /// How the level is told to the network: none, time or sigma.
        embedding: LevelEmbedding = LevelEmbedding::None;
        /// Where the embedded level is added: encoder (at the injection point) or decoder.
        embedded_in: Style = Style::Encoder;
        /// Who draws the values: host (the same on every backend) or device.
        values: NoiseValues = NoiseValues::Host;
    }
}

/// Noise as a recipe asks for it.
pub struct Noise {
    /// Where, on which tokens, and how it is told.
    pub settings: NoiseSettings,
    law: Box<dyn NoiseLaw>,
}

impl Noise {
    /// Reads `[noise]` and `[noise.law]`.
    ///
    /// # Errors
    /// A mistake in either.
    pub fn build(section: &Section) -> Result<Self> {
        let (kind, law) = section.section("law")?.kind()?;
        let entry =
            registry::find::<NoiseLawEntry>("noise law", &kind).map_err(|e| e.at(law.location("kind")))?;
        let settings: NoiseSettings = section.clone().without(&["law"]).read()?;
        let law = (entry.build)(&law)?;
        if settings.embedding == LevelEmbedding::Time && !law.has_time() {
            return Err(Error::user(format!("the law `{kind}` has no time steps to tell"))
                .at(section.location("embedding"))
                .help("set noise.embedding = \"sigma\" or \"none\""));
        }
        Ok(Self { settings, law })
    }

    /// Adds noise levels to a plan of roles.
    pub fn plan(&self, request: &PlanRequest<'_>, plan: &mut CorruptionPlan) {
        let combination = self.settings.combination;
        plan.substitutive = combination == Combination::Substitutive;
        let mut prefix = Vec::with_capacity(plan.batch);
        for image in 0..plan.batch {
            let sample = request.first_sample + image as u64;
            let mut random = Philox::new(request.seed, Stream::Level, request.step, sample);
            let level = self.law.draw(&mut random);
            // Deviations are told on the scale of time steps, so that one sinusoid serves both.
            plan.level[image] = match self.settings.embedding {
                LevelEmbedding::Time => level.time.unwrap_or(0.0),
                LevelEmbedding::Sigma | LevelEmbedding::None => 1000.0 * level.noise,
            };
            prefix.push((level.gain, level.noise));
            let mut eligible: Vec<usize> = (image * plan.tokens..(image + 1) * plan.tokens)
                .filter(|&i| match combination {
                    Combination::Conjunctive => plan.roles[i] == Role::Visible,
                    Combination::Substitutive => plan.roles[i] == Role::Masked,
                    Combination::Everything => true,
                })
                .collect();
            let count = (eligible.len() as f64 * self.settings.share).round() as usize;
            if count < eligible.len() {
                random.shuffle(&mut eligible);
            }
            for &token in &eligible[..count] {
                plan.gain[token] = level.gain;
                plan.noise[token] = level.noise;
                if plan.roles[token] == Role::Visible {
                    plan.roles[token] = Role::Noised;
                }
            }
        }
        if combination == Combination::Everything {
            plan.prefix = Some(prefix);
        }
    }
}
