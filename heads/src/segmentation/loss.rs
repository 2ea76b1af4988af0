//! Cross-entropy over the pixels that have a label.

use palimpsest_core::tensor::Interpolation;
use palimpsest_core::{Error, Result, Tensor};
use palimpsest_targets::{IGNORE, LabelMap};

/// The mean cross-entropy of logits [B, classes, h, w], enlarged bilinearly to the labels' size, over all
/// pixels but those to ignore; 0 where there are no others. PyTorch's `cross_entropy` with `ignore_index`.
///
/// # Errors
/// Label maps of several sizes or another number, a label of no class, or the backend's failure.
pub fn segmentation_loss(logits: &Tensor, maps: &[LabelMap]) -> Result<Tensor> {
    let [b, classes, _, _] = logits.shape().array()?;
    let Some(first) = maps.first().filter(|_| maps.len() == b) else {
        return Err(Error::failure(format!("{} label maps for {b} images", maps.len())));
    };
    let (width, height) = (first.width, first.height);
    let mut labels = Vec::with_capacity(b * width * height);
    for map in maps {
        map.check_size(width, height)?;
        map.check_labels(classes)?;
        labels.extend_from_slice(&map.labels);
    }
    let device = logits.device();
    let pixels = logits
        .interpolate(height, width, Interpolation::Bilinear)?
        .permute(&[0, 2, 3, 1])?
        .reshape([b * height * width, classes])?;
    let known: Vec<i64> = (0..labels.len()).filter(|&at| labels[at] != IGNORE).map(|at| at as i64).collect();
    if known.is_empty() {
        return pixels.sum_all()?.mul_scalar(0.0);
    }
    let targets = known.iter().map(|&at| i64::from(labels[at as usize])).collect();
    let targets = device.indices([known.len()], targets)?;
    if known.len() == labels.len() {
        return pixels.cross_entropy(&targets, 0.0);
    }
    pixels.index_select(0, &device.indices([known.len()], known)?)?.cross_entropy(&targets, 0.0)
}
