//! How often each class was taken for each other.

use palimpsest_core::head::MetricState;
use palimpsest_core::{Error, Result};

/// Counts of (truth, prediction).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// Without any sample.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Of predicted and true classes, sample by sample.
    ///
    /// # Errors
    /// As [`ConfusionMatrix::add`].
    pub fn of(classes: usize, truth: &[i64], predicted: &[i64]) -> Result<Self> {
        let mut matrix = Self::new(classes);
        matrix.add(truth, predicted, None)?;
        Ok(matrix)
    }

    /// Counts samples (or pixels), all but those whose truth is `ignore`.
    ///
    /// # Errors
    /// Lengths that differ, or a class out of range.
    pub fn add<T: Copy + Into<i64>, P: Copy + Into<i64>>(
        &mut self,
        truth: &[T],
        predicted: &[P],
        ignore: Option<i64>,
    ) -> Result<()> {
        if truth.len() != predicted.len() {
            return Err(Error::failure(format!(
                "{} predictions for {} labels",
                predicted.len(),
                truth.len()
            )));
        }
        for (at, (&truth, &predicted)) in truth.iter().zip(predicted).enumerate() {
            let (truth, predicted) = (truth.into(), predicted.into());
            if Some(truth) == ignore {
                continue;
            }
            let (row, column) = (self.class("label", truth, at)?, self.class("prediction", predicted, at)?);
            self.counts[row * self.classes + column] += 1;
        }
        Ok(())
    }

    fn class(&self, what: &str, value: i64, at: usize) -> Result<usize> {
        usize::try_from(value).ok().filter(|&class| class < self.classes).ok_or_else(|| {
            Error::user(format!("the {what} at {at} is {value}, of {} classes", self.classes))
                .help("use the classes that the metric was made for")
        })
    }

    /// Puts the counts into a state.
    pub fn put(&self, state: &mut MetricState) {
        state.put(&self.counts);
    }

    /// Adds the counts that [`ConfusionMatrix::put`] has put.
    ///
    /// # Errors
    /// A state of another metric.
    pub fn absorb(&mut self, state: &mut MetricState) -> Result<()> {
        let counts = state.take::<u64>()?;
        if counts.len() != self.counts.len() {
            return Err(Error::failure(format!("{} counts of {} classes", counts.len(), self.classes)));
        }
        self.counts.iter_mut().zip(counts).for_each(|(own, other)| *own += other);
        Ok(())
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How often `truth` was taken for `predicted`.
    ///
    /// # Panics
    /// If a class is out of range.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        assert!(predicted < self.classes, "a class");
        self.counts[truth * self.classes + predicted]
    }

    /// How often a class was true.
    pub fn truths(&self, class: usize) -> u64 {
        self.counts[class * self.classes..][..self.classes].iter().sum()
    }

    /// How often a class was predicted.
    pub fn predictions(&self, class: usize) -> u64 {
        self.counts.iter().skip(class).step_by(self.classes).sum()
    }

    /// How many samples were counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The share that was predicted rightly; not a number without samples.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..self.classes).map(|c| self.count(c, c)).sum();
        right as f64 / self.total() as f64
    }

    /// The share of each class that was predicted rightly (its recall); none for a class that never
    /// was true.
    pub fn class_accuracy(&self, class: usize) -> Option<f64> {
        let truths = self.truths(class);
        (truths > 0).then(|| self.count(class, class) as f64 / truths as f64)
    }

    /// The mean of [`ConfusionMatrix::class_accuracy`] over the classes that occur: scikit-learn's
    /// balanced accuracy. Not a number without samples.
    pub fn mean_class_accuracy(&self) -> f64 {
        mean((0..self.classes).filter_map(|c| self.class_accuracy(c)))
    }
}

/// The mean, not a number of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), v| (sum + v, count + 1));
    sum / count as f64
}
