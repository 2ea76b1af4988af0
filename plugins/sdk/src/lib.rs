//! Write a corruption strategy for Palimpsest as a dynamic library.
//!
//! A *corruption* says which tokens of an image the encoder may see, and how the others are hidden or
//! noised; the encoder learns by restoring them. A plug-in holds one strategy. It is built alone, named in a recipe, and
//! runs on every backend, on CPU and GPU, with correct gradients, since it only *decides*: the host carries the
//! decision out with its own operations.
//!
//! # A first strategy
//!
//! `Cargo.toml`:
//!
//! ```toml
//! [package]
//! name = "rows"
//! version = "0.1.0"
//! edition = "2024"
//!
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! palimpsest-sdk = { path = "…/plugins/sdk" }
//! ```
//!
//! `src/lib.rs`, whole:
//!
//! ```standalone_crate
#![doc = include_str!("../examples/thirty_lines.rs")]
//! ```
//!
//! - [`Parameters`] are the keys of the recipe's table `[corruption]`. Each has a doc comment, a default and mostly a range; the
//!   host checks a recipe against them before training.
//! - [`Corruption::plan`] writes what becomes of each token: [`Image::mask`], [`Image::add_noise`],
//!   [`Plan::take`]. Patches are counted row by row from the top left; a class token is not among them.
//! - It must be a *pure function* of the parameters and the [`PlanRequest`]: no clock, no global state, and no
//!   randomness but [`Image::random`], which is keyed by the run's seed, the step and the image's number. That is
//!   what makes a run the same after a restart, on another backend, or with batches cut differently.
//! - [`Corruption::UNBIASED`] and [`Corruption::EQUAL_COUNTS`] are promises that the host and the validator
//!   hold it to.
//! - [`export_plugin!`] makes the library's one exported symbol.
//!
//! In a recipe its short name is the last part of its [`ID`](Corruption::ID):
//!
//! ```toml
//! [corruption]
//! kind = "rows"
//! ratio = 0.6
//! ```
//!
//! # Noise, and tokens from elsewhere
//!
//! A token z becomes `gain * z + std * eps`, with eps standard normal from the host. `INJECTS` says that plans
//! have noise; the recipe then says where it enters, with the key `at`: `"pixels"`, `"embedding"` or `"block:K"`.
//!
//! ```standalone_crate
//! use palimpsest_sdk::prelude::*;
//!
//! /// Noise that grows with the run, on a random half of the tokens.
//! #[derive(Parameters)]
//! struct Growing {
//!     /// Standard deviation at the end of the run.
//!     #[param(default = 0.5, range = 0.0..)]
//!     std: f64,
//! }
//!
//! impl Corruption for Growing {
//!     const ID: &'static str = "org.example.growing-noise";
//!     const SUMMARY: &'static str = "noise that grows with the run";
//!     const INJECTS: bool = true;
//!
//!     fn plan(&self, request: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
//!         let std = (self.std * request.progress) as f32;
//!         for mut image in plan.images() {
//!             for token in image.random().choose(request.tokens, request.tokens / 2) {
//!                 image.add_noise(token, 1.0, std);
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! export_plugin!(Growing);
//! ```
//!
//! # Working on features
//!
//! A strategy that needs the tokens themselves implements [`Apply`] too: it gets them as a [`Tensor`], a handle to
//! a tensor of the backend on the run's device, and composes operations. Gradients flow through what it does.
//!
//! ```standalone_crate
//! use palimpsest_sdk::prelude::*;
//!
//! /// Noise in proportion to each token's own standard deviation, on masked tokens.
//! #[derive(Parameters)]
//! struct Adaptive {
//!     /// Share of the tokens.
//!     #[param(default = 0.5, range = 0.0..=1.0)]
//!     ratio: f64,
//!     /// Standard deviation of the noise, in those of the token.
//!     #[param(default = 0.3, range = 0.0..=10.0)]
//!     relative: f64,
//! }
//!
//! impl Corruption for Adaptive {
//!     const ID: &'static str = "org.example.adaptive";
//!     const SUMMARY: &'static str = "noise in proportion to a token's own spread";
//!
//!     fn plan(&self, request: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
//!         let count = (self.ratio * request.tokens as f64).round() as usize;
//!         for mut image in plan.images() {
//!             for token in image.random().choose(request.tokens, count) {
//!                 image.roles_mut()[token] = Role::Noised;
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! impl Apply for Adaptive {
//!     fn apply<'call>(&self, application: &Application<'call>) -> Result<Tensor<'call>> {
//!         let (ops, tokens) = (application.ops(), application.tokens());
//!         let [batch, n, _] = *tokens.shape() else { unreachable!("tokens have rank 3") };
//!         // 1 for each noised token [B, L, 1], of which the encoder may have kept some.
//!         let noised: Vec<f32> =
//!             application.roles().iter().map(|&role| f32::from(role == Role::Noised)).collect();
//!         let mut chosen = ops.from_slice(&noised, &[batch, noised.len() / batch])?;
//!         if let Some(kept) = application.kept() {
//!             chosen = chosen.gather(kept, 1)?;
//!         }
//!         // Nothing on the tokens in front.
//!         let chosen = chosen.pad(1, application.prefix(), 0, 0.0)?.reshape(&[batch, n, 1])?;
//!         let spread = tokens.variance(&[2])?.sqrt()?.detach()?;
//!         let noise = ops.random_normal(tokens.shape(), tokens.dtype())?.mul(spread)?;
//!         tokens.add(noise.mul(chosen.cast(tokens.dtype())?)?.mul_scalar(self.relative)?)
//!     }
//! }
//!
//! export_plugin!(Adaptive);
//!
//! # fn main() -> Result<()> {
//! # use palimpsest_sdk::testing::{Array, Case};
//! # let case = Case::new(Geometry::of_grid(2, 2), 3, 1);
//! # let tokens = Array::from_fn(&[3, 5, 16], |i| (i as f64).sin());
//! # let out = case.apply(Adaptive { ratio: 0.5, relative: 0.3 }, palimpsest_sdk::Injection::Block, &tokens)?;
//! # let changed = |token: usize| (0..16).any(|i| out.data[token * 16 + i] != tokens.data[token * 16 + i]);
//! # assert_eq!((0..5).filter(|&token| changed(token)).count(), 2);
//! # assert!(!changed(0) && !changed(5) && !changed(10), "the class token is left alone");
//! # Ok(())
//! # }
//! ```
//!
//! A [`Tensor`] can't outlive the call: it can be kept neither in the strategy nor in a static.
//! Where an operation fails (shapes that don't fit), its error names the operation and the shapes; pass it on with `?`.
//!
//! # Looking before masking
//!
//! A strategy that implements [`Observe`] sees clean images first, through the encoder where it wants, and scores each
//! patch; the scores come back with the request of the plan.
//!
//! ```standalone_crate
//! use palimpsest_sdk::prelude::*;
//!
//! /// Masks the patches that the class token attends to most.
//! #[derive(Parameters)]
//! struct Attended {
//!     /// Share of the patches that are masked.
//!     #[param(default = 0.5, range = 0.0..=1.0)]
//!     ratio: f64,
//! }
//!
//! impl Corruption for Attended {
//!     const ID: &'static str = "org.example.attended";
//!     const SUMMARY: &'static str = "the patches that the class token attends to";
//!     const EQUAL_COUNTS: bool = true;
//!
//!     fn check(&self, geometry: &Geometry) -> Result<()> {
//!         if geometry.prefix == 0 {
//!             return Err(Error::user("an encoder without a class token").help("set encoder.class_token"));
//!         }
//!         Ok(())
//!     }
//!
//!     fn plan(&self, request: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
//!         let count = (self.ratio * request.tokens as f64).round() as usize;
//!         for mut image in plan.images() {
//!             let scores = image.scores().ok_or_else(|| Error::failure("no scores"))?;
//!             let mut order: Vec<usize> = (0..request.tokens).collect();
//!             order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
//!             order[..count].iter().for_each(|&token| image.mask(token));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! impl Observe for Attended {
//!     fn observe(&self) -> Observation {
//!         Observation::Attention { block: -1 }
//!     }
//!
//!     fn score<'call>(&self, attention: Tensor<'call>, geometry: &Geometry) -> Result<Tensor<'call>> {
//!         // [B, heads, prefix + L, prefix + L]: the class token's row, the patches' columns, all heads.
//!         let (batch, tokens) = (attention.shape()[0], geometry.tokens());
//!         let row = attention.narrow(2, 0, 1)?.narrow(3, geometry.prefix, tokens)?;
//!         row.mean(&[1])?.reshape(&[batch, tokens])?.cast(DType::F32)
//!     }
//! }
//!
//! export_plugin!(Attended);
//!
//! # fn main() -> Result<()> {
//! # use palimpsest_sdk::testing::{Array, Case};
//! # let mut case = Case::new(Geometry::of_grid(2, 2), 1, 1);
//! # let attention = Array::from_fn(&[1, 2, 5, 5], |i| if i % 25 == 3 { 0.9 } else { 0.1 });
//! # let scores = case.score(Attended::defaults(), &attention)?;
//! # case.scores = Some(scores.data.iter().map(|&s| s as f32).collect());
//! # let plan = case.plan(Attended { ratio: 0.25 })?;
//! # assert_eq!(plan.roles, [Role::Visible, Role::Visible, Role::Masked, Role::Visible]);
//! # Ok(())
//! # }
//! ```
//!
//! # Testing
//!
//! [`testing`] is a small host in the test's own process; it reaches all three kinds of strategy.
//! For `cargo test` a plug-in's crate needs no more than it has.
//!
//! # Errors and panics
//!
//! What a user can fix is [`Error::user`] with a [`help`](Error::help); all else is [`Error::failure`]. A panic doesn't reach the host:
//! it is caught, told as an error with its message, and the instance takes no more calls.
//!
//! # Threads
//!
//! `check`, `plan`, `apply`, `observe` and `score` take `&self` and may run on several threads at once.

// The derive macros name the crate from outside.
extern crate self as palimpsest_sdk;

mod application;
mod error;
#[doc(hidden)]
pub mod export;
mod geometry;
mod parameters;
mod plan;
pub mod random;
mod request;
mod strategy;
mod tensor;
pub mod testing;

#[allow(deprecated, reason = "the former name, for plug-ins that use it")]
pub use application::Place;
pub use application::{Application, Injection};
pub use error::{Error, ErrorKind, Result};
pub use geometry::Geometry;
pub use palimpsest_sdk_derive::{Choice, Parameters};
pub use parameters::{Choice, Parameters};
pub use plan::{Image, Plan, Role};
pub use random::{Philox, Stream};
pub use request::PlanRequest;
pub use strategy::{Apply, Corruption, Observation, Observe};
pub use tensor::{DType, Element, Interpolation, Ops, Tensor};

/// What a plug-in's author needs, in one line: `use palimpsest_sdk::prelude::*;`.
pub mod prelude {
    #[allow(deprecated, reason = "the former name, for plug-ins that use it")]
    pub use crate::Place;
    pub use crate::{
        Application, Apply, Choice, Corruption, DType, Error, Geometry, Image, Injection, Interpolation,
        Observation, Observe, Parameters, Philox, Plan, PlanRequest, Result, Role, Stream, Tensor,
        export_plugin,
    };
}
