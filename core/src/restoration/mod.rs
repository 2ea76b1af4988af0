//! From encoded tokens to restored ones: how mask tokens and restoration are split between
//! encoder and decoder.
//!
//! In *encoder* style the mask tokens go through the encoder, and the restoration is light (SimMIM,
//! the paper). In *decoder* style the encoder drops masked tokens, and a decoder restores them (MAE,
//! DiffMAE, MaskDiT).

pub mod decoder;
mod timestep;

pub use timestep::TimestepEmbedder;

use crate::Result;
use crate::geometry::Geometry;
use crate::params::{ParamSpecs, Params};
use crate::registry::Entry;
use crate::settings::Section;
use crate::tensor::Tensor;

/// Where corruption and restoration sit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskTokens {
    /// Mask tokens go through the encoder.
    #[serde(rename = "encoder")]
    InEncoder,
    /// The encoder sees visible tokens only.
    #[serde(rename = "decoder")]
    InDecoder,
}

/// The positions that the encoder kept and those that it dropped.
#[derive(Debug, Clone)]
pub struct KeptTokens {
    /// Kept positions, [B, K].
    pub keep: Tensor,
    /// Dropped positions, [B, M].
    pub dropped: Tensor,
    /// For every position, its place in kept-then-dropped order, [B, L].
    pub restore: Tensor,
}

/// What a decoder is given besides the encoded tokens.
pub struct Restorable<'a> {
    /// Encoded tokens after the encoder's norm, [B, P + K, D]; K = L in encoder style.
    pub encoded: &'a Tensor,
    /// In decoder style, which tokens the encoder dropped.
    pub dropped: Option<&'a KeptTokens>,
    /// Noised patches [B, L, C*p*p], where the noise is substitutive and on pixels.
    pub noised_patches: Option<&'a Tensor>,
    /// The embedded timestep [B, 1, W], where it is told to the decoder.
    pub timestep: Option<&'a Tensor>,
}

/// A restoration of all tokens.
pub trait Decoder: Send + Sync {
    /// The width of restored tokens, W.
    fn width(&self) -> usize;

    /// Whether it restores dropped tokens only; then visible ones come out as zeros.
    fn dropped_only(&self) -> bool {
        false
    }

    /// Restored tokens [B, L, W].
    ///
    /// # Errors
    /// The backend's failure.
    fn restore(&self, params: &Params, input: &Restorable<'_>) -> Result<Tensor>;
}

/// Builds a decoder from its table, declaring its parameters.
pub type BuildDecoder = fn(&Section, &Geometry, MaskTokens, &mut ParamSpecs) -> Result<Box<dyn Decoder>>;

/// A decoder in the registry.
pub type DecoderEntry = Entry<BuildDecoder>;

inventory::collect!(DecoderEntry);

/// Kept tokens [B, K, W] and dropped ones [B, M, W] back in their places, [B, L, W].
fn put_back(kept: &Tensor, dropped: &Tensor, order: &KeptTokens) -> Result<Tensor> {
    let [b, l] = order.restore.shape().array()?;
    let width = kept.shape()[2];
    let index = order.restore.reshape([b, l, 1])?.expand([b, l, width])?;
    Tensor::concat(&[kept, dropped], 1)?.gather(1, &index)
}

/// Rows of a table [1, L, W] at positions [B, K]: [B, K, W].
fn rows_at(table: &Tensor, positions: &Tensor) -> Result<Tensor> {
    let [b, k] = positions.shape().array()?;
    let width = table.shape()[2];
    let flat = table.reshape([table.shape()[1], width])?;
    flat.index_select(0, &positions.reshape([b * k])?)?.reshape([b, k, width])
}
