//! A step of AdamW (Loshchilov & Hutter, 2019) as PyTorch's torch.optim.AdamW computes it.

use burn_flex::FlexTensor;
use palimpsest_kernels::adamw::{Constants, Rates};
use palimpsest_kernels::vectorised;

use crate::kernels::buffer::{self, Shared, dense, replace, slice, typed};
use crate::kernels::real::Real;

/// What a step reads and changes.
pub(super) struct Inputs {
    pub(super) parameter: FlexTensor,
    pub(super) gradient: FlexTensor,
    pub(super) first: FlexTensor,
    pub(super) second: FlexTensor,
    pub(super) rates: FlexTensor,
    pub(super) average: Option<FlexTensor>,
}

/// The parameter, first and second moment, and average after a step; each in place where it has one handle.
pub(super) fn step(constants: Constants, inputs: Inputs) -> Vec<FlexTensor> {
    let Inputs { parameter, gradient, first, second, rates, average } = inputs;
    let [p, g, m, v, rates] = [parameter, gradient, first, second, rates].map(dense);
    typed!(p, T => {
        let Some(rates) = Rates::<T>::new(constants, slice(&rates)) else {
            return [p, m, v].into_iter().chain(average).collect();
        };
        let gradient: &[T] = slice(&g);
        let (mut m, mut v) = (owned::<T>(m), owned::<T>(v));
        let mut average = average.map(|average| owned::<T>(dense(average)));
        let first = Shared::new(m.storage_mut::<T>());
        let second = Shared::new(v.storage_mut::<T>());
        let mean = average.as_mut().map(|average| Shared::new(average.storage_mut::<T>()));
        let p = replace::<T>(p, 1, |at, part| {
            // SAFETY: pieces are disjoint, and the moments and the average have the parameter's length.
            let piece = |of: Shared<T>| unsafe { std::slice::from_raw_parts_mut(of.at(at), part.len()) };
            let (m, v, mean) = (piece(first), piece(second), mean.map(piece));
            update(part, &gradient[at..at + part.len()], m, v, rates);
            if let Some(mean) = mean {
                follow(mean, part, rates.average);
            }
        });
        [p, m, v].into_iter().chain(average).collect()
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

    fn follow<T: Real>(mean: &mut [T], p: &[T], weight: T) {
        for (mean, &p) in mean.iter_mut().zip(p) {
            *mean += (p - *mean) * weight;
        }
    }
}
