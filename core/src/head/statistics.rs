//! What is counted of the training targets before a head is built.

use super::{LabelSet, Values};

/// What of the training targets a head may have to know when it is built; nothing where the data don't count it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TargetStatistics {
    /// Of each label of the label sets.
    pub labels: Vec<LabelCounts>,
    /// Of each value.
    pub values: Vec<ValueStatistics>,
}

/// How many images have a label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LabelCounts {
    /// Images that have it.
    pub positives: usize,
    /// Images that haven't.
    pub negatives: usize,
}

/// A value over the images that have it.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueStatistics {
    /// What it is called.
    pub name: String,
    /// Images that have it.
    pub count: usize,
    /// Its mean; 0 without images.
    pub mean: f64,
    /// Its deviation, of the images themselves (divided by their number).
    pub deviation: f64,
}

impl TargetStatistics {
    /// Of label sets, of `count` labels each.
    pub fn of_labels<'a>(count: usize, sets: impl Iterator<Item = &'a LabelSet>) -> Self {
        let mut labels = vec![LabelCounts::default(); count];
        for set in sets {
            for (counts, has) in labels.iter_mut().zip(set.iter()) {
                counts.positives += usize::from(has == Some(true));
                counts.negatives += usize::from(has == Some(false));
            }
        }
        Self { labels, values: vec![] }
    }

    /// Of numbers, each under its name.
    pub fn of_values<'a>(names: &[String], all: impl Iterator<Item = &'a Values> + Clone) -> Self {
        let of = |(place, name): (usize, &String)| {
            let known = || {
                all.clone().filter_map(move |values| values.0.get(place).copied().flatten()).map(f64::from)
            };
            let count = known().count();
            let n = count.max(1) as f64;
            let mean = known().sum::<f64>() / n;
            // Around the mean: a year has few digits to spare for its square.
            let square = known().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
            ValueStatistics { name: name.clone(), count, mean, deviation: square.sqrt() }
        };
        Self { labels: vec![], values: names.iter().enumerate().map(of).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_left_out() {
        let all =
            [Values(vec![Some(1.0), None]), Values(vec![Some(3.0), Some(2000.5)]), Values(vec![None, None])];
        let names = ["a".to_owned(), "b".to_owned()];
        let TargetStatistics { values, .. } = TargetStatistics::of_values(&names, all.iter());
        assert_eq!((values[0].count, values[0].mean, values[0].deviation), (2, 2.0, 1.0));
        assert_eq!((values[1].count, values[1].mean, values[1].deviation), (1, 2000.5, 0.0));
        let mut set = LabelSet::unknown(2);
        set.set(1, Some(true));
        let sets = [LabelSet::none_of(2), set];
        let counts = |positives, negatives| LabelCounts { positives, negatives };
        let TargetStatistics { labels, .. } = TargetStatistics::of_labels(2, sets.iter());
        assert_eq!(labels, [counts(0, 1), counts(1, 1)]);
    }
}
