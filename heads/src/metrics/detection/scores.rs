//! COCO's twelve figures, and average precision by class.

use super::accumulate::{Curve, Precision};
use super::settings::THRESHOLDS;

/// COCO's twelve figures, in 0..1. A figure is -1 where no object was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct CocoScores {
    /// AP: the mean over IoU 0.5 to 0.95 and over classes.
    pub ap: f64,
    /// AP at IoU 0.5.
    pub ap50: f64,
    /// AP at IoU 0.75.
    pub ap75: f64,
    /// AP of objects up to 32 x 32 pixels.
    pub ap_small: f64,
    /// AP of objects from 32 x 32 to 96 x 96.
    pub ap_medium: f64,
    /// AP of objects from 96 x 96.
    pub ap_large: f64,
    /// AR with 1 detection for each image and class.
    pub ar1: f64,
    /// AR with 10.
    pub ar10: f64,
    /// AR with 100.
    pub ar100: f64,
    /// AR of small objects with 100.
    pub ar_small: f64,
    /// AR of medium objects with 100.
    pub ar_medium: f64,
    /// AR of large objects with 100.
    pub ar_large: f64,
    /// By class.
    pub classes: Vec<ClassPrecision>,
}

/// Average precision of one class; -1 where no object of it was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassPrecision {
    /// The mean over IoU 0.5 to 0.95.
    pub ap: f64,
    /// At IoU 0.5.
    pub ap50: f64,
}

/// Where 0.75 stands among the IoU thresholds.
const AT_75: usize = 5;

impl CocoScores {
    pub(super) fn of(table: &[Precision]) -> Self {
        let mean = |area: usize, pick: &dyn Fn(&Curve) -> f64| {
            let values: Vec<f64> = table.iter().filter_map(|class| class[area].as_ref()).map(pick).collect();
            if values.is_empty() { -1.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
        };
        let over = |values: &[f64; THRESHOLDS]| values.iter().sum::<f64>() / THRESHOLDS as f64;
        let ap = |area: usize| mean(area, &|curve| over(&curve.precision));
        let ap_at = |t: usize| mean(0, &|curve| curve.precision[t]);
        let ar = |area: usize, most: usize| mean(area, &|curve| over(&curve.recall[most]));
        let classes = table
            .iter()
            .map(|class| match &class[0] {
                Some(curve) => ClassPrecision { ap: over(&curve.precision), ap50: curve.precision[0] },
                None => ClassPrecision { ap: -1.0, ap50: -1.0 },
            })
            .collect();
        Self {
            ap: ap(0),
            ap50: ap_at(0),
            ap75: ap_at(AT_75),
            ap_small: ap(1),
            ap_medium: ap(2),
            ap_large: ap(3),
            ar1: ar(0, 0),
            ar10: ar(0, 1),
            ar100: ar(0, 2),
            ar_small: ar(1, 2),
            ar_medium: ar(2, 2),
            ar_large: ar(3, 2),
            classes,
        }
    }

    /// The twelve figures with their usual names, in pycocotools' order.
    pub fn named(&self) -> [(&'static str, f64); 12] {
        [
            ("ap", self.ap),
            ("ap50", self.ap50),
            ("ap75", self.ap75),
            ("ap_small", self.ap_small),
            ("ap_medium", self.ap_medium),
            ("ap_large", self.ap_large),
            ("ar1", self.ar1),
            ("ar10", self.ar10),
            ("ar100", self.ar100),
            ("ar_small", self.ar_small),
            ("ar_medium", self.ar_medium),
            ("ar_large", self.ar_large),
        ]
    }
}
