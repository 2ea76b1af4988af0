//! Fused operations by their definitions.

use palimpsest_core::tensor::{AdamwRates, Op};

use crate::array::Array;

pub(super) fn linear(x: &Array, weight: &Array, bias: Option<&Array>) -> Array {
    let shape = [&x.shape[..x.rank() - 1], &weight.shape[..1]].concat();
    Array::build(&shape, |i| {
        let (row, out) = (&i[..i.len() - 1], i[i.len() - 1]);
        let product: f64 =
            (0..weight.shape[1]).map(|l| x.at(&[row, &[l]].concat()) * weight.at(&[out, l])).sum();
        product + bias.map_or(0.0, |bias| bias.data[out])
    })
}

/// A function of each row along the last axis.
fn rows(x: &Array, f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    match x.shape.last() {
        Some(&width) if width > 0 => x.data.chunks(width).flat_map(f).collect(),
        _ => vec![],
    }
}

pub(super) fn softmax(x: &Array) -> Array {
    let data = rows(x, |row| {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let e: Vec<f64> = row.iter().map(|v| (v - largest).exp()).collect();
        let sum: f64 = e.iter().sum();
        e.iter().map(|v| v / sum).collect()
    });
    Array { shape: x.shape.clone(), data }
}

pub(super) fn layer_norm(x: &Array, gain: &Array, bias: &Array, eps: f64) -> Array {
    let data = rows(x, |row| {
        let count = row.len() as f64;
        let mean = row.iter().sum::<f64>() / count;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        let scaled = |(v, (g, b)): (&f64, (&f64, &f64))| (v - mean) / (variance + eps).sqrt() * g + b;
        row.iter().zip(gain.data.iter().zip(&bias.data)).map(scaled).collect()
    });
    Array { shape: x.shape.clone(), data }
}

pub(super) fn residual(inputs: &[Array]) -> Array {
    let branch = inputs[2..].iter().fold(inputs[1].clone(), |y, factor| y.zip(factor, |a, b| a * b));
    inputs[0].zip(&branch, |x, y| x + y)
}

pub(super) fn row_entropy(p: &Array) -> Array {
    let term = |p: f64| if p == 0.0 { 0.0 } else { -p * p.ln() };
    p.map(term).sum(&[p.rank() - 1])
}

pub(super) fn cross_entropy(logits: &Array, labels: &Array, smoothing: f64) -> Array {
    let classes = logits.shape[1];
    let losses = logits.data.chunks(classes).zip(&labels.data).map(|(row, &label)| {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = row.iter().map(|v| (v - largest).exp()).sum::<f64>().ln() + largest;
        let uniform = row.iter().map(|v| log_sum - v).sum::<f64>() / classes as f64;
        (1.0 - smoothing) * (log_sum - row[label as usize]) + smoothing * uniform
    });
    Array { shape: vec![], data: vec![losses.sum::<f64>() / logits.shape[0] as f64] }
}

/// Loshchilov & Hutter (2019), algorithm 2, with PyTorch's order: decay first, then the step.
pub(super) fn adamw(op: &Op, inputs: &[Array]) -> Vec<Array> {
    let Op::Adamw { beta1, beta2, eps, decay, factor } = *op else {
        unreachable!("{op:?} is no step of AdamW")
    };
    let rates = AdamwRates::of(inputs[4].data.as_slice().try_into().expect("five rates"));
    if rates.skip {
        return [&inputs[0], &inputs[2], &inputs[3]].into_iter().chain(&inputs[5..]).cloned().collect();
    }
    let lr = rates.lr * factor;
    let gradient = inputs[1].map(|g| g * rates.scale);
    let first = inputs[2].zip(&gradient, |m, g| beta1 * m + (1.0 - beta1) * g);
    let second = inputs[3].zip(&gradient, |v, g| beta2 * v + (1.0 - beta2) * g * g);
    let correction = |beta: f64| 1.0 - beta.powf(rates.step);
    let update = first.zip(&second, |m, v| (m / correction(beta1)) / ((v / correction(beta2)).sqrt() + eps));
    let parameter = inputs[0].zip(&update, |p, u| p * (1.0 - lr * decay) - lr * u);
    let averages = inputs[5..].iter().map(|mean| mean.zip(&parameter, |a, p| a + rates.average * (p - a)));
    let averages: Vec<Array> = averages.collect();
    [parameter, first, second].into_iter().chain(averages).collect()
}
