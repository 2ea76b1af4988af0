//! Sizes of images.

use serde::Serialize;

/// How large the images of a part are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sizes {
    /// Width in pixels.
    pub width: Spread,
    /// Height in pixels.
    pub height: Spread,
    /// The shorter side in pixels.
    pub shorter: Spread,
    /// Width over height.
    pub aspect: Spread,
    /// Shorter sides by their number.
    pub shorter_histogram: Histogram,
    /// Aspect ratios by their number.
    pub aspect_histogram: Histogram,
}

/// The least, the median and the largest of some values; the median of an even number is between the middle two.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The least.
    #[serde(rename = "min")]
    pub least: f64,
    /// The median.
    pub median: f64,
    /// The largest.
    #[serde(rename = "max")]
    pub most: f64,
}

/// Values by their number, in bins of one width.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram(pub Vec<Bin>);

/// A bin of a histogram: values of at least `from` and below `to`; the last one has those of `to` too.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Its lower end.
    pub from: f64,
    /// Its upper end.
    pub to: f64,
    /// How many values.
    pub images: usize,
}

impl Sizes {
    /// Of widths and heights; none where there are none.
    pub(super) fn of(sizes: &[[u32; 2]]) -> Option<Self> {
        let values = |of: fn(f64, f64) -> f64| -> Vec<f64> {
            let mut values: Vec<f64> =
                sizes.iter().map(|&[width, height]| of(f64::from(width), f64::from(height))).collect();
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        let (shorter, aspect) = (values(f64::min), values(|width, height| width / height));
        Some(Self {
            width: Spread::of(&values(|width, _| width))?,
            height: Spread::of(&values(|_, height| height))?,
            shorter: Spread::of(&shorter)?,
            aspect: Spread::of(&aspect)?,
            shorter_histogram: Histogram::of(&shorter, 1.0),
            aspect_histogram: Histogram::of(&aspect, 0.0),
        })
    }
}

impl Spread {
    /// Of values in ascending order.
    fn of(values: &[f64]) -> Option<Self> {
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some(Self { least, median, most })
    }
}

/// Bins of a histogram at most.
const BINS: usize = 24;

impl Histogram {
    /// Of values in ascending order. With a `grain` bins are so wide, or a whole number of times.
    fn of(values: &[f64], grain: f64) -> Self {
        let (Some(&least), Some(&most)) = (values.first(), values.last()) else { return Self(vec![]) };
        let range = most - least + grain;
        if range <= 0.0 {
            return Self(vec![Bin { from: least, to: most, images: values.len() }]);
        }
        let mut width = range / BINS as f64;
        if grain > 0.0 {
            width = (width / grain).ceil() * grain;
        }
        let count = ((range / width).ceil() as usize).max(1);
        let edge = |bin: usize| least + width * bin as f64;
        let mut bins: Vec<Bin> =
            (0..count).map(|bin| Bin { from: edge(bin), to: edge(bin + 1), images: 0 }).collect();
        for value in values {
            bins[(((value - least) / width) as usize).min(count - 1)].images += 1;
        }
        Self(bins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_between_the_middle_two() {
        let median = |values: &[f64]| Spread::of(values).expect("values").median;
        assert_eq!(median(&[1.0]), 1.0);
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
    }

    #[test]
    fn every_value_is_in_a_bin() {
        for (values, grain) in [
            (vec![28.0; 9], 1.0),
            ((1..=100).map(f64::from).collect::<Vec<_>>(), 1.0),
            (vec![0.1, 0.5, 2.0, 3.0], 0.0),
            (vec![1.0; 3], 0.0),
        ] {
            let Histogram(bins) = Histogram::of(&values, grain);
            assert_eq!(bins.iter().map(|bin| bin.images).sum::<usize>(), values.len());
            assert!(bins.len() <= BINS && bins[0].from == values[0], "{bins:?}");
            assert!(bins.windows(2).all(|two| two[0].to == two[1].from));
        }
        assert_eq!(Histogram::of(&[28.0; 9], 1.0).0, [Bin { from: 28.0, to: 29.0, images: 9 }]);
    }
}
