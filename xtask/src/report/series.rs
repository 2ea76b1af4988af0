//! A metric over a run: its points, smoothed and thinned for a drawing.

/// A value and where it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) step: f64,
    pub(super) epoch: f64,
    pub(super) value: f64,
}

/// Points in the order of their steps; a value may be not finite.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    pub(super) points: Vec<Point>,
}

impl Series {
    /// The last finite value.
    pub(super) fn last(&self) -> Option<f64> {
        self.points.iter().rev().map(|p| p.value).find(|v| v.is_finite())
    }

    /// How many values are not finite.
    pub(super) fn broken(&self) -> usize {
        self.points.iter().filter(|p| !p.value.is_finite()).count()
    }

    /// A running mean, twice over, within about a fortieth of the points. At the start its window
    /// grows with the steps done, so that a steep first descent isn't flattened.
    pub(super) fn smoothed(&self) -> Self {
        let half = self.points.len() / 120;
        if half == 0 { self.clone() } else { self.mean(half).mean(half) }
    }

    fn mean(&self, half: usize) -> Self {
        let n = self.points.len();
        let mut sums = vec![(0.0, 0.0)];
        for point in &self.points {
            let (sum, count) = sums[sums.len() - 1];
            let finite = point.value.is_finite();
            sums.push(if finite { (sum + point.value, count + 1.0) } else { (sum, count) });
        }
        let mean = |i: usize| {
            let (from, to) = (sums[i - half.min(i)], sums[n.min(i + half.min(i) + 1)]);
            if self.points[i].value.is_finite() { (to.0 - from.0) / (to.1 - from.1) } else { f64::NAN }
        };
        Self { points: (0..n).map(|i| Point { value: mean(i), ..self.points[i] }).collect() }
    }

    /// At most about `limit` points; of every bucket the extremes stay, so that no spike is lost.
    pub(super) fn thinned(&self, limit: usize) -> Self {
        let n = self.points.len();
        if n <= limit {
            return self.clone();
        }
        let size = (2 * n).div_ceil(limit);
        let mut points = vec![];
        for bucket in self.points.chunks(size) {
            let finite = || bucket.iter().filter(|p| p.value.is_finite());
            let low = finite().min_by(|a, b| a.value.total_cmp(&b.value));
            let high = finite().max_by(|a, b| a.value.total_cmp(&b.value));
            match (low, high) {
                (Some(a), Some(b)) if a.step < b.step => points.extend([*a, *b]),
                (Some(a), Some(b)) if a.step > b.step => points.extend([*b, *a]),
                (Some(a), _) => points.push(*a),
                _ => points.push(bucket[0]),
            }
        }
        Self { points }
    }

    /// Every so many points, the last one with them.
    pub(super) fn sampled(&self, limit: usize) -> Self {
        let every = self.points.len().div_ceil(limit).max(1);
        let last = self.points.len().saturating_sub(1);
        let points = self.points.iter().enumerate().filter(|(i, _)| i % every == 0 || *i == last);
        Self { points: points.map(|(_, p)| *p).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: impl IntoIterator<Item = f64>) -> Series {
        let points = values.into_iter().enumerate();
        Series { points: points.map(|(i, value)| Point { step: i as f64, epoch: 0.0, value }).collect() }
    }

    #[test]
    fn spikes_survive_thinning() {
        let thin = series((0..10_000).map(|i| if i == 4321 { 9.0 } else { (i % 2) as f64 })).thinned(200);
        assert!(thin.points.len() <= 201);
        assert!(thin.points.iter().any(|p| p.value == 9.0));
        assert!(thin.points.is_sorted_by(|a, b| a.step < b.step));
    }

    #[test]
    fn smoothing_keeps_ends_and_gaps() {
        let mut rough = series((0..800).map(|i| (i % 2) as f64));
        rough.points[400].value = f64::NAN;
        let smooth = rough.smoothed();
        assert_eq!(smooth.points[0].value, 0.0);
        assert!(smooth.points[400].value.is_nan());
        assert!((smooth.points[390].value - 0.5).abs() < 0.06);
    }

    #[test]
    fn sampling_keeps_the_last_point() {
        let sampled = series((0..1000).map(f64::from)).sampled(50);
        assert_eq!((sampled.points.len(), sampled.last()), (51, Some(999.0)));
    }
}
