//! Noise on tokens: how strong (a schedule), where it enters, and on which tokens.

pub mod schedule;
mod values;

pub use values::normal_values;

use super::{CorruptionPlan, Injection, PlanRequest, Role};
use crate::random::{Philox, Stream};
use crate::registry::{self, Entry};
use crate::settings::Section;
use crate::{Error, Result};

/// A noise level: a token z becomes `signal * z + sigma * eps`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseLevel {
    /// The factor of the signal.
    pub signal: f32,
    /// The standard deviation of the noise.
    pub sigma: f32,
    /// The time step, for a schedule that has them.
    pub timestep: Option<f32>,
}

/// The distribution of noise levels, one level drawn per image.
pub trait NoiseSchedule: Send + Sync {
    /// Draws a level.
    fn draw(&self, random: &mut Philox) -> NoiseLevel;

    /// Whether its levels are those of time steps.
    fn has_time(&self) -> bool {
        false
    }
}

/// A noise schedule in the registry.
pub type NoiseScheduleEntry = Entry<fn(&Section) -> Result<Box<dyn NoiseSchedule>>>;

inventory::collect!(NoiseScheduleEntry);

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
pub enum TimestepEmbedding {
    /// Not at all.
    None,
    /// sinusoid -> Linear -> SiLU -> Linear of the time step.
    Time,
    /// The same of the standard deviation (times 1000, to the scale of time steps).
    Sigma,
}

/// Which part of the network is told the timestep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmbeddedIn {
    /// The encoder, at the injection point.
    Encoder,
    /// The decoder.
    Decoder,
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
        embedding: TimestepEmbedding = TimestepEmbedding::None;
        /// Where the embedded timestep is added: encoder (at the injection point) or decoder.
        embedded_in: EmbeddedIn = EmbeddedIn::Encoder;
        /// Who draws the values: host (the same on every backend) or device.
        values: NoiseValues = NoiseValues::Host;
    }
}

/// Noise as a recipe asks for it.
pub struct Noise {
    /// Where, on which tokens, and how it is told.
    pub settings: NoiseSettings,
    schedule: Box<dyn NoiseSchedule>,
}

impl Noise {
    /// Reads `[noise]` and `[noise.law]`.
    ///
    /// # Errors
    /// A mistake in either.
    pub fn build(section: &Section) -> Result<Self> {
        let (kind, schedule) = section.section("law")?.kind()?;
        let entry = registry::find::<NoiseScheduleEntry>("noise law", &kind)
            .map_err(|e| e.at(schedule.location("kind")))?;
        let settings: NoiseSettings = section.clone().without(&["law"]).read()?;
        let schedule = (entry.build)(&schedule)?;
        if settings.embedding == TimestepEmbedding::Time && !schedule.has_time() {
            return Err(Error::user(format!("the law `{kind}` has no time steps to tell"))
                .at(section.location("embedding"))
                .help("set noise.embedding = \"sigma\" or \"none\""));
        }
        Ok(Self { settings, schedule })
    }

    /// Adds noise levels to a plan of roles.
    pub fn plan(&self, request: &PlanRequest<'_>, plan: &mut CorruptionPlan) {
        let combination = self.settings.combination;
        plan.substitutive = combination == Combination::Substitutive;
        let mut prefix = Vec::with_capacity(plan.batch);
        for image in 0..plan.batch {
            let sample = request.first_sample + image as u64;
            let mut random = Philox::new(request.seed, Stream::Level, request.step, sample);
            let level = self.schedule.draw(&mut random);
            // Deviations are told on the scale of time steps, so that one sinusoid serves both.
            plan.timestep[image] = match self.settings.embedding {
                TimestepEmbedding::Time => level.timestep.unwrap_or(0.0),
                TimestepEmbedding::Sigma | TimestepEmbedding::None => 1000.0 * level.sigma,
            };
            prefix.push((level.signal, level.sigma));
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
                plan.signal[token] = level.signal;
                plan.sigma[token] = level.sigma;
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
