//! Cross-entropy against mixed and smoothed labels.

use palimpsest_core::head::Class;
use palimpsest_core::{Error, Result, Tensor};

/// The mean over the batch of -sum_c t_c log p_c, where t is the mix of the two classes' one-hot vectors,
/// each smoothed to 1 - s + s / C and s / C: timm's `SoftTargetCrossEntropy` on the targets of its `Mixup`
/// (`mixup_target`).
///
/// `logits` [B, C] -> a scalar.
///
/// # Errors
/// A class out of range, or the backend's failure.
pub fn soft_cross_entropy(logits: &Tensor, targets: &[Class], smoothing: f64) -> Result<Tensor> {
    let [batch, classes] = logits.shape().array()?;
    if batch != targets.len() {
        return Err(Error::failure(format!("{} targets for {batch} images", targets.len())));
    }
    let off = smoothing / classes as f64;
    let mut wanted = vec![off as f32; batch * classes];
    for (row, target) in wanted.chunks_mut(classes).zip(targets) {
        for (class, share) in [(target.class, target.share), (target.other, 1.0 - target.share)] {
            let value = row
                .get_mut(class as usize)
                .ok_or_else(|| Error::failure(format!("class {class} of {classes}")))?;
            *value += (1.0 - smoothing) as f32 * share;
        }
    }
    let wanted = logits.device().floats([batch, classes], wanted, logits.dtype())?;
    let shifted = logits.sub(&logits.max(1)?.detach()?)?;
    let log_sum = shifted.exp()?.sum(&[1])?.log()?;
    // The wanted shares of a row add up to 1.
    let chosen = shifted.mul(&wanted)?.sum(&[1])?;
    log_sum.sub(&chosen)?.mean_all()
}
