//! Scores of label sets: mean average precision and F1, as scikit-learn has them.

use palimpsest_core::{Error, Result};

use super::average_precision::average_precision;

/// Scores over all images. An entry (an image and a label) that is unknown counts nowhere.
#[derive(Debug, Clone, PartialEq)]
pub struct MultiLabelScores {
    /// The mean of the labels' average precision; over those that some image has.
    pub map: f64,
    /// The average precision of all entries together.
    pub map_micro: f64,
    /// The mean of the labels' F1 at a probability of 0.5; over those that some image has.
    pub f1_macro: f64,
    /// F1 of all entries together at a probability of 0.5.
    pub f1_micro: f64,
    /// Label by label.
    pub labels: Vec<LabelScores>,
}

/// Scores of one label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelScores {
    /// Average precision; none where no image has the label.
    pub average_precision: Option<f64>,
    /// F1 at a probability of 0.5; none where no image has the label.
    pub f1: Option<f64>,
    /// Images that have it.
    pub positives: usize,
    /// Images that haven't.
    pub negatives: usize,
    /// Images of which it is unknown.
    pub unknown: usize,
}

/// Entries at a probability of 0.5, which is a logit of 0, from there on taken for positive.
#[derive(Default, Clone, Copy)]
struct Counts {
    right: usize,
    taken: usize,
    there: usize,
}

impl Counts {
    fn of(entries: impl Iterator<Item = (f32, bool)>) -> Self {
        entries.fold(Self::default(), |counts, (logit, has)| {
            let taken = logit >= 0.0;
            Self {
                right: counts.right + usize::from(taken && has),
                taken: counts.taken + usize::from(taken),
                there: counts.there + usize::from(has),
            }
        })
    }

    /// 2 TP / (2 TP + FP + FN)
    fn f1(self) -> f64 {
        2.0 * self.right as f64 / (self.taken + self.there) as f64
    }
}

impl MultiLabelScores {
    /// Of what is known of `labels` labels of each image, and a logit of each, both [images, labels].
    ///
    /// # Errors
    /// Other numbers of them, logits that are not numbers, or no image that has any of the labels.
    pub fn of(labels: usize, truths: &[Option<bool>], logits: &[f32]) -> Result<Self> {
        if truths.len() != logits.len() || !truths.len().is_multiple_of(labels.max(1)) {
            let (truths, logits) = (truths.len(), logits.len());
            return Err(Error::failure(format!("{logits} logits for {truths} entries of {labels} labels")));
        }
        if let Some(at) = logits.iter().position(|logit| logit.is_nan()) {
            return Err(Error::failure(format!("the logits of image {} are not numbers", at / labels)));
        }
        let entries = || logits.iter().zip(truths).map(|(&logit, &has)| (logit, has));
        let known = || entries().filter_map(|(logit, has)| Some((logit, has?)));
        let of_label = |label: usize| {
            let own = || entries().skip(label).step_by(labels);
            let known = || own().filter_map(|(logit, has)| Some((logit, has?)));
            let counts = Counts::of(known());
            let all = known().count();
            LabelScores {
                average_precision: average_precision(known()),
                f1: (counts.there > 0).then(|| counts.f1()),
                positives: counts.there,
                negatives: all - counts.there,
                unknown: own().count() - all,
            }
        };
        let scored: Vec<LabelScores> = (0..labels).map(of_label).collect();
        let map_micro = average_precision(known()).ok_or_else(|| {
            Error::user("no test image has any of the labels").help("give test images their labels")
        })?;
        Ok(Self {
            map: mean(scored.iter().filter_map(|label| label.average_precision)),
            map_micro,
            f1_macro: mean(scored.iter().filter_map(|label| label.f1)),
            f1_micro: Counts::of(known()).f1(),
            labels: scored,
        })
    }
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    values.clone().sum::<f64>() / values.count() as f64
}
