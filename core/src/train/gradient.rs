//! The gradients of a step, all at once or with blocks recomputed in the backward pass.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

use std::borrow::Borrow;
use std::ops::Range;

use crate::Result;
use crate::backend::NoGrad;
use crate::encoder::Probabilities;
use crate::model::{Forward, Model, StepInputs};
use crate::params::Params;
use crate::tensor::Tensor;

/// The scalars of a step, still on the device: (name, value).
pub type Scalars = Vec<(String, Tensor)>;

/// What blocks give beside their tokens and the losses read: (number, tensor).
pub type Taps = Vec<(usize, Tensor)>;

/// What a step's forward and backward pass gave.
pub struct Gradients {
    /// The gradient of every parameter, in the order of declaration; `None` where the loss does not
    /// depend on it, or where it isn't trained.
    pub gradients: Vec<Option<Tensor>>,
    /// `loss` first, then `loss/NAME` for each objective, then metrics.
    pub scalars: Scalars,
    /// Seconds in the forward and in the backward pass, as the host saw them.
    pub seconds: [f64; 2],
}

/// A forward pass through an encoder, cut where it can be taken up again.
pub trait Pass {
    /// The number of blocks.
    fn depth(&self) -> usize;
    /// The number of blocks at the bottom of which, and of the embedding below them, nothing is trained.
    fn frozen(&self) -> usize {
        0
    }
    /// The tokens that enter block 0.
    fn embed(&self, params: &Params) -> Result<Tensor>;
    /// Runs some of the blocks.
    fn blocks(&self, params: &Params, tokens: Tensor, range: Range<usize>) -> Result<(Tensor, Taps)>;
    /// The total loss, and what is logged: `loss` first.
    fn losses(&self, params: &Params, tokens: &Tensor, taps: Taps) -> Result<(Tensor, Scalars)>;
}

/// The forward pass of pre-training.
pub(super) struct Restoration<'a, P> {
    pub(super) model: &'a Model,
    pub(super) inputs: P,
}

impl<'a, P: Borrow<StepInputs<'a>>> Pass for Restoration<'a, P> {
    fn depth(&self) -> usize {
        self.model.geometry().depth
    }

    fn embed(&self, params: &Params) -> Result<Tensor> {
        self.model.embed(params, self.inputs.borrow())
    }

    fn blocks(&self, params: &Params, tokens: Tensor, range: Range<usize>) -> Result<(Tensor, Taps)> {
        let (tokens, attention) = self.model.run_blocks(params, tokens, range, self.inputs.borrow())?;
        Ok((tokens, attention.into_iter().map(|probs| (probs.block, probs.values)).collect()))
    }

    fn losses(&self, params: &Params, tokens: &Tensor, taps: Taps) -> Result<(Tensor, Scalars)> {
        let attention = taps.into_iter().map(|(block, values)| Probabilities { block, values }).collect();
        scalars(self.model.losses(params, tokens, attention, self.inputs.borrow())?)
    }
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

/// Forward and backward pass of a pre-training step; see [`gradients_of`].
pub fn gradients(
    model: &Model,
    params: &Params,
    inputs: &StepInputs<'_>,
    checkpoint_blocks: usize,
) -> Result<Gradients> {
    gradients_of(&Restoration { model, inputs }, params, checkpoint_blocks)
}

/// Forward and backward pass. With `checkpoint_blocks` of n > 0 only the inputs of every n blocks
/// are kept, and the blocks are run again in the backward pass (Chen et al. 2016).
pub fn gradients_of(pass: &dyn Pass, params: &Params, checkpoint_blocks: usize) -> Result<Gradients> {
    gradients_with(pass, params, checkpoint_blocks, None)
}

/// What is told, where blocks are recomputed, that the gradients of the encoder's blocks from a number on are final. It may
/// take them.
pub(super) type BlocksDone<'a> = dyn FnMut(usize, &mut [Option<Tensor>]) -> Result<()> + 'a;

/// [`gradients_of`], whose blocks' gradients may be taken while those of the blocks below are made.
pub(super) fn gradients_with(
    pass: &dyn Pass,
    params: &Params,
    checkpoint_blocks: usize,
    done: Option<&mut BlocksDone<'_>>,
) -> Result<Gradients> {
    if checkpoint_blocks > 0 {
        return recomputed(pass, params, checkpoint_blocks, done);
    }
    let start = std::time::Instant::now();
    let tracked = params.track()?;
    let tokens = pass.embed(&tracked)?;
    let (tokens, taps) = pass.blocks(&tracked, tokens, 0..pass.depth())?;
    let (total, scalars) = pass.losses(&tracked, &tokens, taps)?;
    let forward_seconds = start.elapsed().as_secs_f64();
    let (gradients, _) = backward(total, &tracked, &[])?;
    let seconds = [forward_seconds, start.elapsed().as_secs_f64() - forward_seconds];
    Ok(Gradients { gradients, scalars, seconds })
}

