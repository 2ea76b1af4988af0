//! The time and memory of a training step of a vision transformer: the model that
//! `backends/burn/benches/pytorch_vit_step.py` runs too. Each backend has it as an example.

use std::time::Instant;

use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::tensor::{AdamwRates, Op};
use palimpsest_core::{DType, DeviceHandle, Result, Tensor};

/// Steps before the clock counts.
const WARM_UP: u64 = 2;

/// The sizes of a model.
struct Model {
    batch: usize,
    tokens: usize,
    dim: usize,
    depth: usize,
    heads: usize,
    /// Values per patch.
    pixels: usize,
}

const TI: Model = Model { batch: 8, tokens: 197, dim: 192, depth: 12, heads: 3, pixels: 768 };
/// recipes/paper-micro.toml: 24 px, patches of 4.
const QUICK: Model = Model { batch: 32, tokens: 36, dim: 96, depth: 4, heads: 3, pixels: 16 };

/// A parameter with its moments.
struct Parameter {
    value: Tensor,
    first: Tensor,
    second: Tensor,
}

fn random(device: &DeviceHandle, shape: &[usize], scale: f32, seed: u64) -> Result<Tensor> {
    let mut values = vec![0.0; shape.iter().product()];
    Philox::new(seed, Stream::Init, 0, 0).fill_normal(&mut values);
    for value in &mut values {
        *value *= scale;
    }
    device.floats(shape, values, DType::F32)
}

fn parameters(device: &DeviceHandle, model: &Model) -> Result<Vec<Parameter>> {
    let d = model.dim;
    let mut shapes: Vec<Vec<usize>> = vec![vec![d, model.pixels], vec![d]];
    for _ in 0..model.depth {
        let block = [
            vec![d],
            vec![d],
            vec![3 * d, d],
            vec![3 * d],
            vec![d, d],
            vec![d],
            vec![d],
            vec![d],
            vec![4 * d, d],
            vec![4 * d],
            vec![d, 4 * d],
            vec![d],
        ];
        shapes.extend(block);
    }
    shapes.extend([vec![d], vec![d], vec![model.pixels, d], vec![model.pixels]]);
    let parameter = |(i, shape): (usize, &Vec<usize>)| {
        let zero = || device.full(shape.as_slice(), 0.0, DType::F32);
        Ok(Parameter {
            value: random(device, shape, 0.05, i as u64)?.add_scalar(if shape.len() == 1 {
                0.5
            } else {
                0.0
            })?,
            first: zero()?,
            second: zero()?,
        })
    };
    shapes.iter().enumerate().map(parameter).collect()
}

/// The loss: mean absolute error of the reconstruction, and in the second variant the mean entropy
/// of the attention rows of all blocks but the first two.
fn loss(model: &Model, probs: bool, p: &[Tensor], x: &Tensor, target: &Tensor) -> Result<Tensor> {
    let mut p = p.iter();
    let mut next = || p.next().expect("as many parameters as were made");
    let mut h = x.linear(next(), Some(next()))?;
    let mut entropy: Option<Tensor> = None;
    for block in 0..model.depth {
        let y = h.layer_norm(next(), next(), 1e-6)?;
        let qkv = y.linear(next(), Some(next()))?;
        let attended = if probs && block >= 2 {
            let probabilities = qkv.attention_probs(None, model.heads)?;
            let row = probabilities.row_entropy()?.mean_all()?;
            entropy = Some(match entropy {
                Some(sum) => sum.add(&row)?,
                None => row,
            });
            probabilities.attention_apply(&qkv, model.heads)?
        } else {
            qkv.self_attention(None, model.heads)?
        };
        let y = attended.linear(next(), Some(next()))?;
        h = h.residual(&y, None, None)?;
        let y = h.layer_norm(next(), next(), 1e-6)?;
        let y = y.linear(next(), Some(next()))?.gelu()?.linear(next(), Some(next()))?;
        h = h.residual(&y, None, None)?;
    }
    let out = h.layer_norm(next(), next(), 1e-6)?.linear(next(), Some(next()))?;
    let loss = out.sub(target)?.abs()?.mean_all()?;
    match entropy {
        Some(entropy) => loss.add(&entropy.mul_scalar(-0.01)?),
        None => Ok(loss),
    }
}

fn step(model: &Model, probs: bool, state: &mut [Parameter], data: [&Tensor; 2], number: u64) -> Result<f64> {
    let leaves = state.iter().map(|p| p.value.track()).collect::<Result<Vec<_>>>()?;
    let loss = loss(model, probs, &leaves, data[0], data[1])?;
    let value = loss.item()?;
    let gradients = loss.backward(&leaves.iter().collect::<Vec<_>>())?;
    drop(leaves);
    let op = Op::Adamw { beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.05, factor: 1.0 };
    let rates = AdamwRates::new(1e-4, number).upload(&data[0].device(), DType::F32)?;
    for (parameter, gradient) in state.iter_mut().zip(gradients) {
        let Some(gradient) = gradient else { continue };
        // The state gives its handles away for the while, so that all three are changed in place.
        let gone = gradient.clone();
        let value = std::mem::replace(&mut parameter.value, gone.clone());
        let first = std::mem::replace(&mut parameter.first, gone.clone());
        let second = std::mem::replace(&mut parameter.second, gone);
        let out = Tensor::apply_owned(&op, vec![value, gradient, first, second, rates.clone()])?;
        let [value, first, second] = <[Tensor; 3]>::try_from(out).expect("AdamW has three results");
        *parameter = Parameter { value, first, second };
    }
    Ok(value)
}

/// Runs `<ti|quick> <fused|probs> <steps>`, the program's first arguments. Returns the line to print: the median and
/// least milliseconds per step, the peak memory in MiB (resident, or the device's) and the last loss.
///
/// # Errors
/// What the backend fails at.
///
/// # Panics
/// The third argument is no number.
pub fn run(device: &DeviceHandle) -> Result<String> {
    let argument = |i: usize, default: &str| std::env::args().nth(i).unwrap_or_else(|| default.to_owned());
    let model = if argument(1, "ti") == "quick" { QUICK } else { TI };
    let probs = argument(2, "fused") == "probs";
    let steps: u64 = argument(3, "10").parse().expect("a number of steps");
    let mut state = parameters(device, &model)?;
    let x = random(device, &[model.batch, model.tokens, model.pixels], 1.0, 1000)?;
    let target = random(device, &[model.batch, model.tokens, model.pixels], 1.0, 1001)?;
    let mut times = Vec::new();
    let mut last = 0.0;
    for number in 1..=steps + WARM_UP {
        let start = Instant::now();
        last = step(&model, probs, &mut state, [&x, &target], number)?;
        if number > WARM_UP {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    let peak = device.backend.memory(device.id).peak.unwrap_or(0) as f64 / f64::from(1 << 20);
    Ok(format!("{:.1} {:.1} {peak:.0} {last:.6}", times[times.len() / 2], times[0]))
}
