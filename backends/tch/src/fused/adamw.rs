//! A step of AdamW in libtorch's fused kernel, which is what `torch.optim.AdamW(fused=True)` runs.

use palimpsest_core::tensor::Op;
use tch::Tensor;

use crate::failure::{Result, wrong_inputs};
use crate::shim::{self, Adamw};

/// The parameter, first and second moment after a step; each in place where nothing else refers to
/// its memory.
pub(super) fn step(op: &Op, inputs: [Tensor; 4]) -> Result<Vec<Tensor>> {
    let Op::AdamwStep { lr, beta1, beta2, eps, decay, step, scale } = *op else {
        return Err(wrong_inputs(op));
    };
    let _off = tch::no_grad_guard();
    let [parameter, gradient, first, second] = inputs;
    let mut gradient = gradient.f_detach()?.f_contiguous()?;
    if scale != 1.0 {
        gradient = gradient.f_mul_scalar(scale)?;
    }
    let [mut parameter, mut first, mut second] = [writable(parameter)?, writable(first)?, writable(second)?];
    let rates = Adamw { lr, beta1, beta2, eps, decay, step: step as f64 };
    shim::adamw(&mut parameter, &gradient, &mut first, &mut second, &rates)?;
    Ok(vec![parameter, first, second])
}

/// The tensor without history, dense, in memory that may be written.
fn writable(x: Tensor) -> Result<Tensor> {
    // The detached tensor shares the memory of `x`, which goes when it is replaced.
    let x = if x.requires_grad() { x.f_detach()? } else { x };
    if x.is_contiguous() && shim::is_sole(&x) {
        return Ok(x);
    }
    let mut copy = Tensor::f_empty(x.size(), (x.f_kind()?, x.device()))?;
    copy.f_copy_(&x)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Op =
        Op::AdamwStep { lr: 0.1, beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.0, step: 1, scale: 1.0 };

    fn ones() -> Tensor {
        Tensor::ones([5, 3], (tch::Kind::Float, tch::Device::Cpu))
    }

    #[test]
    fn memory_that_nothing_shares_is_written_in_place() {
        let inputs = [ones(), ones(), ones(), ones()];
        let before = [0, 2, 3].map(|i| inputs[i].data_ptr());
        let after: Vec<_> = step(&STEP, inputs).unwrap().iter().map(Tensor::data_ptr).collect();
        assert_eq!(after, before);
    }

    #[test]
    fn shared_memory_is_kept() {
        let base = ones();
        let leaf = ones().set_requires_grad(true);
        let recorded = &leaf * &leaf;
        let shared = [base.shallow_clone(), base.view([3, 5]).view([5, 3]), leaf.detach(), base.detach()];
        for parameter in shared {
            let out = step(&STEP, [parameter, ones(), ones(), ones()]).unwrap();
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
        assert!(step(&STEP, [ones(), narrow, ones(), ones()]).is_err());
        assert!(step(&STEP, [ones(), ones().to_kind(tch::Kind::Double), ones(), ones()]).is_err());
    }
}
