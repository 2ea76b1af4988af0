//! From an operation on values to the code that runs it.

use dfdx::tensor::Cpu;
use palimpsest_core::tensor::{DType, Op};
use palimpsest_core::{Error, Result, Shape};

use crate::dense::Dense;
use crate::discrete::Elements;
use crate::engine::{Engine, Hardware};
use crate::fused::Fused;
use crate::inputs::Inputs;
use crate::real::Real;
use crate::reduce::Around;
use crate::sampler::Sampler;
use crate::value::{Discrete, Value, Var};
use crate::{convert, discrete, elementwise, index, layout, product, recording, reduce, resample};

/// Runs an operation.
///
/// # Errors
/// Inputs that it is not defined on.
pub(crate) fn execute<H: Fused>(
    device: &H,
    sampler: &Sampler,
    op: &Op,
    inputs: Vec<Value<H>>,
) -> Result<Vec<Value<H>>> {
    let name = op.kind().name();
    match op {
        Op::Full { shape, value, dtype } => return Ok(vec![convert::full(device, shape, *value, *dtype)?]),
        Op::RandomNormal { shape, dtype } | Op::RandomUniform { shape, dtype } => {
            return Ok(vec![draw(device, sampler, op, shape, *dtype)?]);
        }
        _ => {}
    }
    if let Op::Cast { dtype } = op {
        let value = inputs.into_iter().next();
        let value = value.ok_or_else(|| Error::failure(format!("{name}: an input is missing")))?;
        let value = if recording::enabled() { value } else { value.with_node(None) };
        return Ok(vec![convert::cast(device, value, *dtype)?]);
    }
    // The type that it runs on: that of the branches of `where`, else that of the first input.
    let first = inputs.get(usize::from(matches!(op, Op::Where)));
    let dtype = first.map(|value| value.signature().1);
    let inputs = Inputs::new(name, inputs);
    match dtype {
        Some(DType::F32) => floats::<f32, H>(op, inputs),
        Some(DType::F64) => floats::<f64, H>(op, inputs),
        Some(DType::I64) => Ok(vec![whole(op, inputs)?]),
        Some(DType::Bool) => Ok(vec![bools(op, inputs)?]),
        _ => Err(Error::failure(format!("{name}: an input is missing"))),
    }
}

fn draw<H: Hardware>(
    device: &H,
    sampler: &Sampler,
    op: &Op,
    shape: &Shape,
    dtype: DType,
) -> Result<Value<H>> {
    fn drawn<E: Real, H: Engine<E>>(device: &H, sampler: &Cpu, op: &Op, shape: &Shape) -> Value<H> {
        let normal = matches!(op, Op::RandomNormal { .. });
        let sample = if normal { E::sample_normal } else { E::sample_uniform };
        // dfdx indexes into what it draws, also where that is nothing.
        let elements = if shape.count() == 0 { vec![] } else { sample(sampler, shape.count()) };
        E::value(Var::plain(Dense::from_vec(device, elements, shape.clone())))
    }
    let sampler = sampler.lock();
    match dtype {
        DType::F32 => Ok(drawn::<f32, H>(device, &sampler, op, shape)),
        DType::F64 => Ok(drawn::<f64, H>(device, &sampler, op, shape)),
        DType::Bf16 => Err(convert::no_bf16()),
        DType::I64 | DType::Bool | DType::U8 => Err(Error::failure(format!("random values of type {dtype}"))),
    }
}

fn floats<E: Real, H: Engine<E> + Fused>(op: &Op, mut inputs: Inputs<H>) -> Result<Vec<Value<H>>> {
    let name = op.kind().name();
    if op.kind().is_fused() {
        return Ok(H::fused::<E>(op, inputs)?.into_iter().map(E::value).collect());
    }
    let y = match op {
        Op::Where => {
            let condition = inputs.bools()?;
            where_(&condition, inputs.float()?, inputs.float()?)
        }
        Op::Equal | Op::Less => {
            let (a, b): (Var<E, H>, Var<E, H>) = (inputs.float()?, inputs.float()?);
            let (left, right) = (a.dense.to_vec(), b.dense.to_vec());
            let left = Elements { data: &left, shape: a.dense.shape() };
            let right = Elements { data: &right, shape: b.dense.shape() };
            return Ok(vec![Value::Bool(discrete::compare(op, left, right))]);
        }
        Op::Argmax { axis } => {
            return Ok(vec![Value::Int(discrete::argmax(&inputs.float::<E>()?.dense, *axis))]);
        }
        Op::Argsort { axis, descending } => {
            let x = inputs.float::<E>()?;
            return Ok(vec![Value::Int(discrete::argsort(&x.dense, *axis, *descending))]);
        }
        Op::Add | Op::Sub | Op::Mul | Op::Div => {
            let (a, b): (Var<E, H>, Var<E, H>) = (inputs.float()?, inputs.float()?);
            elementwise::binary(op, a, b).ok_or_else(|| unknown(name))?
        }
        Op::Sum { axes } => reduce::sum(inputs.float()?, axes),
        Op::Mean { axes } => reduce::mean(inputs.float()?, axes),
        Op::Max { axis } => reduce::max(inputs.float()?, *axis),
        Op::Reshape { shape } => layout::reshape(inputs.float()?, shape),
        Op::Permute { axes } => layout::permute(inputs.float()?, axes),
        Op::Narrow { axis, start, len } => layout::narrow(inputs.float()?, *axis, *start, *len),
        Op::Concat { axis } => concat(inputs.floats()?, *axis)?,
        Op::Pad { axis, before, after, value } => {
            layout::pad(inputs.float()?, *axis, *before, *after, *value)
        }
        Op::Expand { shape } => layout::expand(inputs.float()?, shape),
        Op::Gather { axis } => index::gather(inputs.float()?, &inputs.integers()?, *axis)?,
        Op::IndexSelect { axis } => index::select(inputs.float()?, &inputs.integers()?, *axis)?,
        Op::ScatterAdd { axis } => {
            let (x, indices) = (inputs.float()?, inputs.integers()?);
            index::scatter_add(x, &indices, inputs.float()?, *axis)?
        }
        Op::Matmul => product::matmul(inputs.float()?, inputs.float()?),
        Op::Conv2d { stride, padding } => {
            product::conv2d(inputs.float()?, inputs.float()?, *stride, *padding)
        }
        Op::Interpolate { height, width, mode } => {
            resample::interpolate(inputs.float()?, *height, *width, *mode)
        }
        _ => elementwise::unary(op, inputs.float()?).ok_or_else(|| unknown(name))?,
    };
    Ok(vec![E::value::<H>(y)])
}

