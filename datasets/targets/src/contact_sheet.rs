//! A grid of small images with captions, as a PNG.

use std::path::Path;

use palimpsest_core::data::{Image, Image8};
use palimpsest_core::stored::write_atomically;
use palimpsest_core::{Error, Result};

use crate::colour::{shown_as_rgb, shown_by_default};
use crate::glyphs::{self, GLYPH};

const MARGIN: usize = 6;
const LEAST_SIDE: usize = 128;
const BACKGROUND: u8 = 255;
const INK: u8 = 32;

/// An image of a contact sheet: 8-bit RGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
    caption: String,
}

impl Tile {
    /// From [height, width, 3] samples.
    ///
    /// # Panics
    /// If `rgb` has another length.
    pub fn from_rgb(width: usize, height: usize, rgb: Vec<u8>) -> Self {
        assert_eq!(rgb.len(), width * height * 3, "samples of the image");
        Self { width, height, rgb, caption: String::new() }
    }

    /// From a decoded image, of which three channels are shown.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn from_image(image: &Image, shown: [usize; 3]) -> Self {
        shown_as_rgb(image, shown).into()
    }

    /// From normalised [channels, height, width] values, as a batch has them: `v * std + mean`, cut to
    /// 0..1. What is not a number is drawn magenta, so that it is seen. The first three channels are shown, or the first
    /// of fewer.
    ///
    /// # Panics
    /// If the lengths don't fit.
    pub fn from_planes(planes: &[f32], width: usize, height: usize, mean: &[f32], std: &[f32]) -> Self {
        Self::from_channels(planes, (width, height), mean, std, shown_by_default(mean.len()))
    }

    /// The same, of the channels that are to be shown as red, green and blue.
    ///
    /// # Panics
    /// If the lengths don't fit, or there is no such channel.
    pub fn from_channels(
        planes: &[f32],
        (width, height): (usize, usize),
        mean: &[f32],
        std: &[f32],
        shown: [usize; 3],
    ) -> Self {
        let (channels, plane) = (mean.len(), width * height);
        assert!(std.len() == channels, "a mean and a deviation for each channel");
        assert_eq!(planes.len(), channels * plane, "values of the image");
        let mut rgb = Vec::with_capacity(3 * plane);
        for at in 0..plane {
            let values = shown.map(|c| planes[c * plane + at] * std[c] + mean[c]);
            if values.iter().any(|v| v.is_nan()) {
                rgb.extend([255, 0, 255]);
            } else {
                rgb.extend(values.map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8));
            }
        }
        Self::from_rgb(width, height, rgb)
    }

    /// With a line of text below (ASCII; what doesn't fit is cut off).
    #[must_use]
    pub fn caption(mut self, text: impl Into<String>) -> Self {
        self.caption = text.into();
        self
    }
}

impl From<Image8> for Tile {
    /// # Panics
    /// If the image isn't RGB.
    fn from(image: Image8) -> Self {
        Self::from_rgb(image.width, image.height, image.pixels)
    }
}

/// Rows of images under column captions. Small images are enlarged by a whole factor, nearest
/// neighbour, so that each of their pixels is seen.
#[derive(Debug, Clone)]
pub struct ContactSheet {
    columns: usize,
    captions: Vec<String>,
    rows: Vec<Vec<Tile>>,
}

impl ContactSheet {
    /// An empty sheet. `captions` stand above the columns; there may be fewer, or none.
    ///
    /// # Panics
    /// If there are no columns.
    pub fn new(columns: usize, captions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        assert!(columns > 0, "a contact sheet has columns");
        Self { columns, captions: captions.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds images; more than fit in a row begin the next one.
    pub fn push_row(&mut self, tiles: Vec<Tile>) {
        let mut tiles = tiles.into_iter().peekable();
        while tiles.peek().is_some() {
            self.rows.push(tiles.by_ref().take(self.columns).collect());
        }
    }

    /// Draws the sheet as RGB.
    pub fn draw(&self) -> Image8 {
        let tiles = || self.rows.iter().flatten();
        let side = tiles().map(|p| p.width.max(p.height)).max().unwrap_or(1).max(1);
        let factor = LEAST_SIDE.div_ceil(side).max(1);
        let cell_width = tiles().map(|p| p.width).max().unwrap_or(1) * factor;
        let cell_height = tiles().map(|p| p.height).max().unwrap_or(1) * factor;
        let line = GLYPH + MARGIN;
        let head = if self.captions.is_empty() { 0 } else { line };
        let foot = if tiles().any(|p| !p.caption.is_empty()) { line } else { 0 };
        let (across, down) = (cell_width + MARGIN, cell_height + foot + MARGIN);
        let mut canvas = Canvas::new(MARGIN + self.columns * across, MARGIN + head + self.rows.len() * down);
        for (column, caption) in self.captions.iter().take(self.columns).enumerate() {
            canvas.write(MARGIN + column * across, MARGIN, cell_width, caption);
        }
        for (row, tiles) in self.rows.iter().enumerate() {
            for (column, tile) in tiles.iter().enumerate() {
                let (x, y) = (MARGIN + column * across, MARGIN + head + row * down);
                canvas.draw(x, y, factor, tile);
                canvas.write(x, y + cell_height + MARGIN / 2, cell_width, &tile.caption);
            }
        }
        Image { width: canvas.width, height: canvas.height, channels: 3, pixels: canvas.rgb }
    }

    /// The sheet as a PNG.
    ///
    /// # Errors
    /// A sheet that is too large for one.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let sheet = self.draw();
        encode(&sheet).map_err(|e| Error::failure(format!("can't encode the contact sheet: {e}")))
    }

    /// Writes the sheet as a PNG, which is seen whole or not at all.
    ///
    /// # Errors
    /// A folder that can't be made or written to.
    pub fn write(&self, path: &Path) -> Result<()> {
        let png = self.to_png().map_err(|e| e.at(path.display()))?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
        }
        write_atomically(path, &png)
    }
}

fn encode(sheet: &Image8) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, sheet.width as u32, sheet.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::Adaptive);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&sheet.pixels)?;
    writer.finish()?;
    Ok(bytes)
}

struct Canvas {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, rgb: vec![BACKGROUND; width * height * 3] }
    }

    fn draw(&mut self, left: usize, top: usize, factor: usize, tile: &Tile) {
        for y in 0..tile.height * factor {
            let source = &tile.rgb[y / factor * tile.width * 3..][..tile.width * 3];
            let start = ((top + y) * self.width + left) * 3;
            let target = &mut self.rgb[start..start + tile.width * factor * 3];
            for (out, pixel) in target.chunks_exact_mut(3 * factor).zip(source.chunks_exact(3)) {
                out.chunks_exact_mut(3).for_each(|o| o.copy_from_slice(pixel));
            }
        }
    }

    /// Writes as many glyphs as fit into `room` pixels.
    fn write(&mut self, left: usize, top: usize, room: usize, text: &str) {
        let fitting: String = text.chars().take(room / GLYPH).collect();
        glyphs::write(&mut self.rgb, self.width, (left, top), &fitting, [INK; 3]);
    }
}
