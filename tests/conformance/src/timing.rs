//! Mode `perf`: what the operations cost that a training step spends its time in, at the sizes of ViT-Ti/16 on
//! images of 224 pixels in batches of 8.

use std::time::Instant;

use palimpsest_core::tensor::{AdamwRates, Op};
use palimpsest_core::{DType, DeviceHandle, Result, Tensor};

use crate::array::Array;
use crate::subject::Subject;

/// Runs before the clock counts.
const WARM_UP: usize = 3;
/// Runs that are timed.
const RUNS: usize = 15;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Floating-point operations: a product is bound by arithmetic.
    Flops,
    /// Bytes that must at least be read and written: the rest is bound by memory.
    Bytes,
}

/// An operation at its size in training.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The operation.
    pub op: Op,
    /// The inputs' shapes.
    pub shapes: Vec<Vec<usize>>,
    /// The unit of `forward` and `both`.
    pub work: Work,
    /// The work of the operation.
    pub forward: f64,
    /// The work of the operation and its backward pass; `None` for one without.
    pub both: Option<f64>,
}

/// How long it took.
#[derive(Debug, Clone)]
pub struct Timing {
    /// What was timed.
    pub workload: Workload,
    /// Median seconds of the operation.
    pub forward: Result<f64>,
    /// Median seconds of the operation, the sum of its result, and the backward pass to all inputs.
    pub both: Option<Result<f64>>,
}

/// Batch, tokens, width, heads and the perceptron's width.
const B: usize = 8;
const N: usize = 197;
const D: usize = 192;
const HEADS: usize = 3;
const MLP: usize = 768;

/// What is timed.
pub fn workloads() -> Vec<Workload> {
    let product = |op: Op, shapes: Vec<Vec<usize>>, multiplications: usize| {
        let forward = 2.0 * multiplications as f64;
        // Backward makes one product of the same size for each of the two factors.
        Workload { op, shapes, work: Work::Flops, forward, both: Some(3.0 * forward) }
    };
    let pass = |op: Op, shapes: Vec<Vec<usize>>| {
        let bytes = 4.0 * shapes[0].iter().product::<usize>() as f64;
        // Read x, write y; then read x (or y) and y's gradient, write x's.
        Workload { op, shapes, work: Work::Bytes, forward: 2.0 * bytes, both: Some(5.0 * bytes) }
    };
    let layer = |out: usize, input: usize| {
        product(Op::Linear, vec![vec![B, N, input], vec![out, input], vec![out]], B * N * input * out)
    };
    // One step for all of the encoder's weights, near enough: twelve blocks of 12 D².
    let parameters = 12 * 12 * D * D;
    vec![
        product(Op::Matmul, vec![vec![B * N, D], vec![D, MLP]], B * N * D * MLP),
        layer(3 * D, D),
        layer(MLP, D),
        layer(D, MLP),
        pass(Op::LayerNorm { eps: 1e-6 }, vec![vec![B, N, D], vec![D], vec![D]]),
        pass(Op::Softmax, vec![vec![B, HEADS, N, N]]),
        pass(Op::Gelu, vec![vec![B, N, MLP]]),
        product(Op::SelfAttention { heads: HEADS }, vec![vec![B, N, 3 * D]], 2 * B * N * N * D),
        Workload {
            op: Op::Adamw { beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.05, factor: 1.0 },
            shapes: vec![vec![parameters]; 4],
            work: Work::Bytes,
            // Four are read and three written.
            forward: 28.0 * parameters as f64,
            both: None,
        },
    ]
}

/// Times a workload in f32.
pub fn time(subject: &mut Subject<'_>, workload: Workload) -> Timing {
    let forward = subject.guard(|device| forward(device, &workload));
    let both = workload.both.map(|_| subject.guard(|device| both(device, &workload)));
    Timing { workload, forward, both }
}

/// Small positive values, which are also valid second moments.
fn inputs(device: &DeviceHandle, workload: &Workload) -> Result<Vec<Tensor>> {
    let upload = |(shape, seed): (&Vec<usize>, u64)| {
        device.upload(Array::random(shape, seed).map(|v| 0.1 * v.abs()).host(DType::F32)?)
    };
    workload.shapes.iter().zip(1..).map(upload).collect()
}

fn forward(device: &DeviceHandle, workload: &Workload) -> Result<f64> {
    let inputs = inputs(device, workload)?;
    if matches!(workload.op, Op::Adamw { .. }) {
        // As the optimiser does: the state is given away and comes back. The gradient is kept.
        let mut state = inputs;
        let gradient = state.remove(1);
        let rates = AdamwRates::new(1e-3, 10).upload(device, DType::F32)?;
        return median(device, || {
            let mut given = std::mem::take(&mut state);
            given.insert(1, gradient.clone());
            given.push(rates.clone());
            state = Tensor::apply_owned(&workload.op, given)?;
            Ok(())
        });
    }
    median(device, || Tensor::apply(&workload.op, &inputs).map(drop))
}

fn both(device: &DeviceHandle, workload: &Workload) -> Result<f64> {
    let leaves = inputs(device, workload)?.iter().map(Tensor::track).collect::<Result<Vec<_>>>()?;
    let wanted: Vec<&Tensor> = leaves.iter().collect();
    median(device, || {
        let out = Tensor::apply(&workload.op, &leaves)?.remove(0);
        out.sum_all()?.backward(&wanted).map(drop)
    })
}

/// The median time of a run, in seconds, with all its work done.
fn median(device: &DeviceHandle, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut seconds = Vec::with_capacity(RUNS);
    for i in 0..WARM_UP + RUNS {
        let start = Instant::now();
        run()?;
        device.backend.synchronize(device.id)?;
        if i >= WARM_UP {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[RUNS / 2])
}