fn unknown(name: &str) -> Error {
    Error::failure(format!("{name} is not known to the dfdx backend"))
}

fn where_<E: Real, H: Engine<E>>(condition: &Discrete<bool>, a: Var<E, H>, b: Var<E, H>) -> Var<E, H> {
    let (left, right) = (a.dense.shape().clone(), b.dense.shape().clone());
    let (elements, out) = discrete::where_(
        condition,
        Elements { data: &a.dense.to_vec(), shape: &left },
        Elements { data: &b.dense.to_vec(), shape: &right },
    );
    let y = a.dense.beside(elements, out.clone());
    let condition = condition.clone();
    Var::recorded([a.node, b.node], y, move |dy, wanted| {
        let dense = Elements { data: &dy.to_vec(), shape: &out };
        let zero = Elements { data: &[E::ZERO], shape: &Shape::default() };
        let part = |a, b, shape| dy.beside(discrete::where_(&condition, a, b).0, out.clone()).sum_to(shape);
        [wanted[0].then(|| part(dense, zero, &left)), wanted[1].then(|| part(zero, dense, &right))]
    })
}

fn concat<E: Real, H: Engine<E>>(parts: Vec<Var<E, H>>, axis: usize) -> Result<Var<E, H>> {
    let first = parts.first().ok_or_else(|| Error::failure("concat: an input is missing"))?;
    let mut shape = first.dense.shape().to_vec();
    let lens: Vec<usize> = parts.iter().map(|part| part.dense.shape()[axis]).collect();
    shape[axis] = lens.iter().sum();
    let dense = match H::HOST {
        true => {
            let elements: Vec<Vec<E>> = parts.iter().map(|part| part.dense.to_vec()).collect();
            let slices: Vec<(&[E], Around)> = elements
                .iter()
                .zip(&parts)
                .map(|(elements, part)| (elements.as_slice(), Around::new(part.dense.shape(), axis)))
                .collect();
            first.dense.beside(layout::joined(&slices), shape)
        }
        false => Dense::joined_there(parts.iter().map(|part| part.dense.clone()), axis),
    };
    let nodes = parts.into_iter().map(|part| part.node).collect();
    Ok(Var::recorded_many(nodes, dense, move |dy, wanted| {
        let mut start = 0;
        let part = |(&len, &wanted): (&usize, &bool)| {
            let part = wanted.then(|| dy.clone().narrow(axis, start, len));
            start += len;
            part
        };
        lens.iter().zip(wanted).map(part).collect()
    }))
}

fn whole<H: Hardware>(op: &Op, mut inputs: Inputs<H>) -> Result<Value<H>> {
    if matches!(op, Op::Where) {
        let condition = inputs.bools()?;
        let (a, b) = (inputs.integers()?, inputs.integers()?);
        let (data, shape) = discrete::where_(&condition, a.elements(), b.elements());
        return Ok(Value::Int(Discrete::new(data, shape)));
    }
    let x = inputs.integers()?;
    Ok(match op {
        Op::Equal | Op::Less => {
            let y = inputs.integers()?;
            Value::Bool(discrete::compare(op, x.elements(), y.elements()))
        }
        Op::ScatterAdd { axis } => {
            Value::Int(discrete::scatter_add(&x, &inputs.integers()?, &inputs.integers()?, *axis)?)
        }
        _ => {
            let mut rest = Vec::new();
            while let Some(Value::Int(x)) = inputs.next() {
                rest.push(x);
            }
            Value::Int(discrete::run(op, &x, &rest, rest.first(), |x| x as i64)?)
        }
    })
}

fn bools<H: Hardware>(op: &Op, mut inputs: Inputs<H>) -> Result<Value<H>> {
    let x = inputs.bools()?;
    Ok(Value::Bool(match op {
        Op::Where => {
            let (a, b) = (inputs.bools()?, inputs.bools()?);
            let (data, shape) = discrete::where_(&x, a.elements(), b.elements());
            Discrete::new(data, shape)
        }
        Op::Equal | Op::Less => {
            let y = inputs.bools()?;
            discrete::compare(op, x.elements(), y.elements())
        }
        Op::Gather { .. } | Op::IndexSelect { .. } => {
            discrete::run(op, &x, &[], Some(&inputs.integers()?), |x| x != 0.0)?
        }
        _ => {
            let mut rest = Vec::new();
            while let Some(Value::Bool(x)) = inputs.next() {
                rest.push(x);
            }
            discrete::run(op, &x, &rest, None, |x| x != 0.0)?
        }
    }))
}
