//! Where the pixels of a framed image come from.

use palimpsest_core::{Error, Result};
use palimpsest_targets::{BoundingBox, IGNORE, LabelMap};

use crate::augment::{PixelBox, Placement, whole};

/// A part of an image, resized, of which a window is taken and perhaps mirrored. The window may
/// reach beyond the resized part, which is padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// The part of the image.
    pub source: PixelBox,
    /// Its width and height after resizing.
    pub resized: (usize, usize),
    /// Left and top of the window in the resized part.
    pub window: (i64, i64),
    /// Width and height of the window: of the result.
    pub size: (usize, usize),
    /// Whether the window is mirrored left-right.
    pub flip: bool,
}

impl Framing {
    /// The whole image of `width` x `height`, resized to `size`.
    pub fn resize((width, height): (usize, usize), size: (usize, usize)) -> Self {
        Self { source: whole(width, height), resized: size, window: (0, 0), size, flip: false }
    }

    /// The whole image as large as fits into `size` in its own proportions, padded at right and
    /// bottom: for evaluation of detection.
    pub fn fit((width, height): (usize, usize), size: (usize, usize)) -> Self {
        let scale = (size.0 as f64 / width as f64).min(size.1 as f64 / height as f64);
        Self { size, ..Self::resize((width, height), scaled((width, height), scale)) }
    }

    /// The framing of a classification crop to `side`: of one that doesn't pad.
    pub fn of_placement(placement: Placement, side: usize) -> Self {
        let Placement { source, resized, window, flip, border: _ } = placement;
        Self { source, resized, window, size: (side, side), flip }
    }

    /// Pixels of the result for a pixel of the image, across and down.
    pub fn scale(&self) -> (f64, f64) {
        (self.resized.0 as f64 / self.source.width as f64, self.resized.1 as f64 / self.source.height as f64)
    }

    /// The column of the image under each column of the result, and likewise the rows; none for
    /// padding. The nearest by pixel centres, as PIL has it.
    pub(super) fn columns_and_rows(&self) -> (Vec<Option<usize>>, Vec<Option<usize>>) {
        let locate = |at: i64, resized: usize, from: usize, span: usize| {
            let inside = (0..resized as i64).contains(&at);
            inside.then(|| from + (2 * at as usize + 1) * span / (2 * resized))
        };
        let columns = (0..self.size.0).map(|x| {
            let x = if self.flip { self.size.0 - 1 - x } else { x };
            locate(self.window.0 + x as i64, self.resized.0, self.source.left, self.source.width)
        });
        let rows = (0..self.size.1)
            .map(|y| locate(self.window.1 + y as i64, self.resized.1, self.source.top, self.source.height));
        (columns.collect(), rows.collect())
    }

    /// The label map as framed; padding is to be ignored.
    ///
    /// # Errors
    /// A map that the source doesn't lie in.
    pub fn labels(&self, map: &LabelMap) -> Result<LabelMap> {
        self.check("label map", map.width, map.height)?;
        let (columns, rows) = self.columns_and_rows();
        let mut labels = Vec::with_capacity(self.size.0 * self.size.1);
        for row in rows {
            labels.extend(columns.iter().map(|column| match (row, column) {
                (Some(y), Some(x)) => map.labels[y * map.width + x],
                _ => IGNORE,
            }));
        }
        Ok(LabelMap::new(self.size.0, self.size.1, labels))
    }

    pub(super) fn check(&self, what: &str, width: usize, height: usize) -> Result<()> {
        let s = self.source;
        if s.left + s.width <= width && s.top + s.height <= height {
            return Ok(());
        }
        Err(Error::user(format!("{s:?} is not within the {what} of {width}x{height}"))
            .help("give image and targets the same size"))
    }

    /// The box as framed, before it is cut to the window.
    pub fn location(&self, bounds: &BoundingBox) -> BoundingBox {
        let (across, down) = self.scale();
        let mut left = (bounds.left - self.source.left as f64) * across - self.window.0 as f64;
        let width = bounds.width * across;
        if self.flip {
            left = self.size.0 as f64 - left - width;
        }
        let top = (bounds.top - self.source.top as f64) * down - self.window.1 as f64;
        BoundingBox::new(left, top, width, bounds.height * down)
    }

    /// The box in the image for one in the result: where a detection is.
    pub fn restore(&self, bounds: &BoundingBox) -> BoundingBox {
        let (across, down) = self.scale();
        let left = if self.flip { self.size.0 as f64 - bounds.right() } else { bounds.left };
        BoundingBox::new(
            (left + self.window.0 as f64) / across + self.source.left as f64,
            (bounds.top + self.window.1 as f64) / down + self.source.top as f64,
            bounds.width / across,
            bounds.height / down,
        )
    }
}

/// A size times `scale`, at least a pixel.
pub(super) fn scaled((width, height): (usize, usize), scale: f64) -> (usize, usize) {
    let side = |side: usize| ((side as f64 * scale + 0.5) as usize).max(1);
    (side(width), side(height))
}
