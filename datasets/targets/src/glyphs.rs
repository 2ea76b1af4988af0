//! Text in images, in a fixed font of 8 x 8 pixels (ASCII).

use font8x8::legacy::BASIC_LEGACY;

/// Width and height of a glyph.
pub(crate) const GLYPH: usize = 8;

/// Writes a line into RGB rows of `width` pixels; what lies outside is cut off.
pub(crate) fn write(rgb: &mut [u8], width: usize, (left, top): (usize, usize), text: &str, ink: [u8; 3]) {
    let height = rgb.len() / 3 / width.max(1);
    for (i, character) in text.chars().enumerate() {
        let glyph = BASIC_LEGACY.get(character as usize).unwrap_or(&BASIC_LEGACY['?' as usize]);
        for (y, bits) in glyph.iter().enumerate().filter(|(y, _)| top + y < height) {
            for x in (0..GLYPH).filter(|x| bits >> x & 1 == 1) {
                let column = left + i * GLYPH + x;
                if column < width {
                    let at = ((top + y) * width + column) * 3;
                    rgb[at..at + 3].copy_from_slice(&ink);
                }
            }
        }
    }
}