/// Gradients, `None` where there is none.
type GradientList = Vec<Option<Tensor>>;

/// The gradients of every parameter (`None` for one that isn't trained) and of further leaves.
fn backward(total: Tensor, tracked: &Params, further: &[&Tensor]) -> Result<(GradientList, GradientList)> {
    let trained: Vec<usize> = (0..tracked.tensors().len()).filter(|&i| tracked.is_trained(i)).collect();
    let mut leaves: Vec<&Tensor> = trained.iter().map(|&i| &tracked.tensors()[i]).collect();
    leaves.extend(further);
    let mut found = total.backward(&leaves)?;
    let rest = found.split_off(trained.len());
    let mut gradients = vec![None; tracked.tensors().len()];
    trained.into_iter().zip(found).for_each(|(i, gradient)| gradients[i] = gradient);
    Ok((gradients, rest))
}

fn recomputed(
    pass: &dyn Pass,
    params: &Params,
    blocks: usize,
    mut done: Option<&mut BlocksDone<'_>>,
) -> Result<Gradients> {
    let start = std::time::Instant::now();
    let depth = pass.depth();
    let segments: Vec<Range<usize>> =
        (0..depth).step_by(blocks).map(|first| first..(first + blocks).min(depth)).collect();

    // Forward without history: only the tokens between segments stay, and what the losses read.
    let device = params.device();
    let mut inputs = vec![];
    let mut taps = vec![];
    let last = {
        let _quiet = NoGrad::new(&*device.backend);
        let mut tokens = pass.embed(params)?;
        for segment in &segments {
            inputs.push(tokens.clone());
            let (next, beside) = pass.blocks(params, tokens, segment.clone())?;
            tokens = next;
            taps.extend(beside);
        }
        tokens
    };
    let tracked = params.track()?;
    let last = last.track()?;
    let taps: Taps =
        taps.into_iter().map(|(number, values)| Ok((number, values.track()?))).collect::<Result<_>>()?;
    let (total, scalars) = pass.losses(&tracked, &last, taps.clone())?;
    let forward_seconds = start.elapsed().as_secs_f64();

    let mut further = vec![&last];
    further.extend(taps.iter().map(|(_, values)| values));
    let (mut gradients, mut found) = backward(total, &tracked, &further)?;
    let mut upstream_side: Vec<(usize, Option<Tensor>)> =
        taps.iter().map(|(number, _)| *number).zip(found.split_off(1)).collect();
    let mut upstream = found.pop().flatten();

    for (segment, input) in segments.iter().zip(inputs).rev().filter(|(s, _)| s.end > pass.frozen()) {
        let tracked = params.track()?;
        let input = input.track()?;
        let (output, beside) = pass.blocks(&tracked, input.clone(), segment.clone())?;
        let mut outputs = vec![(output, upstream.take())];
        for (number, values) in beside {
            let at = upstream_side.iter().position(|(known, _)| *known == number);
            outputs.push((values, at.and_then(|at| upstream_side.remove(at).1)));
        }
        upstream = pull_back(&tracked, Some(&input), outputs, &mut gradients)?;
        if let Some(done) = &mut done {
            done(segment.start, &mut gradients)?;
        }
    }
    if pass.frozen() == 0 {
        let tracked = params.track()?;
        let entered = pass.embed(&tracked)?;
        pull_back(&tracked, None, vec![(entered, upstream)], &mut gradients)?;
    }
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
    let further: Vec<&Tensor> = input.into_iter().collect();
    let (found, mut rest) = backward(surrogate, tracked, &further)?;
    accumulate(gradients, found)?;
    Ok(rest.pop().flatten())
}

/// Adds gradients to a sum, in place where the backend can.
pub(super) fn accumulate(sum: &mut [Option<Tensor>], more: Vec<Option<Tensor>>) -> Result<()> {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum = added(sum.take(), more)?;
    }
    Ok(())
}

/// The sum of two gradients, in place where the backend can.
pub(super) fn added(sum: Option<Tensor>, more: Option<Tensor>) -> Result<Option<Tensor>> {
    match (sum, more) {
        (Some(a), Some(b)) => Ok(Some(Tensor::apply_owned(&crate::tensor::Op::Add, vec![a, b])?.remove(0))),
        (a, b) => Ok(a.or(b)),
    }
}
