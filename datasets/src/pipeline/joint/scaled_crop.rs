//! Random resize, then a crop that no single class may fill: mmsegmentation's `RandomResize` and
//! `RandomCrop` with `cat_max_ratio`.

use palimpsest_core::random::Philox;
use palimpsest_core::{Error, Result};
use palimpsest_targets::{IGNORE, LabelMap};

use super::Framing;
use super::framing::scaled;

/// How often another crop is drawn where one class has too much of it.
const TRIES: usize = 10;

/// A random resize and a crop of fixed size, for segmentation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScaledCrop {
    /// Width and height of the result; a smaller image is padded at right and bottom.
    pub size: (usize, usize),
    /// What the image is fitted into at factor 1: its longer and its shorter side.
    pub base: (usize, usize),
    /// The least and greatest factor.
    pub scale: (f64, f64),
    /// The most of a crop's labelled pixels that one class may have; 1 for no limit.
    pub most_of_one: f64,
    /// The probability of a horizontal flip.
    pub flip: f32,
}

impl ScaledCrop {
    /// mmsegmentation's numbers for ADE20K: longer side up to 4 x the crop, shorter side the crop's,
    /// times 0.5 to 2; at most 75 % of one class; half of them flipped.
    pub fn new(side: usize) -> Self {
        Self { size: (side, side), base: (4 * side, side), scale: (0.5, 2.0), most_of_one: 0.75, flip: 0.5 }
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// A number out of range.
    pub fn check(&self) -> Result<()> {
        let (least, greatest) = self.scale;
        let wrong = |text: String, help: &str| Err(Error::user(text).help(help));
        if self.size.0 == 0 || self.size.1 == 0 || self.base.0 == 0 || self.base.1 == 0 {
            return wrong(
                format!("a crop of {:?} pixels from a base of {:?}", self.size, self.base),
                "use at least a pixel",
            );
        }
        if !(least > 0.0 && least <= greatest && greatest <= 100.0) {
            return wrong(
                format!("scale {least}..{greatest} is not a range of factors"),
                "use 0 < least <= greatest <= 100",
            );
        }
        if !(self.most_of_one > 0.0 && self.most_of_one <= 1.0) {
            return wrong(format!("most_of_one = {} is not a share", self.most_of_one), "use 0 to 1");
        }
        if !(0.0..=1.0).contains(&self.flip) {
            return wrong(format!("flip = {} is not a probability", self.flip), "use 0 to 1");
        }
        Ok(())
    }

    /// Draws a framing of an image with these labels.
    pub fn draw(&self, map: &LabelMap, random: &mut Philox) -> Framing {
        let size = (map.width, map.height);
        let factor = self.scale.0 + (self.scale.1 - self.scale.0) * random.uniform_f64();
        let (long, short) = (self.base.0.max(self.base.1), self.base.0.min(self.base.1));
        let fits = (long as f64 / size.0.max(size.1) as f64).min(short as f64 / size.0.min(size.1) as f64);
        let resized = scaled(size, factor * fits);
        let flip = self.flip > 0.0 && random.uniform() < self.flip;
        let mut framing = Framing { size: self.size, flip, ..Framing::resize(size, resized) };
        let mut offset = |have: usize, want: usize| random.below(have.saturating_sub(want) + 1) as i64;
        let mut window = || (offset(resized.0, self.size.0), offset(resized.1, self.size.1));
        framing.window = window();
        for _ in 0..TRIES {
            if self.most_of_one >= 1.0 || self.mixed(&framing, map) {
                break;
            }
            framing.window = window();
        }
        framing
    }

    /// Whether a crop has more than one class, and none of them too much of it.
    fn mixed(&self, framing: &Framing, map: &LabelMap) -> bool {
        let (columns, rows) = framing.columns_and_rows();
        let mut counts = [0usize; 256];
        for y in rows.into_iter().flatten() {
            for x in columns.iter().flatten() {
                counts[usize::from(map.labels[y * map.width + x])] += 1;
            }
        }
        let classes = &counts[..usize::from(IGNORE)];
        let (most, all) = (classes.iter().max().copied().unwrap_or(0), classes.iter().sum::<usize>());
        most < all && (most as f64) < self.most_of_one * all as f64
    }
}
