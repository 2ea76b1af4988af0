//! Images, their patches and the encoder that sees them.

/// Images, their patches and the encoder that sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Geometry {
    /// Channels of an image, C.
    pub channels: usize,
    /// Height of an image in pixels.
    pub height: usize,
    /// Width of an image in pixels.
    pub width: usize,
    /// Side of a patch in pixels, p.
    pub patch: usize,
    /// Rows of patches.
    pub grid_h: usize,
    /// Columns of patches.
    pub grid_w: usize,
    /// Tokens in front of the patches (class token).
    pub prefix: usize,
    /// Width of a token, D.
    pub dim: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
}

impl Geometry {
    /// A small encoder over a grid of 4-pixel patches in colour, for tests: one class token,
    /// D = 16, three blocks with two heads. Change the fields to your needs.
    pub fn of_grid(rows: usize, columns: usize) -> Self {
        Self {
            channels: 3,
            height: rows * 4,
            width: columns * 4,
            patch: 4,
            grid_h: rows,
            grid_w: columns,
            prefix: 1,
            dim: 16,
            depth: 3,
            heads: 2,
        }
    }

    /// Patches in an image, L. They are counted row by row from the top left.
    pub fn tokens(&self) -> usize {
        self.grid_h * self.grid_w
    }

    /// Values in a patch: channels x patch x patch.
    pub fn patch_values(&self) -> usize {
        self.channels * self.patch * self.patch
    }

    /// The token in a row and a column of the grid.
    ///
    /// # Panics
    /// Outside the grid.
    #[track_caller]
    pub fn token(&self, row: usize, column: usize) -> usize {
        assert!(
            row < self.grid_h && column < self.grid_w,
            "row {row}, column {column} is outside a grid of {} x {}",
            self.grid_h,
            self.grid_w
        );
        row * self.grid_w + column
    }
}
