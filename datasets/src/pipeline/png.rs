//! Reads the samples of a PNG.

use std::io::Cursor;

use palimpsest_core::Result;
use png::{BitDepth, ColorType, Decoder, Limits, Transformations};

use crate::decode::{DecodeOptions, broken, check_size};
use crate::pipeline::stored_samples::StoredSamples;

/// Palettes are looked up, and samples of less than 8 bits spread to 8. Of an animation the first image is taken.
pub(super) fn read(bytes: &[u8], options: DecodeOptions) -> Result<StoredSamples> {
    let most = options.max_pixels.saturating_mul(8).saturating_add(64 << 20);
    let limits = Limits { bytes: usize::try_from(most).unwrap_or(usize::MAX) };
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(broken)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_size(width, height, options)?;
    let (colour, depth) = reader.output_color_type();
    let (colours, alpha) = match colour {
        ColorType::Grayscale => (1, false),
        ColorType::GrayscaleAlpha => (1, true),
        ColorType::Rgb => (3, false),
        ColorType::Rgba => (3, true),
        ColorType::Indexed => return Err(broken("its palette is missing")),
    };
    let wide = match depth {
        BitDepth::Eight => false,
        BitDepth::Sixteen => true,
        other => return Err(broken(format_args!("samples of {} bits", other as u8))),
    };
    let size = width * height * (colours + usize::from(alpha)) * (1 + usize::from(wide));
    if reader.output_buffer_size() != Some(size) {
        return Err(broken(format_args!("its header says {width}x{height} pixels")));
    }
    let mut bytes = vec![0; size];
    reader.next_frame(&mut bytes).map_err(broken)?;
    Ok(StoredSamples { width, height, colours, alpha, wide, bytes })
}
