//! A recipe's parts put together: encoder, corruption, restoration and objectives, and what one
//! training step computes.

mod assemble;
mod forward;
mod plan;
mod prepare;

pub use assemble::RestorationSettings;
pub use forward::{Forward, NamedLoss};
pub use prepare::Prepared;

use std::collections::BTreeMap;

use crate::corruption::{Corruption, Injection, Noise};
use crate::encoder::Encoder;
use crate::geometry::Geometry;
use crate::layer::Linear;
use crate::objective::Objective;
use crate::params::{ParamId, ParamSpecs};
use crate::restoration::{Decoder, LevelEmbedder, Style};

/// A recipe's parts, put together.
pub struct Model {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// All parameters: encoder, tokens, decoder and heads.
    pub specs: ParamSpecs,
    /// The corruption strategy.
    pub corruption: Box<dyn Corruption>,
    /// Noise, if the recipe has any.
    pub noise: Option<Noise>,
    injection: Option<Injection>,
    style: Style,
    mask_token: Option<ParamId>,
    level: Option<LevelEmbedder>,
    decoder: Box<dyn Decoder>,
    heads: BTreeMap<String, Linear>,
    objectives: Vec<(String, Box<dyn Objective>)>,
    seed: u64,
}

impl Model {
    /// The extents.
    pub fn geometry(&self) -> &Geometry {
        self.encoder.geometry()
    }

    /// Where noise, or a strategy's operations, enter, if the recipe has any.
    pub fn injection(&self) -> Option<Injection> {
        self.injection
    }

    /// The prediction heads and their linear layers' names.
    pub fn heads(&self) -> impl Iterator<Item = &str> {
        self.heads.keys().map(String::as_str)
    }
}
