//! The gradients of a step, all at once or with blocks recomputed in the backward pass.

use std::ops::Range;

use crate::Result;
use crate::backend::NoGrad;
use crate::encoder::Probabilities;
use crate::model::{Forward, Model, Prepared};
use crate::params::Params;
use crate::tensor::Tensor;

/// The scalars of a step, still on the device: (name, value).
pub type Scalars = Vec<(String, Tensor)>;

/// What a step's forward and backward pass gave.
pub struct Gradients {
    /// The gradient of every parameter, in the order of declaration; `None` where the loss does not
    /// depend on it.
    pub gradients: Vec<Option<Tensor>>,
    /// `loss` first, then `loss/NAME` for each objective, then metrics.
    pub scalars: Scalars,
    /// Seconds in the forward and in the backward pass, as the host saw them.
    pub seconds: [f64; 2],
}

/// Forward and backward pass. With `checkpoint_blocks` of n > 0 only the inputs of every n blocks
/// are kept, and the blocks are run again in the backward pass (Chen et al. 2016).
///
/// # Errors
/// The backend's failure.
pub fn gradients(
    model: &Model,
    params: &Params,
    prepared: &Prepared<'_>,
    checkpoint_blocks: usize,
) -> Result<Gradients> {
    if checkpoint_blocks > 0 {
        return recomputed(model, params, prepared, checkpoint_blocks);
    }
    let start = std::time::Instant::now();
    let tracked = params.track()?;
    let forward = model.forward(&tracked, prepared)?;
    let (total, scalars) = scalars(forward)?;
    let forward_seconds = start.elapsed().as_secs_f64();
    let leaves: Vec<&Tensor> = tracked.tensors().iter().collect();
    let gradients = total.backward(&leaves)?;
    let seconds = [forward_seconds, start.elapsed().as_secs_f64() - forward_seconds];
    Ok(Gradients { gradients, scalars, seconds })
}

fn scalars(forward: Forward) -> Result<(Tensor, Scalars)> {
    let total = forward.total()?;
    let mut scalars = vec![("loss".to_owned(), total.detach()?)];
    for loss in &forward.losses {
        scalars.push((format!("loss/{}", loss.name), loss.value.detach()?));
    }
    scalars.extend(forward.metrics);
    Ok((total, scalars))
}

fn recomputed(model: &Model, params: &Params, prepared: &Prepared<'_>, blocks: usize) -> Result<Gradients> {
    let start = std::time::Instant::now();
    let depth = model.geometry().depth;
    let segments: Vec<Range<usize>> =
        (0..depth).step_by(blocks).map(|first| first..(first + blocks).min(depth)).collect();

    // Forward without history: only the tokens between segments stay, and the attention that the
    // objectives read.
    let place = params.place();
    let mut inputs = vec![];
    let mut attention = vec![];
    let last = {
        let _quiet = NoGrad::new(&*place.backend);
        let mut tokens = model.enter(params, prepared)?;
        for segment in &segments {
            inputs.push(tokens.clone());
            let (next, probs) = model.run_blocks(params, tokens, segment.clone(), prepared)?;
            tokens = next;
            attention.extend(probs);
        }
        tokens
    };
    let tracked = params.track()?;
    let last = last.track()?;
    let attention: Vec<Probabilities> = attention
        .into_iter()
        .map(|probs| Ok(Probabilities { block: probs.block, values: probs.values.track()? }))
        .collect::<Result<_>>()?;
    let (total, scalars) = scalars(model.leave(&tracked, &last, attention.clone(), prepared)?)?;
    let forward_seconds = start.elapsed().as_secs_f64();

    let mut leaves: Vec<&Tensor> = tracked.tensors().iter().collect();
    leaves.push(&last);
    leaves.extend(attention.iter().map(|probs| &probs.values));
    let mut found = total.backward(&leaves)?;
    let mut upstream_probs: Vec<(usize, Option<Tensor>)> =
        attention.iter().map(|probs| probs.block).zip(found.split_off(params.tensors().len() + 1)).collect();
    let mut upstream = found.pop().flatten();
    let mut gradients = found;

    for (segment, input) in segments.iter().zip(inputs).rev() {
        let tracked = params.track()?;
        let input = input.track()?;
        let (output, probs) = model.run_blocks(&tracked, input.clone(), segment.clone(), prepared)?;
        let mut outputs = vec![(output, upstream.take())];
        for probs in probs {
            let at = upstream_probs.iter().position(|(block, _)| *block == probs.block);
            outputs.push((probs.values, at.and_then(|at| upstream_probs.remove(at).1)));
        }
        upstream = pull_back(&tracked, Some(&input), outputs, &mut gradients)?;
    }
    let tracked = params.track()?;
    let entered = model.enter(&tracked, prepared)?;
    pull_back(&tracked, None, vec![(entered, upstream)], &mut gradients)?;
    let seconds = [forward_seconds, start.elapsed().as_secs_f64() - forward_seconds];
    Ok(Gradients { gradients, scalars, seconds })
}

/// Adds the parameters' gradients of outputs with these upstream gradients; returns the input's.
fn pull_back(
    tracked: &Params,
    input: Option<&Tensor>,
    outputs: Vec<(Tensor, Option<Tensor>)>,
    gradients: &mut [Option<Tensor>],
) -> Result<Option<Tensor>> {
    let mut surrogate: Option<Tensor> = None;
    for (output, upstream) in outputs {
        let Some(upstream) = upstream else { continue };
        let term = output.mul(&upstream)?.sum_all()?;
        surrogate = Some(match surrogate {
            Some(sum) => sum.add(&term)?,
            None => term,
        });
    }
    let Some(surrogate) = surrogate else { return Ok(None) };
    let mut leaves: Vec<&Tensor> = tracked.tensors().iter().collect();
    leaves.extend(input);
    let mut found = surrogate.backward(&leaves)?;
    let input_gradient = if input.is_some() { found.pop().flatten() } else { None };
    accumulate(gradients, found)?;
    Ok(input_gradient)
}

/// Adds gradients to a sum, in place where the backend can.
pub(super) fn accumulate(sum: &mut [Option<Tensor>], more: Vec<Option<Tensor>>) -> Result<()> {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum = match (sum.take(), more) {
            (Some(a), Some(b)) => Some(Tensor::apply_owned(&crate::tensor::Op::Add, vec![a, b])?.remove(0)),
            (a, b) => a.or(b),
        };
    }
    Ok(())
}
