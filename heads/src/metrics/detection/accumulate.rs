//! Precision over recall of one class, over all images.

use palimpsest_core::head::MetricState;
use palimpsest_core::{Error, Result};

use super::matching::{Matches, Outcome, falling};
use super::settings::{Area, MOST, RECALLS, THRESHOLDS, recall_thresholds};

/// One class of one image.
#[derive(Debug, Clone)]
pub(super) struct ImageOfClass {
    /// Of the detections, the best first.
    pub(super) scores: Vec<f64>,
    /// By [`Area::ALL`].
    pub(super) matches: [Matches; 4],
}

/// Puts the images of a class into a metric's state.
pub(super) fn put_images(images: &[ImageOfClass], state: &mut MetricState) {
    let found: Vec<u64> = images.iter().map(|image| image.scores.len() as u64).collect();
    let scores: Vec<f64> = images.iter().flat_map(|image| image.scores.iter().copied()).collect();
    let matches = || images.iter().flat_map(|image| &image.matches);
    let wanted: Vec<u64> = matches().map(|matches| matches.wanted as u64).collect();
    let outcomes = matches().flat_map(|matches| &matches.outcomes);
    let outcomes: Vec<u16> = outcomes.flat_map(|outcome| [outcome.matched, outcome.ignored]).collect();
    state.put(&found);
    state.put(&scores);
    state.put(&wanted);
    state.put(&outcomes);
}

/// Takes what [`put_images`] has put.
pub(super) fn take_images(state: &mut MetricState) -> Result<Vec<ImageOfClass>> {
    let found = state.take::<u64>()?;
    let mut scores = state.take::<f64>()?.into_iter();
    let mut wanted = state.take::<u64>()?.into_iter();
    let mut outcomes = state.take::<u16>()?.into_iter();
    let mut images = vec![];
    for count in found {
        let count = count as usize;
        let scores: Vec<f64> = scores.by_ref().take(count).collect();
        let matches = std::array::from_fn(|_| Matches {
            wanted: wanted.next().unwrap_or_default() as usize,
            outcomes: std::iter::from_fn(|| {
                Some(Outcome { matched: outcomes.next()?, ignored: outcomes.next()? })
            })
            .take(count)
            .collect(),
        });
        images.push(ImageOfClass { scores, matches });
    }
    let whole = |image: &ImageOfClass| {
        image.matches.iter().all(|matches| matches.outcomes.len() == image.scores.len())
    };
    if scores.len() + wanted.len() + outcomes.len() > 0 || !images.iter().all(whole) {
        return Err(Error::failure("detections of another length than their images"));
    }
    Ok(images)
}

/// Precision and recall of one class, for one area range.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    /// At each IoU threshold the mean over recalls of the interpolated precision, with at most 100
    /// detections an image.
    pub(super) precision: [f64; THRESHOLDS],
    /// By [`MOST`], at each IoU threshold: the recall that is reached.
    pub(super) recall: [[f64; THRESHOLDS]; 3],
}

/// A class, by [`Area::ALL`]; none where nothing was asked for.
pub(super) type Precision = [Option<Curve>; 4];

pub(super) fn accumulate(images: &[ImageOfClass]) -> Precision {
    std::array::from_fn(|area| curve(images, area))
}

fn curve(images: &[ImageOfClass], area: usize) -> Option<Curve> {
    debug_assert!(area < Area::ALL.len());
    let wanted: usize = images.iter().map(|image| image.matches[area].wanted).sum();
    if wanted == 0 {
        return None;
    }
    let mut recall = [[0.0; THRESHOLDS]; 3];
    let mut precision = [0.0; THRESHOLDS];
    for (most, recall) in MOST.iter().zip(&mut recall) {
        let mut pooled: Vec<(f64, _)> = Vec::new();
        for image in images {
            let outcomes = &image.matches[area].outcomes;
            pooled.extend(image.scores.iter().copied().zip(outcomes.iter().copied()).take(*most));
        }
        // Stable: of equal scores the earlier image's comes first.
        pooled.sort_by(|a, b| falling(a.0, b.0));
        for t in 0..THRESHOLDS {
            let (mut right, mut wrong) = (0usize, 0usize);
            let points: Vec<(f64, f64)> = pooled
                .iter()
                .map(|(_, outcome)| {
                    let counts = outcome.ignored >> t & 1 == 0;
                    let hit = outcome.matched >> t & 1 == 1;
                    right += usize::from(counts && hit);
                    wrong += usize::from(counts && !hit);
                    let (right, wrong) = (right as f64, wrong as f64);
                    (right / wanted as f64, right / (right + wrong + f64::EPSILON))
                })
                .collect();
            recall[t] = points.last().map_or(0.0, |p| p.0);
            if *most == MOST[MOST.len() - 1] {
                precision[t] = mean_precision(&points);
            }
        }
    }
    Some(Curve { precision, recall })
}

/// The mean over 101 recalls of the highest precision at that recall or a higher one; 0 where the
/// recall isn't reached. `points` are (recall, precision) by falling score.
fn mean_precision(points: &[(f64, f64)]) -> f64 {
    let mut ceiling: Vec<f64> = points.iter().map(|p| p.1).collect();
    for i in (1..ceiling.len()).rev() {
        ceiling[i - 1] = ceiling[i - 1].max(ceiling[i]);
    }
    let (mut at, mut sum) = (0, 0.0);
    for recall in recall_thresholds() {
        while at < points.len() && points[at].0 < recall {
            at += 1;
        }
        sum += ceiling.get(at).copied().unwrap_or(0.0);
    }
    sum / RECALLS as f64
}
