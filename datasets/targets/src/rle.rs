//! Run-length encoded masks as COCO has them: runs of zeros and ones in turn, beginning with zeros,
//! down the columns.

use palimpsest_core::{Error, Result};

use crate::BoundingBox;

/// A binary mask. Only the first run may be empty, so equal masks are equal values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rle {
    width: usize,
    height: usize,
    counts: Vec<u32>,
}

impl Rle {
    /// From runs (zeros first), down the columns of a mask of `width` x `height`.
    ///
    /// # Errors
    /// Runs that don't sum up to the mask's pixels.
    pub fn new(width: usize, height: usize, counts: &[u32]) -> Result<Self> {
        let pixels = width as u64 * height as u64;
        let sum: u64 = counts.iter().map(|&c| u64::from(c)).sum();
        if pixels > u64::from(u32::MAX) {
            return Err(Error::user(format!("a mask of {width}x{height} pixels is too large"))
                .help("use images of at most 4 Gi pixels"));
        }
        if sum != pixels {
            return Err(Error::user(format!(
                "the runs of the mask have {sum} pixels, its size {width}x{height} has {pixels}"
            ))
            .help("give `size` as [height, width] and runs down the columns"));
        }
        Ok(Self::collect(width, height, counts.iter().enumerate().map(|(i, &c)| (i % 2 == 1, c))))
    }

    /// Joins runs of (value, length) that cover the mask.
    pub(crate) fn collect(width: usize, height: usize, runs: impl Iterator<Item = (bool, u32)>) -> Self {
        let mut counts = vec![0];
        for (value, length) in runs.filter(|(_, length)| *length > 0) {
            if value != (counts.len() % 2 == 0) {
                counts.push(0);
            }
            if let Some(last) = counts.last_mut() {
                *last += length;
            }
        }
        Self { width, height, counts }
    }

    /// A mask of zeros.
    pub fn empty(width: usize, height: usize) -> Self {
        Self { width, height, counts: vec![(width * height) as u32] }
    }

    /// Encodes [height, width] values, row by row; all but 0 are ones.
    ///
    /// # Panics
    /// If there are not `width * height` values.
    pub fn encode(width: usize, height: usize, rows: &[u8]) -> Self {
        assert_eq!(rows.len(), width * height, "values of a mask of {width}x{height}");
        Self::from_fn(width, height, |x, y| rows[y * width + x] != 0)
    }

    /// Encodes what `inside` says of each (column, row).
    pub fn from_fn(width: usize, height: usize, mut inside: impl FnMut(usize, usize) -> bool) -> Self {
        let (mut counts, mut last) = (vec![0], false);
        for x in 0..width {
            for y in 0..height {
                if inside(x, y) != last {
                    last = !last;
                    counts.push(0);
                }
                if let Some(run) = counts.last_mut() {
                    *run += 1;
                }
            }
        }
        Self { width, height, counts }
    }

    /// [height, width] values 0 and 1, row by row.
    pub fn decode(&self) -> Vec<u8> {
        let mut rows = vec![0; self.width * self.height];
        for (start, length) in self.ones() {
            for at in start..start + length {
                rows[at % self.height * self.width + at / self.height] = 1;
            }
        }
        rows
    }

    /// Start and length of each run of ones, counted down the columns.
    pub fn ones(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let mut end = 0;
        self.counts.chunks(2).filter_map(move |pair| {
            let start = end + pair[0] as usize;
            let length = *pair.get(1)? as usize;
            end = start + length;
            Some((start, length))
        })
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The runs, zeros first.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// How many ones there are.
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|&c| u64::from(c)).sum()
    }

    /// The smallest box around the ones; 0, 0, 0, 0 where there are none.
    pub fn bounds(&self) -> BoundingBox {
        let (mut left, mut right, mut top, mut bottom) = (usize::MAX, 0, usize::MAX, 0);
        for (start, length) in self.ones() {
            let last = start + length - 1;
            let (first_column, last_column) = (start / self.height, last / self.height);
            left = left.min(first_column);
            right = right.max(last_column + 1);
            if first_column == last_column {
                top = top.min(start % self.height);
                bottom = bottom.max(last % self.height + 1);
            } else {
                (top, bottom) = (0, self.height);
            }
        }
        if right == 0 {
            return BoundingBox::new(0.0, 0.0, 0.0, 0.0);
        }
        BoundingBox::from_edges(left as f64, top as f64, right as f64, bottom as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_go_down_the_columns() {
        // .#
        // ##
        let mask = Rle::encode(2, 2, &[0, 1, 1, 1]);
        assert_eq!(mask.counts(), [1, 3]);
        assert_eq!(mask.decode(), [0, 1, 1, 1]);
        assert_eq!((mask.area(), mask.bounds()), (3, BoundingBox::new(0.0, 0.0, 2.0, 2.0)));
        assert_eq!(Rle::new(2, 2, &[1, 1, 0, 2, 0]).expect("sums up"), mask);
        assert_eq!(Rle::encode(1, 2, &[1, 1]).counts(), [0, 2]);
        assert_eq!(Rle::empty(3, 2), Rle::encode(3, 2, &[0; 6]));
    }

    #[test]
    fn wrong_sums_are_refused() {
        let error = Rle::new(3, 2, &[1, 6]).expect_err("7 of 6").to_string();
        assert!(error.contains("have 7 pixels, its size 3x2 has 6"), "{error}");
    }
}
