//! What an author implements.

use crate::application::Application;
use crate::geometry::Geometry;
use crate::parameters::Parameters;
use crate::plan::Plan;
use crate::request::PlanRequest;
use crate::tensor::Tensor;
use crate::Result;

/// A corruption strategy.
///
/// What else it can do follows from the other traits that its type implements: [`Apply`] and
/// [`Observe`]. `export_plugin!` finds out by itself.
pub trait Corruption: Parameters + Send + Sync + 'static {
    /// Reverse domain name, as `org.example.blue-noise`; its last part is the short name in recipes.
    const ID: &'static str;
    /// One line for people.
    const SUMMARY: &'static str;
    /// Its version; the crate's where it is `None`.
    const VERSION: Option<&'static str> = None;
    /// Its plans put noise on tokens. The recipe then says where, with the key `at`, as it does for a type with
    /// [`Apply`]. A plan with noise is refused without it.
    const INJECTS: bool = false;
    /// A promise: every position is masked as often. The validator holds it to that.
    const UNBIASED: bool = false;
    /// A promise: every image of a batch has the same number of masked tokens. Encoders that drop
    /// masked tokens need it. A plan that breaks it is refused.
    const EQUAL_COUNTS: bool = false;
    /// Tokens are taken from other images of the batch ([`Plan::take`]), so batches are not split. A plan
    /// that does so is refused without it.
    const MIXES: bool = false;

    /// Refuses a geometry that the strategy can't serve, before training starts.
    ///
    /// # Errors
    /// Such a geometry, as [`Error::user`](crate::Error::user).
    fn check(&self, geometry: &Geometry) -> Result<()> {
        let _ = geometry;
        Ok(())
    }

    /// Writes the plan of a batch. A pure function of the parameters and the request: no clock,
    /// no state, no randomness but [`Philox`](crate::Philox) keyed by the request
    /// ([`Image::random`](crate::Image::random)). May be called from several threads at once.
    ///
    /// # Errors
    /// What keeps it from making a plan.
    fn plan(&self, request: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()>;
}

/// A strategy that corrupts tokens itself, with the host's operations.
pub trait Apply: Corruption {
    /// Corrupts tokens: a tensor of [`Application::tokens`]' shape and type. It has to put the plan's noise on
    /// them too, if the plan has any ([`Application::noised`]). Gradients are recorded.
    ///
    /// # Errors
    /// What an operation answers, or a failure of its own.
    fn apply<'call>(&self, application: &Application<'call>) -> Result<Tensor<'call>>;
}

/// A strategy that looks at clean images before it plans (attention- or loss-guided masks).
pub trait Observe: Corruption {
    /// What it looks at.
    fn observe(&self) -> Observation;

    /// Scores [B, L] in f32 of what it looked at. They come back as [`PlanRequest::scores`]. No gradient flows.
    ///
    /// # Errors
    /// What an operation answers, or a failure of its own.
    fn score<'call>(&self, observed: Tensor<'call>, geometry: &Geometry) -> Result<Tensor<'call>>;
}

/// What a strategy looks at. Blocks are counted from 0; negative ones from behind, -1 the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observation {
    /// Clean patches [B, L, C p p].
    Pixels,
    /// Clean embedded patches [B, L, D].
    Embedding,
    /// The clean tokens [B, prefix + L, D] after a block.
    Features {
        /// The block.
        block: i32,
    },
    /// The attention probabilities [B, heads, prefix + L, prefix + L] of a block on clean images.
    Attention {
        /// The block.
        block: i32,
    },
}
