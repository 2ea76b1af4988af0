//! A step of AdamW in libtorch's fused kernel, which is what `torch.optim.AdamW(fused=True)` runs.

use palimpsest_core::tensor::Op;
use tch::Tensor;

use crate::failure::{Result, wrong_inputs};
use crate::graphs;
use crate::shim::{self, Adamw};

/// The parameter, first and second moment, and average after a step; each in place where nothing else refers
/// to its memory.
pub(super) fn step(op: &Op, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
    let Op::Adamw { beta1, beta2, eps, decay, factor } = *op else { return Err(wrong_inputs(op)) };
    let _off = tch::no_grad_guard();
    let mut inputs = inputs.into_iter();
    let mut next = || inputs.next().ok_or_else(|| wrong_inputs(op));
    let (parameter, gradient, first, second, rates) = (next()?, next()?, next()?, next()?, next()?);
    let gradient = scaled(gradient, &rates.f_select(0, 2)?)?;
    let mut state = vec![writable(parameter)?, writable(first)?, writable(second)?];
    state.extend(inputs.next().map(writable).transpose()?);
    let constants = Adamw { beta1, beta2, eps, decay, factor };
    shim::adamw(&mut state, &gradient, &rates, &constants)?;
    Ok(state)
}

/// The gradient times a number, dense; over its own memory where nothing else refers to it.
fn scaled(gradient: Tensor, scale: &Tensor) -> Result<Tensor> {
    let mut gradient = if gradient.requires_grad() { gradient.f_detach()? } else { gradient };
    if gradient.is_contiguous() && shim::is_sole(&gradient) {
        let _ = gradient.f_mul_(scale)?;
        return Ok(gradient);
    }
    // A scalar times the scale would be of the scale's type.
    Ok(gradient.f_mul(scale)?.f_to_kind(gradient.kind())?.f_contiguous()?)
}

/// The tensor without history, dense, in memory that may be written: in the midst of a graph its own, whoever
/// else refers to it.
fn writable(x: Tensor) -> Result<Tensor> {
    // The detached tensor shares the memory of `x`, which goes when it is replaced.
    let x = if x.requires_grad() { x.f_detach()? } else { x };
    if x.is_contiguous() && (graphs::begun() || shim::is_sole(&x)) {
        return Ok(x);
    }
    let mut copy = Tensor::f_empty(x.size(), (x.f_kind()?, x.device()))?;
    copy.f_copy_(&x)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Op = Op::Adamw { beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.0, factor: 1.0 };

    fn ones() -> Tensor {
        Tensor::ones([5, 3], (tch::Kind::Float, tch::Device::Cpu))
    }

    /// A first step, or none.
    fn rates(skip: bool) -> Tensor {
        Tensor::from_slice(&[0.1f32, 1.0, 1.0, f32::from(u8::from(skip)), 0.25])
    }

    #[test]
    fn memory_that_nothing_shares_is_written_in_place() {
        let inputs = vec![ones(), ones(), ones(), ones(), rates(false), ones()];
        let before = [0, 2, 3, 5].map(|i| inputs[i].data_ptr());
        let after: Vec<_> = step(&STEP, inputs).unwrap().iter().map(Tensor::data_ptr).collect();
        assert_eq!(after, before);
    }

    #[test]
    fn a_step_that_is_left_out_changes_nothing() {
        let bad = ones() * f64::NAN;
        for after in step(&STEP, vec![ones(), bad, ones(), ones(), rates(true), ones()]).unwrap() {
            assert_eq!(after, ones());
        }
    }

    #[test]
    fn shared_memory_is_kept() {
        let base = ones();
        let leaf = ones().set_requires_grad(true);
        let recorded = &leaf * &leaf;
        let shared = [base.shallow_clone(), base.view([3, 5]).view([5, 3]), leaf.detach(), base.detach()];
        for parameter in shared {
            let inputs = vec![parameter, base.shallow_clone(), ones(), ones(), rates(false)];
            let out = step(&STEP, inputs).unwrap();
            assert!(f64::try_from(out[0].sum(None)).unwrap() < 15.0);
        }
        for kept in [base, leaf.detach()] {
            assert_eq!(f64::try_from(kept.sum(None)).unwrap(), 15.0);
        }
        let gradient = Tensor::run_backward(&[recorded.sum(None)], &[&leaf], false, false);
        assert_eq!(f64::try_from(gradient[0].sum(None)).unwrap(), 30.0);
    }

    #[test]
    fn what_differs_is_refused() {
        let narrow = ones().narrow(0, 0, 2).contiguous();
        assert!(step(&STEP, vec![ones(), narrow, ones(), ones(), rates(false)]).is_err());
        let double = ones().to_kind(tch::Kind::Double);
        assert!(step(&STEP, vec![ones(), double, ones(), ones(), rates(false)]).is_err());
        assert!(step(&STEP, vec![ones(), ones(), ones(), ones(), ones()]).is_err());
        assert!(step(&STEP, vec![ones(), ones(), ones(), ones()]).is_err());
    }
}
