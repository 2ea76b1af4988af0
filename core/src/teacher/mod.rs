//! Teachers: encoders that see the clean images, and whose tokens a target is made of.
//!
//! A teacher is the average of the student's own weights, or an encoder that is read from a file and stays as it is. No
//! gradient flows through either.

mod frozen;
mod pin;
mod view;

use std::collections::BTreeMap;

pub use frozen::FrozenTeacher;
pub(crate) use pin::geometry_of;
pub use pin::pin;

use crate::Result;
use crate::encoder::{BlockContext, Encoder};
use crate::params::Params;
use crate::tensor::Tensor;

/// What a recipe calls the average of the student's weights (`train.ema`).
pub const AVERAGE: &str = "ema";

/// Whose tokens a target looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TeacherSource {
    /// The student's encoder under the average of its weights.
    Average,
    /// The encoder of this file or run, which stays as it is.
    File(String),
}

impl TeacherSource {
    /// The one that a recipe calls so.
    pub fn named(name: &str) -> Self {
        if name == AVERAGE { Self::Average } else { Self::File(name.to_owned()) }
    }
}

/// Some of a teacher's tokens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TeacherLayer {
    /// Whose they are.
    pub source: TeacherSource,
    /// The number of blocks that they went through, from 1.
    pub blocks: usize,
    /// Whether the encoder's last norm is applied to them.
    pub normed: bool,
}

/// Tokens [B, P + L, D] of the clean images.
pub type TeacherTokens = BTreeMap<TeacherLayer, Tensor>;

/// The tokens of clean patches that an encoder has in these layers, which are in their order. No path is dropped.
///
/// # Errors
/// The backend's failure.
pub(crate) fn tokens<'a>(
    encoder: &dyn Encoder,
    params: &Params,
    patches: &Tensor,
    layers: impl Iterator<Item = &'a TeacherLayer>,
) -> Result<TeacherTokens> {
    let embedded = encoder.embed(params, patches)?; // [B, L, D]
    let mut tokens = encoder.assemble(params, &embedded, None)?; // [B, P + L, D]
    let (mut found, mut done) = (BTreeMap::new(), 0);
    for layer in layers {
        (tokens, _) = encoder.blocks(params, tokens, done..layer.blocks, &BlockContext::default())?;
        done = layer.blocks;
        let seen = if layer.normed { encoder.norm(params, &tokens)? } else { tokens.clone() };
        found.insert(layer.clone(), seen);
    }
    Ok(found)
}
