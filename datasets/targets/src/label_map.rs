//! A class for every pixel.

use palimpsest_core::head::Target;
use palimpsest_core::{Error, Result};

/// The label of pixels that are neither trained on nor scored.
pub const IGNORE: u8 = 255;

/// The class of each pixel, an index into the data set's classes, or [`IGNORE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// [height, width] labels, row by row.
    pub labels: Vec<u8>,
}

impl Target for LabelMap {
    const NAME: &'static str = "a class for each pixel";
}

impl LabelMap {
    /// From [height, width] labels.
    ///
    /// # Panics
    /// If there are not `width * height` labels.
    pub fn new(width: usize, height: usize, labels: Vec<u8>) -> Self {
        assert_eq!(labels.len(), width * height, "labels of a map of {width}x{height}");
        Self { width, height, labels }
    }

    /// How many pixels each label has, by label.
    pub fn histogram(&self) -> [usize; 256] {
        let mut counts = [0; 256];
        self.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        counts
    }

    /// Checks that the map has the image's size.
    ///
    /// # Errors
    /// Another size.
    pub fn check_size(&self, width: usize, height: usize) -> Result<()> {
        if (self.width, self.height) == (width, height) {
            return Ok(());
        }
        Err(Error::user(format!(
            "the label map has {}x{} pixels, its image {width}x{height}",
            self.width, self.height
        ))
        .help("make both the same size, or remove the pair"))
    }

    /// Checks that every label is one of `classes` or [`IGNORE`].
    ///
    /// # Errors
    /// Another label, with a pixel that has it.
    pub fn check_labels(&self, classes: usize) -> Result<()> {
        match self.labels.iter().position(|&l| l != IGNORE && usize::from(l) >= classes) {
            None => Ok(()),
            Some(at) => Err(Error::user(format!(
                "the pixel at column {}, row {} has the label {}, of {classes} classes",
                at % self.width,
                at / self.width,
                self.labels[at]
            ))
            .help(format!("use 0 to {}, or {IGNORE} for pixels to ignore", classes.saturating_sub(1)))),
        }
    }
}
