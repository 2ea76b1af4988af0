//! bfloat16 and f32: the upper half of its bits.

use half::bf16;

use crate::vectorised;

vectorised! {
    /// Rounds to the nearest, ties to even; a NaN stays one.
    ///
    /// # Panics
    /// The slices differ in length.
    pub fn round(from: &[f32], to: &mut [bf16]) {
        assert_eq!(from.len(), to.len());
        for (from, to) in from.iter().zip(to) {
            let bits = from.to_bits();
            let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
            let quiet = bits >> 16 | 0x40;
            let nan = bits & 0x7fff_ffff > 0x7f80_0000;
            *to = bf16::from_bits(if nan { quiet } else { rounded } as u16);
        }
    }

    /// The same values in f32.
    ///
    /// # Panics
    /// The slices differ in length.
    pub fn widen(from: &[bf16], to: &mut [f32]) {
        assert_eq!(from.len(), to.len());
        for (from, to) in from.iter().zip(to) {
            *to = f32::from_bits(u32::from(from.to_bits()) << 16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the `half` crate: every bfloat16, and f32 around each, halfway and beyond.
    #[test]
    fn rounds_as_half_does() {
        let from: Vec<f32> = (0..=u16::MAX)
            .flat_map(|high| [0u32, 1, 0x7fff, 0x8000, 0x8001, 0xffff].map(|low| u32::from(high) << 16 | low))
            .map(f32::from_bits)
            .collect();
        let mut to = vec![bf16::ZERO; from.len()];
        round(&from, &mut to);
        for (from, to) in from.iter().zip(&to) {
            assert_eq!(to.to_bits(), bf16::from_f32(*from).to_bits(), "{from} {:#x}", from.to_bits());
        }
        let mut back = vec![0.0; to.len()];
        widen(&to, &mut back);
        assert!(to.iter().zip(&back).all(|(to, back)| to.to_f32().to_bits() == back.to_bits()));
    }
}
