//! Encoders, cut so that corruption is never welded in: `embed`, `assemble`, `blocks(range)`,
//! `norm`. Roles, injection and restoration happen between them; features are never corrupted.

mod attention;
mod block;
mod layers;
mod mlp;
mod norm;
mod position;
mod resample;
mod rotary;
mod self_attention;
mod vit;

use std::ops::Range;

pub use attention::{AttentionTap, Probabilities};
pub use block::{Block, BlockSettings, DropPath, NormPlacement};
pub use layers::{block_of, layer_of, layer_rates};
pub use mlp::{Mlp, MlpKind, MlpSettings};
pub use norm::{Norm, NormKind, NormSettings};
pub use position::{PositionKind, relative_index, sincos_2d};
pub use resample::{Resampling, resample_positions, resized_positions};
pub use rotary::{Angles, Coordinates, RotaryKind};
pub use self_attention::{AttentionSettings, QkvBias};
pub use vit::{EmbedNorm, Vit, VitSettings};

use crate::Result;
use crate::geometry::Geometry;
use crate::params::{ParamSpecs, Params};
use crate::registry::Entry;
use crate::settings::Section;
use crate::tensor::Tensor;

/// What the blocks of one forward pass share.
#[derive(Default)]
pub struct BlockContext<'a> {
    /// An additive bias on the attention logits, broadcast to [B, heads, N, N].
    pub bias: Option<&'a Tensor>,
    /// Which residual branches are dropped; none in evaluation.
    pub drop_path: Option<&'a DropPath>,
    /// Where attention probabilities are wanted.
    pub tap: AttentionTap,
    /// The patches that [`Encoder::assemble`] kept, for positions that blocks tell; none for all.
    pub keep: Option<&'a Tensor>,
    /// Where training moves the coordinates of rotary positions to.
    pub coordinates: Option<Coordinates>,
    /// The angles of rotary positions, which an encoder's blocks share.
    pub angles: Option<&'a Angles>,
}

/// A vision encoder over patches [B, L, C*p*p], in PyTorch's order of a convolution kernel.
pub trait Encoder: Send + Sync {
    /// Its extents.
    fn geometry(&self) -> &Geometry;

    /// Patches [B, L, C*p*p] -> tokens [B, L, D], without positions.
    ///
    /// # Errors
    /// The backend's failure; so for all that follow.
    fn embed(&self, params: &Params, patches: &Tensor) -> Result<Tensor>;

    /// Adds positions, keeps only the tokens at `keep` (indices [B, K] as i64) if given, and puts
    /// the prefix tokens in front: [B, L, D] -> [B, P + K, D].
    fn assemble(&self, params: &Params, tokens: &Tensor, keep: Option<&Tensor>) -> Result<Tensor>;

    /// Runs some of the blocks on tokens [B, N, D]; returns them and the attention probabilities
    /// of the blocks that the context taps.
    fn blocks(
        &self,
        params: &Params,
        tokens: Tensor,
        range: Range<usize>,
        context: &BlockContext<'_>,
    ) -> Result<(Tensor, Vec<Probabilities>)>;

    /// The final norm.
    fn norm(&self, params: &Params, tokens: &Tensor) -> Result<Tensor>;

    /// Where a training step moves the coordinates of positions to; none where it doesn't. All images and processes of a
    /// step share it.
    fn coordinates(&self, _seed: u64, _step: u64) -> Option<Coordinates> {
        None
    }

    /// Refuses to drop tokens where the encoder can't.
    ///
    /// # Errors
    /// Such an encoder.
    fn check_drop(&self) -> Result<()> {
        Ok(())
    }

    /// The largest drop-path rate; the rate of block i grows linearly up to it.
    fn drop_path(&self) -> f64 {
        0.0
    }

    /// Features of clean patches: tokens [B, P + L, D] after the first `blocks` blocks, with the final
    /// norm after the last one.
    fn features(&self, params: &Params, patches: &Tensor, blocks: usize) -> Result<Tensor> {
        let tokens = self.assemble(params, &self.embed(params, patches)?, None)?;
        let (tokens, _) = self.blocks(params, tokens, 0..blocks, &BlockContext::default())?;
        if blocks == self.geometry().depth { self.norm(params, &tokens) } else { Ok(tokens) }
    }
}

/// Images as an encoder is built for them: (channels, height, width).
pub type ImageShape = [usize; 3];

/// Builds an encoder from its table, declaring its parameters.
pub type BuildEncoder = fn(&Section, ImageShape, &mut ParamSpecs) -> Result<Box<dyn Encoder>>;

/// An encoder in the registry.
pub type EncoderEntry = Entry<BuildEncoder>;

inventory::collect!(EncoderEntry);

/// Images [B, C, H, W] -> patches [B, L, C*p*p], each in (channel, row, column) order.
///
/// # Errors
/// Images of another size.
pub fn patchify(images: &Tensor, geometry: &Geometry) -> Result<Tensor> {
    let (gh, gw, p, c) = (geometry.grid_h(), geometry.grid_w(), geometry.patch, geometry.channels);
    let b = images.shape()[0];
    images.reshape([b, c, gh, p, gw, p])?.permute(&[0, 2, 4, 1, 3, 5])?.reshape([
        b,
        gh * gw,
        geometry.patch_values(),
    ])
}

/// Patches [B, L, C*p*p] -> images [B, C, H, W].
///
/// # Errors
/// Patches of another geometry.
pub fn unpatchify(patches: &Tensor, geometry: &Geometry) -> Result<Tensor> {
    let (gh, gw, p, c) = (geometry.grid_h(), geometry.grid_w(), geometry.patch, geometry.channels);
    let b = patches.shape()[0];
    patches.reshape([b, gh, gw, c, p, p])?.permute(&[0, 3, 1, 4, 2, 5])?.reshape([b, c, gh * p, gw * p])
}
