//! What is minimised. One file an objective; each returns named losses that are logged one by one.

mod attention;
pub mod kind;
mod step;

use std::ops::Range;

pub use attention::AttentionStatistics;
pub use step::{StepOutput, TokenWeights};

use crate::Result;
use crate::corruption::Injection;
use crate::geometry::Geometry;
use crate::settings::{Field, Section};
use crate::tensor::Tensor;

/// A prediction head that an objective reads: objectives that name the same head share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadRequest {
    /// The head's name.
    pub name: String,
    /// Values per token.
    pub width: usize,
}

/// An objective.
pub trait Objective: Send + Sync {
    /// The prediction head that it reads, if any.
    fn head(&self, geometry: &Geometry) -> Option<HeadRequest> {
        let _ = geometry;
        None
    }

    /// Refuses a model that it makes no sense for, before training starts. `mask_tokens_encoded`
    /// tells whether the encoder sees masked tokens.
    ///
    /// # Errors
    /// Such a model.
    fn check(&self, geometry: &Geometry, mask_tokens_encoded: bool) -> Result<()> {
        let _ = (geometry, mask_tokens_encoded);
        Ok(())
    }

    /// Whether it needs noise on the pixels.
    fn needs_pixel_noise(&self) -> bool {
        false
    }

    /// Whether it looks at visible tokens' predictions (which some decoders don't make).
    fn reads_visible(&self) -> bool {
        false
    }

    /// The blocks whose attention probabilities it differentiates through.
    fn attention(&self, depth: usize, injection: Option<Injection>) -> Option<Range<usize>> {
        let _ = (depth, injection);
        None
    }

    /// The blocks in which masked and noised tokens may not attend to each other.
    fn separate(&self, depth: usize, injection: Option<Injection>) -> Option<Range<usize>> {
        let _ = (depth, injection);
        None
    }

    /// The loss, a scalar, before its weight.
    ///
    /// # Errors
    /// The backend's failure.
    fn loss(&self, step: &StepOutput<'_>) -> Result<Option<Tensor>>;

    /// The restored patches [B, L, C*p*p] as pixels, if it restores something that can be shown.
    ///
    /// # Errors
    /// The backend's failure.
    fn restored_pixels(&self, step: &StepOutput<'_>) -> Result<Option<Tensor>> {
        let _ = step;
        Ok(None)
    }

    /// The factor in the total.
    fn weight(&self) -> f64;
}

/// A built-in objective in the registry.
pub struct ObjectiveEntry {
    /// The `kind` in recipes.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The fields of its table.
    pub fields: fn() -> Vec<Field>,
    /// Builds it from its table.
    pub build: fn(&Section) -> Result<Box<dyn Objective>>,
}

inventory::collect!(ObjectiveEntry);

/// The first block that noised tokens enter.
pub fn first_corrupted_block(injection: Option<Injection>) -> usize {
    match injection {
        Some(Injection::Block(k)) => k,
        Some(Injection::Pixels | Injection::Embedding) | None => 0,
    }
}
