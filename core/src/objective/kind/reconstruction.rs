//! Restoring tokens to a target: pixels, normalised pixels, HOG, low-pass pixels, or the noise.
//!
//! The distance is averaged over a token's values, then over the tokens of the chosen role in
//! the whole batch, as MAE's `forward_loss` does. SimMIM's loss is the same mean up to its 1e-5 in
//! the denominator.

use std::collections::BTreeMap;

use crate::corruption::NoiseSite;
use crate::geometry::Geometry;
use crate::objective::{Needs, Objective, ObjectiveEntry, StepOutput};
use crate::settings::{Section, Settings};
use crate::target::{self, Target};
use crate::tensor::Tensor;
use crate::{Error, Result};

/// The distance between prediction and target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distance {
    /// |d|
    L1,
    /// d^2
    L2,
    /// d^2 / 2 beta below beta, |d| - beta / 2 above (Huber's, scaled as PyTorch's smooth_l1_loss).
    SmoothL1,
    /// 1 - cos of the angle between the two, over a token's values.
    Cosine,
}

/// The tokens that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// Masked tokens.
    Masked,
    /// Visible tokens, noised or not.
    Visible,
    /// Every token.
    All,
}

crate::settings! {
    /// Restores tokens to a target, given as `target = { kind = "pixels" }`.
    pub struct ReconstructionSettings {
        /// l1, l2, smooth-l1 or cosine.
        distance: Distance = Distance::L1;
        /// Where smooth-l1 turns linear.
        beta: f64 = 1.0, in 1e-6..=1e6;
        /// The tokens that count: masked, visible or all.
        on: On = On::Masked;
        /// Factor in the total.
        weight: f64 = 1.0, in 0.0..=1e6;
        /// Objectives that name the same head share it; by default one head for each target.
        head: String = String::new();
    }
}

struct Reconstruction {
    settings: ReconstructionSettings,
    head: String,
    key: String,
    target: Box<dyn Target>,
}

impl Reconstruction {
    fn build(section: &Section) -> Result<Self> {
        let settings: ReconstructionSettings = section.clone().without(&["target"]).read()?;
        let (key, target) = target::build(&section.section("target")?)?;
        let kind = key.split(' ').next().unwrap_or_default().to_owned();
        let head = if settings.head.is_empty() { kind } else { settings.head.clone() };
        Ok(Self { settings, head, key, target })
    }

    /// The mean distance of every token, [B, L, 1].
    fn token_distance(&self, step: &StepOutput<'_>) -> Result<Tensor> {
        let Self { settings, head, key, target } = self;
        let name = format!("distance {:?} {} {head} {key}", settings.distance, settings.beta);
        step.once(&name, || {
            let (prediction, target) = (step.prediction(head)?, step.target(key, &**target)?);
            if settings.distance == Distance::Cosine {
                return angle(prediction, &target);
            }
            let difference = prediction.sub(&target)?;
            let distance = match settings.distance {
                Distance::L1 => difference.abs()?,
                Distance::L2 => difference.mul(&difference)?,
                Distance::SmoothL1 => {
                    // With c = min(|d|, beta): c (|d| - c / 2) / beta covers both branches.
                    let size = difference.abs()?;
                    let capped = size.clamp(0.0, settings.beta)?;
                    capped.mul(&size.sub(&capped.mul_scalar(0.5)?)?)?.mul_scalar(1.0 / settings.beta)?
                }
                Distance::Cosine => return Err(Error::failure("cosine is no sum over values")),
            };
            distance.mean(&[2])
        })
    }
}

/// 1 - cos of the angle between tokens [B, L, W], as [B, L, 1]; norms of less than 1e-8 count as that, as in PyTorch's
/// `cosine_similarity`.
fn angle(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let norm = |x: &Tensor| x.mul(x)?.sum(&[2])?.clamp(1e-16, 1e30)?.sqrt();
    a.mul(b)?.sum(&[2])?.div(&norm(a)?.mul(&norm(b)?)?)?.neg()?.add_scalar(1.0)
}

impl Objective for Reconstruction {
    fn needs(&self, geometry: &Geometry, _: NoiseSite) -> Needs {
        Needs {
            heads: BTreeMap::from([(self.head.clone(), self.target.width(geometry))]),
            visible: self.settings.on != On::Masked,
            target: self.target.needs(geometry),
            ..Needs::default()
        }
    }

    fn check(&self, geometry: &Geometry, _: bool) -> Result<()> {
        self.target.check(geometry)
    }

    fn loss(&self, step: &StepOutput<'_>) -> Result<Option<Tensor>> {
        let weights = match self.settings.on {
            On::Masked => step.weights.masked.as_ref(),
            On::Visible => step.weights.visible.as_ref(),
            On::All => Some(&step.weights.all),
        };
        match weights {
            Some(weights) => self.token_distance(step)?.mul(weights)?.sum_all().map(Some),
            None => Ok(None),
        }
    }

    fn restored_pixels(&self, step: &StepOutput<'_>) -> Result<Option<Tensor>> {
        self.target.to_pixels(step.prediction(&self.head)?, &step.input)
    }

    fn weight(&self) -> f64 {
        self.settings.weight
    }
}

inventory::submit! {
    ObjectiveEntry {
        name: "reconstruction",
        summary: "restores tokens to a target (pixels, HOG, noise, …)",
        fields: ReconstructionSettings::fields,
        build: |section| Ok(Box::new(Reconstruction::build(section)?)),
    }
}
