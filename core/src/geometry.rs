//! The extents that a model is built for.

use crate::{Error, Result};

/// Images, their patches and the encoder that sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Geometry {
    /// Channels of an image.
    pub channels: usize,
    /// Height of an image in pixels.
    pub height: usize,
    /// Width of an image in pixels.
    pub width: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Tokens in front of the patches: a class token, then registers.
    pub prefix: usize,
    /// Those of the prefix that are registers.
    pub registers: usize,
    /// Width of a token.
    pub dim: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
}

impl Geometry {
    /// Whether there is a class token, which is the first.
    pub fn has_class_token(&self) -> bool {
        self.prefix > self.registers
    }

    /// Rows of patches.
    pub fn grid_h(&self) -> usize {
        self.height / self.patch
    }

    /// Columns of patches.
    pub fn grid_w(&self) -> usize {
        self.width / self.patch
    }

    /// Patches in an image, L.
    pub fn tokens(&self) -> usize {
        self.grid_h() * self.grid_w()
    }

    /// Values in a patch: channels x patch x patch.
    pub fn patch_values(&self) -> usize {
        self.channels * self.patch * self.patch
    }

    /// Refuses patches and heads that don't divide what they should.
    ///
    /// # Errors
    /// Such a geometry.
    pub fn check(&self) -> Result<()> {
        let Self { height, width, patch, dim, heads, .. } = *self;
        if patch == 0 || height == 0 || width == 0 || height % patch != 0 || width % patch != 0 {
            let fitting: Vec<String> = (2..=height.min(width).min(64))
                .filter(|p| height % p == 0 && width % p == 0)
                .map(|p| p.to_string())
                .collect();
            return Err(Error::user(format!(
                "a patch of {patch} px does not divide images of {height}x{width} px"
            ))
            .about("patch")
            .help(format!("choose encoder.patch among {}", fitting.join(", "))));
        }
        if heads == 0 || dim == 0 || dim % heads != 0 {
            return Err(Error::user(format!("{heads} heads do not divide a width of {dim}"))
                .about("heads")
                .help("choose encoder.dim as a multiple of encoder.heads"));
        }
        Ok(())
    }
}
