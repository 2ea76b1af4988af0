//! Corruption strategies: which tokens are masked or noised. One file each.
//!
//! A strategy decides; the host applies its decision with its own operations on its own tape, so
//! that every strategy runs on every backend with correct gradients.

mod application;
mod aside;
mod catalog;
pub mod noise;
mod observation;
mod plan;
mod site;
pub mod strategy;

pub use application::{Application, TokenNoise};
pub use catalog::{Kind, find, install, kinds, library, set_aside};
pub use noise::Noise;
use noise::{Combination, NoiseSettings};
pub use observation::Observation;
pub use plan::{Corrupted, CorruptionPlan, Injection, PlanRequest, Role};
pub use site::NoiseSite;

use crate::Result;
use crate::geometry::Geometry;
use crate::plugin::PluginIdentity;
use crate::registry::Entry;
use crate::settings::Section;
use crate::tensor::Tensor;

/// A corruption strategy.
pub trait Corruption: Send + Sync {
    /// Refuses a geometry that the strategy can't serve, before training starts.
    ///
    /// # Errors
    /// Such a geometry.
    fn check(&self, geometry: &Geometry) -> Result<()> {
        let _ = geometry;
        Ok(())
    }

    /// Writes the plan of a batch. A pure function of the parameters and the request: no clock,
    /// no state, no randomness but Philox keyed by the request.
    ///
    /// # Errors
    /// A failure of the strategy's own.
    fn plan(&self, request: &PlanRequest<'_>, plan: &mut CorruptionPlan) -> Result<()>;

    /// Where noise of the strategy's own, or its `apply`, enters; `None` if it has neither.
    /// `noise` is where the recipe's `[noise]` enters, if it has any. Asked once, for the [`NoiseSite`].
    ///
    /// # Errors
    /// Two places in one recipe.
    fn injection(&self, noise: Option<Injection>) -> Result<Option<Injection>> {
        let _ = noise;
        Ok(None)
    }

    /// Corrupts tokens at the noise site by composing tensor operations. `None` leaves the
    /// application of the plan's noise to the host. A pure function: it may be called again for the
    /// same batch, when blocks are recomputed.
    ///
    /// # Errors
    /// A failure of the strategy's own.
    fn apply(&self, application: &Application<'_>) -> Result<Option<Tensor>> {
        let _ = application;
        Ok(None)
    }

    /// What the strategy looks at before it plans, for one that is guided by features.
    ///
    /// # Errors
    /// A failure of the strategy's own.
    fn observes(&self) -> Result<Option<Observation>> {
        Ok(None)
    }

    /// Scores [B, L] of what it observes; they come back in the request of the plan. No gradient
    /// flows through them.
    ///
    /// # Errors
    /// A failure of the strategy's own.
    fn score(&self, observed: &Tensor, geometry: &Geometry) -> Result<Tensor> {
        let _ = (observed, geometry);
        Err(crate::Error::failure("the strategy has no scores"))
    }

    /// Whether an image's corruption depends on the other images of its batch, so that a batch can't
    /// be split.
    fn mixes(&self) -> bool {
        false
    }

    /// Whether it needs tensors, not only plans: it has `apply` or `observes`.
    ///
    /// # Errors
    /// A failure of the strategy's own.
    fn works_on_tensors(&self) -> Result<bool> {
        Ok(false)
    }

    /// The plug-in that it comes from.
    fn plugin(&self) -> Option<&PluginIdentity> {
        None
    }
}

/// A strategy in the registry.
pub type CorruptionEntry = Entry<fn(&Section) -> Result<Box<dyn Corruption>>>;

inventory::collect!(CorruptionEntry);

/// Where a strategy with noise or operations of its own enters, by its own key `at` and by `[noise]`.
///
/// # Errors
/// Two places in one recipe.
pub(crate) fn entrance(own: Option<Injection>, noise: Option<Injection>) -> Result<Injection> {
    match (own, noise) {
        (Some(own), Some(noise)) if own != noise => Err(crate::Error::user(format!(
            "its noise would enter at {} and [noise] at {}",
            String::from(own),
            String::from(noise)
        ))
        .at("`corruption.at`")
        .help("set corruption.at = \"auto\"")),
        (own, noise) => Ok(own.or(noise).unwrap_or(Injection::Embedding)),
    }
}

/// The plan of a batch: the strategy's roles, then the noise on them.
///
/// # Errors
/// The strategy's failure, or a plan that breaks the rules.
pub fn plan(
    strategy: &dyn Corruption,
    noise: Option<&Noise>,
    request: &PlanRequest<'_>,
) -> Result<CorruptionPlan> {
    let mut plan = CorruptionPlan::identity(request.batch, request.geometry.tokens());
    plan.progress = request.progress;
    strategy.plan(request, &mut plan)?;
    if let Some(noise) = noise {
        noise.plan(request, &mut plan);
    }
    plan.check()?;
    Ok(plan)
}
