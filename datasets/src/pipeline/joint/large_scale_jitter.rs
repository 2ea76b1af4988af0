//! Large-scale jitter (Ghiasi et al., "Simple copy-paste", 2021), as ViTDet trains with it: the image
//! is resized by a random factor of what would fit, a window of fixed size is taken at random, and what
//! is missing is padded at right and bottom.

use palimpsest_core::random::Philox;
use palimpsest_core::{Error, Result};

use super::Framing;
use super::framing::scaled;

/// A random resize and a crop of fixed size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LargeScaleJitter {
    /// Width and height of the result.
    pub size: (usize, usize),
    /// The least and greatest factor, of the size that fits.
    pub scale: (f64, f64),
    /// The probability of a horizontal flip.
    pub flip: f32,
}

impl LargeScaleJitter {
    /// 0.1 to 2 times, half of them flipped.
    pub fn new(width: usize, height: usize) -> Self {
        Self { size: (width, height), scale: (0.1, 2.0), flip: 0.5 }
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// A number out of range.
    pub fn check(&self) -> Result<()> {
        let (least, greatest) = self.scale;
        if self.size.0 == 0 || self.size.1 == 0 {
            return Err(Error::user(format!("a window of {}x{}", self.size.0, self.size.1))
                .help("use at least a pixel"));
        }
        if !(least > 0.0 && least <= greatest && greatest <= 100.0) {
            return Err(Error::user(format!("jitter {least}..{greatest} is not a range of factors"))
                .help("use 0 < least <= greatest <= 100"));
        }
        if !(0.0..=1.0).contains(&self.flip) {
            return Err(Error::user(format!("flip = {} is not a probability", self.flip)).help("use 0 to 1"));
        }
        Ok(())
    }

    /// Draws a framing of an image of `width` x `height`.
    pub fn draw(&self, (width, height): (usize, usize), random: &mut Philox) -> Framing {
        let factor = self.scale.0 + (self.scale.1 - self.scale.0) * random.uniform_f64();
        let fits = (self.size.0 as f64 / width as f64).min(self.size.1 as f64 / height as f64);
        let resized = scaled((width, height), factor * fits);
        let mut offset = |have: usize, want: usize| random.below(have.saturating_sub(want) + 1) as i64;
        let window = (offset(resized.0, self.size.0), offset(resized.1, self.size.1));
        let flip = self.flip > 0.0 && random.uniform() < self.flip;
        Framing { resized, window, size: self.size, flip, ..Framing::resize((width, height), resized) }
    }
}
