//! A small host in the test's own process, so that a strategy is tested with `cargo test` alone.
//!
//! It calls the strategy through the same C functions as the real host, and holds it to the same rules. Its
//! operations are plain loops over [`Array`]s on the processor; no gradients.
//!
//! ```
//! use palimpsest_sdk::prelude::*;
//! use palimpsest_sdk::testing;
//!
//! /// Masks every other token, from a random one on.
//! #[derive(Parameters)]
//! struct EveryOther;
//!
//! impl Corruption for EveryOther {
//!     const ID: &'static str = "org.example.every-other";
//!     const SUMMARY: &'static str = "every other token";
//!     fn plan(&self, _: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
//!         for mut image in plan.images() {
//!             let first = image.random().below(2);
//!             (first..image.tokens()).step_by(2).for_each(|token| image.mask(token));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let plan = testing::plan(EveryOther, &Geometry::of_grid(4, 4), 8, 1)?;
//! assert!((0..8).all(|image| plan.masked(image) == 8));
//! # Ok::<(), palimpsest_sdk::Error>(())
//! ```

mod array;
mod case;
mod host;
mod operations;

pub use array::Array;
pub use case::{Case, Planned};

use crate::Result;
use crate::geometry::Geometry;
use crate::strategy::Corruption;

/// The plan of a batch at the run's first step; [`Case`] varies more.
///
/// # Errors
/// What the strategy answers, a panic of its, or a plan that breaks the rules.
pub fn plan<T: Corruption>(strategy: T, geometry: &Geometry, batch: usize, seed: u64) -> Result<Planned> {
    Case::new(*geometry, batch, seed).plan(strategy)
}
