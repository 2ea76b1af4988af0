//! Reads the samples of a WebP.

use std::io::Cursor;

use image_webp::WebPDecoder;
use palimpsest_core::Result;

use crate::decode::{DecodeOptions, broken, check_size};
use crate::pipeline::stored_samples::StoredSamples;

/// Lossy or lossless; of an animation the first image is taken.
pub(super) fn read(bytes: &[u8], options: DecodeOptions) -> Result<StoredSamples> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(broken)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(width, height, options)?;
    let alpha = decoder.has_alpha();
    let size = width * height * (3 + usize::from(alpha));
    let mut bytes = vec![0; size];
    decoder.read_image(&mut bytes).map_err(broken)?;
    Ok(StoredSamples { width, height, colours: 3, alpha, wide: false, bytes })
}
