//! Binary cross-entropy of label sets.

use palimpsest_core::head::LabelSet;
use palimpsest_core::{Error, Result, Tensor};

use crate::detection::loss::binary_cross_entropy;

/// How much the entries of a label count in the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelWeight {
    /// Of all its entries.
    pub class: f64,
    /// Of those of images that have it, beside.
    pub positive: f64,
}

impl Default for LabelWeight {
    fn default() -> Self {
        Self { class: 1.0, positive: 1.0 }
    }
}

/// -w (p t ln s(x) + (1 - t) ln(1 - s(x))) for each entry's logit x, with the sigmoid s, the label's weight w and its
/// positive weight p: PyTorch's `binary_cross_entropy_with_logits` with `weight` and `pos_weight`. Unknown entries count
/// as 0.
///
/// The sum is divided by the number of all entries, unknown ones too: so the parts of a batch, which processes or
/// accumulated steps have, add up to the batch.
///
/// `logits` [B, labels] -> a scalar.
///
/// # Errors
/// Another number of targets or labels, or the backend's failure.
pub fn label_loss(logits: &Tensor, targets: &[LabelSet], weights: &[LabelWeight]) -> Result<Tensor> {
    let [batch, labels] = logits.shape().array()?;
    if batch != targets.len() || labels != weights.len() || targets.iter().any(|set| set.len() != labels) {
        return Err(Error::failure(format!(
            "{} label sets and {} weights for {batch} images of {labels} labels",
            targets.len(),
            weights.len()
        )));
    }
    let (mut wanted, mut counted) = (Vec::with_capacity(batch * labels), Vec::with_capacity(batch * labels));
    for (has, weight) in targets.iter().flat_map(|set| set.iter().zip(weights)) {
        let (want, count) = match has {
            None => (0.0, 0.0),
            Some(true) => (1.0, weight.class * weight.positive),
            Some(false) => (0.0, weight.class),
        };
        wanted.push(want);
        counted.push(count as f32);
    }
    let upload = |values| logits.device().floats([batch, labels], values, logits.dtype());
    binary_cross_entropy(logits, &upload(wanted)?)?
        .mul(&upload(counted)?)?
        .sum_all()?
        .mul_scalar(1.0 / (batch * labels) as f64)
}
