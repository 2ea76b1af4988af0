//! Corruption strategies: which tokens are masked or noised. One file each.
//!
//! A strategy decides; the host applies its decision with its own operations on its own tape, so
//! that every strategy runs on every backend with correct gradients.

pub mod noise;
mod plan;
pub mod strategy;

pub use noise::Noise;
pub use plan::{CorruptionPlan, Injection, PlanRequest, Role};

use crate::Result;
use crate::geometry::Geometry;
use crate::settings::{Field, Section};
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

    /// Corrupts tokens [B, N, D] at the injection point by composing tensor operations, for a
    /// strategy that depends on features. `None` leaves the application to the host.
    ///
    /// # Errors
    /// A failure of the strategy's own.
    fn apply(&self, tokens: &Tensor, plan: &CorruptionPlan) -> Result<Option<Tensor>> {
        let _ = (tokens, plan);
        Ok(None)
    }
}

/// A built-in strategy in the registry.
pub struct CorruptionEntry {
    /// The `kind` in recipes.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The fields of its table.
    pub fields: fn() -> Vec<Field>,
    /// Builds it from its table.
    pub build: fn(&Section) -> Result<Box<dyn Corruption>>,
}

inventory::collect!(CorruptionEntry);

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
    strategy.plan(request, &mut plan)?;
    if let Some(noise) = noise {
        noise.plan(request, &mut plan);
    }
    plan.check()?;
    Ok(plan)
}
