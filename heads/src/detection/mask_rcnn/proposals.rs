//! From what is said of anchors to regions.

use palimpsest_core::{DType, Result};

use super::rpn::RpnOutputs;
use crate::detection::BoxXyxy;
use crate::detection::box_coder::BoxCoder;
use crate::detection::nms::batched_nms;

/// How many regions are proposed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProposalSettings {
    /// The most anchors of a level that are considered.
    pub before: usize,
    /// The most regions of an image.
    pub after: usize,
    /// Of two boxes of a level, the worse is left out where their IoU is above this.
    pub nms: f64,
}

/// Regions of each image of this height and width, the best first; no gradient flows through them.
pub fn propose(
    outputs: &RpnOutputs,
    image: [usize; 2],
    settings: &ProposalSettings,
) -> Result<Vec<Vec<BoxXyxy>>> {
    let [b, n] = outputs.objectness.shape().array()?;
    let objectness = outputs.objectness.cast(DType::F32)?.download()?.into_f32();
    let deltas = outputs.deltas.cast(DType::F32)?.download()?.into_f32();
    let mut images = Vec::with_capacity(b);
    for i in 0..b {
        let (mut boxes, mut scores, mut levels) = (vec![], vec![], vec![]);
        let mut start = i * n;
        for (level, anchors) in outputs.anchors.iter().enumerate() {
            let mut order: Vec<usize> = (0..anchors.len()).collect();
            order.sort_by(|&a, &b| objectness[start + b].total_cmp(&objectness[start + a]));
            for at in order.into_iter().take(settings.before) {
                let row = start + at;
                let code = std::array::from_fn(|k| f64::from(deltas[row * 4 + k]));
                let decoded = BoxCoder::PROPOSALS.decode(code, &anchors[at]).clipped(image);
                if decoded.width() < 1e-3 || decoded.height() < 1e-3 {
                    continue;
                }
                boxes.push(decoded);
                scores.push(f64::from(objectness[row]));
                levels.push(level);
            }
            start += anchors.len();
        }
        let kept = batched_nms(&boxes, &scores, &levels, settings.nms);
        images.push(kept.into_iter().take(settings.after).map(|k| boxes[k]).collect());
    }
    Ok(images)
}
