//! A step of AdamW (Loshchilov & Hutter, 2019) as PyTorch's torch.optim.AdamW computes it.

use burn_flex::FlexTensor;
use palimpsest_core::tensor::Op;
use palimpsest_kernels::adamw::Rates;
use palimpsest_kernels::vectorised;

use crate::kernels::buffer::{self, Shared, dense, replace, slice, typed};
use crate::kernels::real::Real;

/// The parameter, first and second moment after a step; each in place where it has one handle.
pub(super) fn step(op: &Op, p: FlexTensor, g: FlexTensor, m: FlexTensor, v: FlexTensor) -> [FlexTensor; 3] {
    let Op::AdamwStep { lr, beta1, beta2, eps, decay, step, scale } = *op else {
        panic!("only AdamW's own operation comes here");
    };
    let [p, g, m, v] = [p, g, m, v].map(dense);
    typed!(p, T => {
        let rates = Rates::<T>::new(lr, [beta1, beta2], eps, decay, step, scale);
        let gradient: &[T] = slice(&g);
        let (mut m, mut v) = (owned::<T>(m), owned::<T>(v));
        let first = Shared::new(m.storage_mut::<T>());
        let second = Shared::new(v.storage_mut::<T>());
        let p = replace::<T>(p, 1, |at, part| {
            // SAFETY: pieces are disjoint, and the moments have the parameter's length.
            let (m, v) = unsafe {
                let count = part.len();
                (
                    std::slice::from_raw_parts_mut(first.at(at), count),
                    std::slice::from_raw_parts_mut(second.at(at), count),
                )
            };
            update(part, &gradient[at..at + part.len()], m, v, rates);
        });
        [p, m, v]
    })
}

/// The tensor, in memory of its own and filling it.
fn owned<T: Real>(tensor: FlexTensor) -> FlexTensor {
    let count = tensor.layout().num_elements();
    let mut tensor = tensor;
    let whole = tensor.layout().start_offset() == 0
        && tensor.try_storage_mut::<T>().is_some_and(|storage| storage.len() == count);
    if whole { tensor } else { buffer::tensor(slice::<T>(&tensor).to_vec(), tensor.layout().shape().clone()) }
}

vectorised! {
    fn update<T: Real>(p: &mut [T], g: &[T], m: &mut [T], v: &mut [T], rates: Rates<T>) {
        for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            let g = g * rates.scale;
            *m = rates.beta1 * *m + rates.rest1 * g;
            *v = rates.beta2 * *v + rates.rest2 * g * g;
            let denominator = v.root() / rates.root + rates.eps;
            *p = *p * rates.shrink - rates.step * (*m / denominator);
        }
    }
}
