//! Stable argsort. burn's own is not stable.

use burn_backend::{DType as BurnType, Element, TensorData};
use burn_flex::FlexTensor;
use half::bf16;
use std::cmp::Ordering;

use crate::value::{burn_shape, extents};

/// Indices that sort an axis; equal elements keep their order, NaNs count as largest.
pub(crate) fn argsort(x: &FlexTensor, axis: usize, descending: bool) -> FlexTensor {
    match x.dtype() {
        BurnType::F32 => sorted::<f32>(x, axis, descending, |v| f64::from(*v)),
        BurnType::F64 => sorted::<f64>(x, axis, descending, |v| *v),
        BurnType::BF16 => sorted::<bf16>(x, axis, descending, |v| v.to_f64()),
        other => panic!("no order is defined for elements of type {other:?}"),
    }
}

fn sorted<E: Element + bytemuck::Pod>(
    x: &FlexTensor,
    axis: usize,
    descending: bool,
    key: impl Fn(&E) -> f64,
) -> FlexTensor {
    let shape = extents(x);
    let dense = x.to_contiguous();
    let values: &[E] = dense.as_slice().unwrap_or_default();
    let (len, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let mut out = vec![0i64; values.len()];
    let mut order: Vec<usize> = Vec::with_capacity(len);
    for outer in 0..values.len().checked_div(len * inner).unwrap_or(0) {
        for column in 0..inner {
            let at = |i: usize| (outer * len + i) * inner + column;
            order.clear();
            order.extend(0..len);
            order.sort_by(|&a, &b| {
                let ascending = compare(key(&values[at(a)]), key(&values[at(b)]));
                if descending { ascending.reverse() } else { ascending }
            });
            for (i, &from) in order.iter().enumerate() {
                out[at(i)] = from as i64;
            }
        }
    }
    FlexTensor::from_data(TensorData::new(out, burn_shape(&shape)))
}

fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
