//! What is minimised. One file an objective; each returns named losses that are logged one by one.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

mod attention;
pub mod kind;
mod loss;
mod needs;
mod step;

pub use attention::AttentionStatistics;
pub use loss::NamedLoss;
pub use needs::Needs;
pub use step::{StepOutput, TokenWeights};

use crate::Result;
use crate::corruption::NoiseSite;
use crate::geometry::Geometry;
use crate::registry::Entry;
use crate::settings::Section;
use crate::tensor::Tensor;

/// An objective.
pub trait Objective: Send + Sync {
    /// What it asks of a model of these extents whose noise enters at `site`.
    fn needs(&self, geometry: &Geometry, site: NoiseSite) -> Needs;

    /// Refuses a model that it makes no sense for, before training starts. `mask_tokens_encoded`
    /// tells whether the encoder sees masked tokens.
    ///
    /// # Errors
    /// Such a model.
    fn check(&self, geometry: &Geometry, mask_tokens_encoded: bool) -> Result<()> {
        let _ = (geometry, mask_tokens_encoded);
        Ok(())
    }

    /// The loss, a scalar, before its weight.
    fn loss(&self, step: &StepOutput<'_>) -> Result<Option<Tensor>>;

    /// The restored patches [B, L, C*p*p] as pixels, if it restores something that can be shown.
    fn restored_pixels(&self, step: &StepOutput<'_>) -> Result<Option<Tensor>> {
        let _ = step;
        Ok(None)
    }

    /// The factor in the total.
    fn weight(&self) -> f64;
}

/// An objective in the registry.
pub type ObjectiveEntry = Entry<fn(&Section) -> Result<Box<dyn Objective>>>;

inventory::collect!(ObjectiveEntry);
