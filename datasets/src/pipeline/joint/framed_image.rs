//! The image as framed.

use palimpsest_core::Result;
use palimpsest_core::data::{Image, Image8, Samples};

use super::Framing;
use crate::augment::{Border, Filter};
use crate::pipeline::planes::{Cut, cut_planes};
use crate::pipeline::sample_type::SampleType;
use crate::transform::{Scratch, resize};

impl Framing {
    /// The image as framed; padding has the value `fill` of 255 in each channel.
    ///
    /// # Errors
    /// An image that the source doesn't lie in.
    pub fn image(&self, image: &Image, fill: u8, filter: Filter, scratch: &mut Scratch) -> Result<Image> {
        self.check("image", image.width, image.height)?;
        match &image.pixels {
            Samples::U8(pixels) if matches!(image.channels, 1 | 3) => {
                self.interleaved(&image.with_pixels(pixels), fill, filter, scratch).map(Image::from)
            }
            Samples::U8(pixels) => self.by_planes(&image.with_pixels(&**pixels), fill, filter, scratch),
            Samples::U16(pixels) => self.by_planes(&image.with_pixels(&**pixels), fill, filter, scratch),
            Samples::F32(pixels) => self.by_planes(&image.with_pixels(&**pixels), fill, filter, scratch),
        }
    }

    /// Grey or RGB of 8 bits.
    fn interleaved(
        &self,
        image: &Image<&[u8]>,
        fill: u8,
        filter: Filter,
        scratch: &mut Scratch,
    ) -> Result<Image8> {
        let channels = image.channels;
        let source = self.source;
        // Without resampling, the image's own rows are read.
        let same = (source.width, source.height) == self.resized;
        let (pixels, stride, start) = if same {
            (image.pixels, image.width, source.top * image.width + source.left)
        } else {
            resize(image, source, self.resized, filter, scratch)?;
            (&*scratch.resized, self.resized.0, 0)
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

    fn by_planes<T: SampleType>(
        &self,
        image: &Image<&[T]>,
        fill: u8,
        filter: Filter,
        scratch: &mut Scratch,
    ) -> Result<Image>
    where
        Samples: From<Vec<T>>,
    {
        let &Self { source, resized, window, size, flip } = self;
        let ((width, height), channels) = (size, image.channels);
        let cut = Cut { source, resized, window, size, border: Border::Black, flip, filter };
        let mut framed = vec![T::of_8_bit(fill); width * height * channels];
        cut_planes(image, cut, scratch, |channel, at, sample: Option<T>| {
            if let Some(sample) = sample {
                framed[at * channels + channel] = sample;
            }
        })?;
        Ok(Image { width, height, channels, pixels: framed.into() })
    }
}

/// [channels, height, width] values `(v - mean) / std` of an image, v in 0..1.
///
/// # Panics
/// If there isn't a mean and a deviation for each channel.
pub fn planes(image: &Image, mean: &[f32], std: &[f32]) -> Vec<f32> {
    assert!(mean.len() == image.channels && std.len() == image.channels, "a mean for each channel");
    fn of<T: SampleType>(pixels: &[T], mean: &[f32], std: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(pixels.len());
        let channels = mean.len();
        for (channel, (mean, std)) in mean.iter().zip(std).enumerate() {
            let samples = pixels.iter().skip(channel).step_by(channels);
            out.extend(samples.map(|&v| (v.unit() - mean) / std));
        }
        out
    }
    match &image.pixels {
        Samples::U8(pixels) => of(pixels, mean, std),
        Samples::U16(pixels) => of(pixels, mean, std),
        Samples::F32(pixels) => of(pixels, mean, std),
    }
}
