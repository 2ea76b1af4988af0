//! Crop, resize and window of images of any samples and channels, a channel at a time.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::{ResizeAlg, ResizeOptions};
use palimpsest_core::data::Image;
use palimpsest_core::{Error, Result};

use crate::augment::{Border, Filter, PixelBox};
use crate::pipeline::sample_type::SampleType;
use crate::transform::{Scratch, filter_type, reflect};

/// What is cut out of an image, and how it is laid into the result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// The part of the image.
    pub(crate) source: PixelBox,
    /// Its width and height after resizing.
    pub(crate) resized: (usize, usize),
    /// Left and top of the result in the resized part; may lie outside.
    pub(crate) window: (i64, i64),
    /// Width and height of the result.
    pub(crate) size: (usize, usize),
    /// What lies outside.
    pub(crate) border: Border,
    /// Whether the result is mirrored left-right.
    pub(crate) flip: bool,
    /// How it is resized.
    pub(crate) filter: Filter,
}

/// Gives each sample of the result to `put`, as (channel, place in its plane, sample); none outside of a black border.
pub(crate) fn cut_planes<T: SampleType>(
    image: &Image<&[T]>,
    cut: Cut,
    scratch: &mut Scratch,
    mut put: impl FnMut(usize, usize, Option<T>),
) -> Result<()> {
    let PixelBox { left, top, width, height } = cut.source;
    let (resizer, [source, resized]) = T::buffers(scratch);
    let (wide, high) = cut.resized;
    let (across, down) = cut.size;
    let locate = |at: i64, side: usize| match cut.border {
        _ if (0..side as i64).contains(&at) => Some(at as usize),
        Border::Reflect => Some(reflect(at, side)),
        Border::Black => None,
    };
    let columns: Vec<Option<usize>> = (0..across)
        .map(|x| {
            let x = if cut.flip { across - 1 - x } else { x };
            locate(cut.window.0 + x as i64, wide)
        })
        .collect();
    for channel in 0..image.channels {
        source.clear();
        for row in image.pixels.chunks_exact(image.width * image.channels).skip(top).take(height) {
            let row = &row[left * image.channels..(left + width) * image.channels];
            source.extend(row.iter().skip(channel).step_by(image.channels).map(|sample| sample.pixel()));
        }
        let plane = if (width, height) == cut.resized {
            &*source
        } else {
            resized.resize(wide * high, T::Pixel::default());
            let wrong = |e: &dyn std::fmt::Display| {
                Error::failure(format!("can't resize {:?} of an image to {wide}x{high}: {e}", cut.source))
            };
            let from = TypedImageRef::new(width as u32, height as u32, source).map_err(|e| wrong(&e))?;
            let to = TypedImage::from_pixels_slice(wide as u32, high as u32, resized);
            let mut to = to.map_err(|e| wrong(&e))?;
            let options = ResizeOptions::new()
                .resize_alg(ResizeAlg::Convolution(filter_type(cut.filter)))
                .use_alpha(false);
            resizer.resize_typed(&from, &mut to, &options).map_err(|e| wrong(&e))?;
            &*resized
        };
        for y in 0..down {
            let row = locate(cut.window.1 + y as i64, high).map(|row| &plane[row * wide..(row + 1) * wide]);
            for (x, column) in columns.iter().enumerate() {
                let sample = row.zip(*column).map(|(row, column)| T::of_pixel(row[column]));
                put(channel, y * across + x, sample);
            }
        }
    }
    Ok(())
}
