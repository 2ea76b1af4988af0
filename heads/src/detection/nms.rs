//! Non-maximum suppression.

use super::BoxXyxy;

/// Which boxes stay, the best first: each suppresses those of its group that are worse and overlap it by
/// an IoU above `threshold`. Of equal scores the earlier box is better. torchvision's `batched_nms`, with
/// groups (classes, or levels) told apart.
pub fn batched_nms(boxes: &[BoxXyxy], scores: &[f64], groups: &[usize], threshold: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut kept: Vec<usize> = Vec::new();
    for candidate in order {
        let suppressed = kept
            .iter()
            .any(|&k| groups[k] == groups[candidate] && boxes[k].iou(&boxes[candidate]) > threshold);
        if !suppressed {
            kept.push(candidate);
        }
    }
    kept
}
