//! Which detections of one image and class find which objects.

use std::cmp::Ordering;

use super::settings::{Area, MOST, THRESHOLDS, iou_thresholds};

/// An object as matching sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroundTruth {
    pub(super) area: f64,
    pub(super) crowd: bool,
    pub(super) ignore: bool,
}

/// A detection as matching sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScoredArea {
    pub(super) score: f64,
    pub(super) area: f64,
}

/// What became of a detection; bit `t` is for IoU threshold `t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// It found an object.
    pub(super) matched: u16,
    /// It counts neither as right nor as wrong.
    pub(super) ignored: u16,
}

/// The outcomes of one image and class in one area range.
#[derive(Debug, Clone, Default)]
pub(super) struct Matches {
    /// Of each detection, the best first.
    pub(super) outcomes: Vec<Outcome>,
    /// How many objects were asked for.
    pub(super) wanted: usize,
}

/// The higher score first; scores are numbers, and 0 and -0 are equal.
pub(super) fn falling(a: f64, b: f64) -> Ordering {
    b.partial_cmp(&a).unwrap_or(Ordering::Equal)
}

/// The order of detections: by falling score, equal ones as they were given; the first 100.
pub(super) fn best_first(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| falling(scores[a], scores[b]));
    order.truncate(MOST[MOST.len() - 1]);
    order
}

/// Matches greedily: each detection, the best first, takes the free object of the highest IoU (of
/// equal ones the last). Objects to ignore are taken only where no other will do; crowds can be taken
/// again and again. `ious` is [detections, objects], detections the best first.
pub(super) fn match_up(found: &[ScoredArea], wanted: &[GroundTruth], ious: &[f64], area: Area) -> Matches {
    let ignored: Vec<bool> = wanted.iter().map(|w| w.crowd || w.ignore || !area.has(w.area)).collect();
    // Those to ignore last, else in their order.
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&i| ignored[i]);
    let mut outcomes = vec![Outcome { matched: 0, ignored: 0 }; found.len()];
    let mut taken = vec![0u16; wanted.len()];
    for (t, threshold) in iou_thresholds().into_iter().enumerate().take(THRESHOLDS) {
        let bit = 1 << t;
        for (d, outcome) in outcomes.iter_mut().enumerate() {
            let mut least = threshold.min(1.0 - 1e-10);
            let mut best: Option<usize> = None;
            for &w in &order {
                if taken[w] & bit != 0 && !wanted[w].crowd {
                    continue;
                }
                if best.is_some_and(|b| !ignored[b]) && ignored[w] {
                    break;
                }
                let iou = ious[d * wanted.len() + w];
                if iou >= least {
                    (least, best) = (iou, Some(w));
                }
            }
            match best {
                Some(w) => {
                    taken[w] |= bit;
                    outcome.matched |= bit;
                    outcome.ignored |= if ignored[w] { bit } else { 0 };
                }
                // A detection of another size than is asked for is no mistake.
                None if !area.has(found[d].area) => outcome.ignored |= bit,
                None => {}
            }
        }
    }
    Matches { outcomes, wanted: ignored.iter().filter(|i| !**i).count() }
}
