//! The parts put together: encoder, corruption, restoration and objectives, and what one
//! training step computes.
#![doc = include_str!("walk.md")]

mod assemble;
mod forward;
mod noise;
mod plan;
mod prepare;
mod teacher;

pub use assemble::RestorationSettings;
pub use forward::Forward;
pub use prepare::{Mode, StepInputs};

use std::collections::BTreeMap;

use crate::corruption::{Corruption, Noise, NoiseSite};
use crate::encoder::Encoder;
use crate::geometry::Geometry;
use crate::layer::Linear;
use crate::objective::{Needs, Objective};
use crate::params::{ParamId, ParamSpecs};
use crate::restoration::{Decoder, MaskTokens, TimestepEmbedder};

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
    site: NoiseSite,
    style: MaskTokens,
    mask_token: Option<ParamId>,
    timestep: Option<TimestepEmbedder>,
    decoder: Box<dyn Decoder>,
    heads: BTreeMap<String, Linear>,
    objectives: Vec<(String, Box<dyn Objective>)>,
    needs: Needs,
    seed: u64,
}

impl Model {
    /// The extents.
    pub fn geometry(&self) -> &Geometry {
        self.encoder.geometry()
    }

    /// Where noise, or a strategy's operations, enter.
    pub fn site(&self) -> NoiseSite {
        self.site
    }

    /// What its objectives ask for, all together.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// The prediction heads and their linear layers' names.
    pub fn heads(&self) -> impl Iterator<Item = &str> {
        self.heads.keys().map(String::as_str)
    }
}
