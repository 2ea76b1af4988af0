//! PNG files whose samples are labels: grey or palette, the palette not looked up.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;

use palimpsest_core::{Error, Result};
use palimpsest_targets::LabelMap;
use png::{BitDepth, ColorType, Decoder, Limits, Transformations};

/// Reads the samples of 1 to 8 bits as they are stored.
///
/// # Errors
/// A file that can't be read, is no PNG, is broken, too large, or has colours or 16 bits.
pub fn read_labels(path: &Path, max_pixels: u64) -> Result<LabelMap> {
    let file = File::open(path).map_err(|e| Error::io(path, &e))?;
    parse_labels(BufReader::new(file), max_pixels).map_err(|e| e.at(path.display()))
}

/// What decoding may take beside the pixels, in bytes.
const LARGEST: usize = 1 << 28;

/// As [`read_labels`], from anywhere.
///
/// # Errors
/// As [`read_labels`].
pub fn parse_labels(source: impl BufRead + Seek, max_pixels: u64) -> Result<LabelMap> {
    let broken = |e: png::DecodingError| {
        Error::user(format!("broken label map: {e}")).help("copy it again, or remove it")
    };
    let mut decoder = Decoder::new_with_limits(source, Limits { bytes: LARGEST });
    decoder.set_transformations(Transformations::IDENTITY);
    // Not needed, and they may unpack to much.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(broken)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    if width as u64 * height as u64 > max_pixels {
        return Err(Error::user(format!("its header says {width}x{height} pixels, more than {max_pixels}"))
            .help("remove it, or raise `max_pixels`"));
    }
    let (colour, depth) = (reader.info().color_type, reader.info().bit_depth);
    if !matches!(colour, ColorType::Grayscale | ColorType::Indexed) || depth == BitDepth::Sixteen {
        return Err(Error::user(format!(
            "a PNG of {colour:?} samples of {} bits, not of labels",
            depth as u8
        ))
        .help("save labels as an 8-bit grey or palette PNG"));
    }
    let size = reader.output_buffer_size().ok_or_else(|| {
        Error::user(format!("its header says {width}x{height} pixels")).help("copy it again, or remove it")
    })?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(broken)?;
    let bits = depth as usize;
    let mut labels = Vec::with_capacity(width * height);
    for row in bytes.chunks(frame.line_size.max(1)).take(height) {
        // The first sample is in the highest bits.
        labels.extend((0..width).map(|x| {
            let at = x * bits;
            row[at / 8] >> (8 - bits - at % 8) & (((1u16 << bits) - 1) as u8)
        }));
    }
    Ok(LabelMap::new(width, height, labels))
}
