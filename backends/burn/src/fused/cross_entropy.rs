//! Mean cross-entropy of logits against labels, with label smoothing.

use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, unary};
use burn_flex::{Flex, FlexTensor};
use palimpsest_kernels::{Real, piece, row, vectorised};

use super::{Float, Operands, finish};
use crate::kernels::buffer::{self, dense, replace, slice, typed, width};
use crate::value::burn_shape;

pub(super) fn run(logits: Float, labels: FlexTensor, smoothing: f64) -> Float {
    let Operands { tensors: [logits], nodes } = Operands::new([Some(logits)]);
    let logits = dense(logits.expect("given above"));
    let classes = width(&logits);
    let labels: Vec<usize> = dense(labels)
        .as_slice::<i64>()
        .unwrap_or_default()
        .iter()
        .map(|&label| match usize::try_from(label) {
            Ok(label) if label < classes => label,
            _ => panic!("label {label} is outside 0..{classes}"),
        })
        .collect();
    let loss = typed!(logits, T => {
        let values: &[T] = slice(&logits);
        let piece = piece::size(classes);
        let parts = buffer::collect(values.len().div_ceil(piece), |i| {
            let part = &values[i * piece..values.len().min((i + 1) * piece)];
            total_loss(part, &labels[i * piece / classes..], classes, smoothing)
        });
        let mean = parts.iter().sum::<f64>() / labels.len() as f64;
        buffer::tensor(vec![T::of(mean)], burn_shape(&[]))
    });
    finish(nodes, CrossEntropyBackward, loss, |_| Saved { logits, labels, smoothing })
}

#[derive(Debug)]
struct CrossEntropyBackward;

#[derive(Debug, Clone)]
struct Saved {
    logits: FlexTensor,
    labels: Vec<usize>,
    smoothing: f64,
}

impl Backward<Flex, 1> for CrossEntropyBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let Saved { logits, labels, smoothing } = ops.state;
        let classes = width(&logits);
        unary::<Flex, _>(ops.parents, ops.node, grads, |dy| {
            typed!(logits, T => {
                let scale = slice::<T>(&dense(dy))[0] / T::of(labels.len() as f64);
                replace::<T>(logits, classes, |at, part| {
                    backward(part, &labels[at / classes..], classes, T::of(smoothing), scale);
                })
            })
        });
    }
}

vectorised! {
    fn total_loss<T: Real>(logits: &[T], labels: &[usize], classes: usize, smoothing: f64) -> f64 {
        let mut total = 0.0;
        for (row, &label) in logits.chunks_exact(classes).zip(labels) {
            let shift = row::max(row);
            let log_sum = shift + row::sum(row, |x| (x - shift).exponential()).logarithm();
            total += (1.0 - smoothing) * (log_sum - row[label]).wide();
            if smoothing != 0.0 {
                total += smoothing / classes as f64 * row::sum(row, |x| log_sum - x).wide();
            }
        }
        total
    }

    fn backward<T: Real>(logits: &mut [T], labels: &[usize], classes: usize, smoothing: T, scale: T) {
        let rest = smoothing / T::of(classes as f64);
        for (row, &label) in logits.chunks_exact_mut(classes).zip(labels) {
            row::softmax(row);
            for p in row.iter_mut() {
                *p = (*p - rest) * scale;
            }
            row[label] += (smoothing - T::ONE) * scale;
        }
    }
}
