//! The image as framed.

use palimpsest_core::data::Image;
use palimpsest_core::{Error, Result};

use super::Framing;
use crate::augment::Filter;
use crate::transform::{Scratch, resize};

impl Framing {
    /// The image as framed; padding has the value `fill` in each channel.
    ///
    /// # Errors
    /// An image that the source doesn't lie in, or of other than 1 or 3 channels.
    pub fn image(&self, image: &Image, fill: u8, filter: Filter, scratch: &mut Scratch) -> Result<Image> {
        self.check("image", image.width, image.height)?;
        let channels = image.channels;
        if channels != 1 && channels != 3 {
            return Err(Error::user(format!("an image of {channels} channels")).help("decode it to 1 or 3"));
        }
        let source = self.source;
        // Without resampling, the image's own rows are read.
        let same = (source.width, source.height) == self.resized;
        let (pixels, stride, start) = if same {
            (&image.pixels, image.width, source.top * image.width + source.left)
        } else {
            resize(image, source, self.resized, filter, scratch)?;
            (&scratch.resized, self.resized.0, 0)
        };
        let (width, height) = self.size;
        let mut framed = vec![fill; width * height * channels];
        for (y, row) in framed.chunks_exact_mut((width * channels).max(1)).enumerate() {
            let from = self.window.1 + y as i64;
            if !(0..self.resized.1 as i64).contains(&from) {
                continue;
            }
            for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
                let x = if self.flip { width - 1 - x } else { x };
                let column = self.window.0 + x as i64;
                if (0..self.resized.0 as i64).contains(&column) {
                    let at = (start + from as usize * stride + column as usize) * channels;
                    pixel.copy_from_slice(&pixels[at..at + channels]);
                }
            }
        }
        Ok(Image { width, height, channels, pixels: framed })
    }
}

/// [channels, height, width] values `(v / 255 - mean) / std` of an image.
///
/// # Panics
/// If there isn't a mean and a deviation for each channel.
pub fn planes(image: &Image, mean: &[f32], std: &[f32]) -> Vec<f32> {
    assert!(mean.len() == image.channels && std.len() == image.channels, "a mean for each channel");
    let mut out = Vec::with_capacity(image.pixels.len());
    for channel in 0..image.channels {
        let (mean, std) = (mean[channel], std[channel]);
        let samples = image.pixels.iter().skip(channel).step_by(image.channels);
        out.extend(samples.map(|&v| (f32::from(v) / 255.0 - mean) / std));
    }
    out
}
