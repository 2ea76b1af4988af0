//! Intersections and unions of run-length masks, without decoding them.

use crate::Rle;

/// The runs of two masks of one size, cut at both's ends: (first, second, length).
struct Zip<'a> {
    runs: [std::slice::Iter<'a, u32>; 2],
    left: [u32; 2],
    values: [bool; 2],
}

impl<'a> Zip<'a> {
    fn new(a: &'a Rle, b: &'a Rle) -> Self {
        // The values turn with each run that is taken; the first taken is one of zeros.
        Self { runs: [a.counts().iter(), b.counts().iter()], left: [0; 2], values: [true; 2] }
    }
}

impl Iterator for Zip<'_> {
    type Item = (bool, bool, u32);

    fn next(&mut self) -> Option<Self::Item> {
        for side in 0..2 {
            while self.left[side] == 0 {
                self.left[side] = *self.runs[side].next()?;
                self.values[side] = !self.values[side];
            }
        }
        let length = self.left[0].min(self.left[1]);
        self.left.iter_mut().for_each(|left| *left -= length);
        Some((self.values[0], self.values[1], length))
    }
}

impl Rle {
    /// Whether both masks have the same size.
    pub fn same_size(&self, other: &Self) -> bool {
        (self.width(), self.height()) == (other.width(), other.height())
    }

    fn merged(&self, other: &Self, value: impl Fn(bool, bool) -> bool) -> Self {
        assert!(self.same_size(other), "masks of one size");
        let runs = Zip::new(self, other).map(|(a, b, length)| (value(a, b), length));
        Self::collect(self.width(), self.height(), runs)
    }

    /// What is in either.
    ///
    /// # Panics
    /// If the sizes differ.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.merged(other, |a, b| a || b)
    }

    /// What is in both.
    ///
    /// # Panics
    /// If the sizes differ.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.merged(other, |a, b| a && b)
    }

    /// Intersection over union; with a crowd as `truth`, intersection over the own area. 0 where
    /// nothing is in both.
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn iou(&self, truth: &Self, crowd: bool) -> f64 {
        assert!(self.same_size(truth), "masks of one size");
        let (mut both, mut either) = (0u64, 0u64);
        for (a, b, length) in Zip::new(self, truth) {
            both += u64::from(a && b) * u64::from(length);
            either += u64::from(a || b) * u64::from(length);
        }
        match both {
            0 => 0.0,
            both => both as f64 / if crowd { self.area() } else { either } as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_masks() {
        let a = Rle::encode(3, 2, &[1, 1, 0, 1, 1, 0]);
        let b = Rle::encode(3, 2, &[0, 1, 1, 0, 1, 1]);
        assert_eq!(a.union(&b).decode(), [1; 6]);
        assert_eq!(a.intersection(&b).decode(), [0, 1, 0, 0, 1, 0]);
        assert_eq!((a.iou(&b, false), a.iou(&b, true)), (2.0 / 6.0, 0.5));
        let nothing = Rle::empty(3, 2);
        assert_eq!((a.iou(&nothing, false), nothing.iou(&nothing, true)), (0.0, 0.0));
    }
}
