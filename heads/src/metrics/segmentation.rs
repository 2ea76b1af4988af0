//! Scores of semantic segmentation from the confusion of all pixels: as mmsegmentation's `IoUMetric`
//! (mIoU, aAcc, mAcc) and Long et al., "Fully convolutional networks", section 5.

use super::ConfusionMatrix;
use super::confusion::mean;

/// Scores over all pixels that were counted. Fill a [`ConfusionMatrix`] image by image with
/// `add(truth, predicted, Some(ignore))` first.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentationScores {
    /// The mean over classes of intersection over union. Classes that neither occur nor were
    /// predicted are left out.
    pub mean_iou: f64,
    /// The share of pixels that are right.
    pub pixel_accuracy: f64,
    /// The mean over the classes that occur of the share of their pixels that are right.
    pub mean_accuracy: f64,
    /// The mean over classes of intersection over union, weighted by their pixels.
    pub frequency_weighted_iou: f64,
    /// Class by class.
    pub classes: Vec<ClassScores>,
}

/// Scores of one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScores {
    /// Intersection over union; none if the class neither occurs nor was predicted.
    pub iou: Option<f64>,
    /// The share of its pixels that are right; none if it doesn't occur.
    pub accuracy: Option<f64>,
    /// The share of the pixels predicted as it that are right; none if it was never predicted.
    pub precision: Option<f64>,
    /// How many pixels have it.
    pub pixels: u64,
}

impl SegmentationScores {
    /// The scores of a confusion. Without pixels they are not numbers.
    pub fn of(confusion: &ConfusionMatrix) -> Self {
        let classes: Vec<ClassScores> = (0..confusion.classes())
            .map(|c| {
                let (both, truths, predictions) =
                    (confusion.count(c, c), confusion.truths(c), confusion.predictions(c));
                let share = |of: u64| (of > 0).then(|| both as f64 / of as f64);
                ClassScores {
                    iou: share(truths + predictions - both),
                    accuracy: share(truths),
                    precision: share(predictions),
                    pixels: truths,
                }
            })
            .collect();
        let total = confusion.total() as f64;
        let weighted: f64 = classes.iter().map(|c| c.iou.unwrap_or(0.0) * c.pixels as f64).sum();
        Self {
            mean_iou: mean(classes.iter().filter_map(|c| c.iou)),
            pixel_accuracy: confusion.accuracy(),
            mean_accuracy: mean(classes.iter().filter_map(|c| c.accuracy)),
            frequency_weighted_iou: weighted / total,
            classes,
        }
    }
}
