//! Shapes and types of results, checked before a backend is asked.

use smallvec::{SmallVec, smallvec};

use super::{AdamwRates, DType, Op, Shape};
use crate::{Error, Result};

/// A tensor's type as the checks see it.
pub(super) type Signature<'a> = (&'a Shape, DType);

/// The signatures of an operation's results; nearly every operation has one.
pub(super) type Signatures = SmallVec<[(Shape, DType); 1]>;

fn fail(op: &Op, inputs: &[Signature<'_>], why: &str) -> Error {
    let list: Vec<String> = inputs.iter().map(|(shape, dtype)| format!("{dtype}{shape}")).collect();
    Error::failure(format!("{}({}): {why}", op.kind().name(), list.join(", ")))
}

/// The signatures of an operation's outputs.
pub(super) fn infer(op: &Op, inputs: &[Signature<'_>]) -> Result<Signatures> {
    let err = |why: &str| fail(op, inputs, why);
    let arity = |least: usize, most: usize| {
        if (least..=most).contains(&inputs.len()) { Ok(()) } else { Err(err("wrong number of inputs")) }
    };
    let float = |i: usize| {
        if inputs[i].1.is_float() { Ok(()) } else { Err(err("needs floats")) }
    };
    let same_type = |a: usize, b: usize| {
        if inputs[a].1 == inputs[b].1 { Ok(()) } else { Err(err("types differ")) }
    };
    let shape_is = |i: usize, want: &[usize]| {
        if inputs[i].0.dims() == want {
            Ok(())
        } else {
            Err(err(&format!("input {i} must have shape {want:?}")))
        }
    };
    let axis_in = |axis: usize| {
        if axis < inputs[0].0.rank() { Ok(()) } else { Err(err(&format!("no axis {axis}"))) }
    };
    let one = |shape: Shape, dtype: DType| Ok(smallvec![(shape, dtype)]);
    let with = |shape: &Shape, axis: usize, extent: usize| {
        let mut shape = shape.clone();
        shape[axis] = extent;
        shape
    };
    let index = |i: usize| {
        if inputs[i].1 == DType::I64 { Ok(()) } else { Err(err("indices must be i64")) }
    };

    let pixels = |(_, dtype): &Signature<'_>| *dtype == DType::U8;
    if inputs.iter().any(pixels) && !matches!(op, Op::Cast { dtype } if dtype.is_float()) {
        return Err(err("u8 is cast to floats and nothing else"));
    }
    match op {
        Op::Full { dtype: DType::U8, .. } | Op::Cast { dtype: DType::U8 } => {
            Err(err("u8 is uploaded, not made"))
        }
        Op::Full { shape, dtype, .. }
        | Op::RandomNormal { shape, dtype }
        | Op::RandomUniform { shape, dtype } => {
            arity(0, 0)?;
            one(shape.clone(), *dtype)
        }
        Op::Neg
        | Op::Exp
        | Op::Log
        | Op::Sqrt
        | Op::Tanh
        | Op::Erf
        | Op::Abs
        | Op::Sin
        | Op::Cos
        | Op::AddScalar { .. }
        | Op::MulScalar { .. }
        | Op::PowScalar { .. }
        | Op::Clamp { .. }
        | Op::Gelu
        | Op::Silu => {
            arity(1, 1)?;
            float(0)?;
            one(inputs[0].0.clone(), inputs[0].1)
        }
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Equal | Op::Less => {
            arity(2, 2)?;
            same_type(0, 1)?;
            let compared = matches!(op, Op::Equal | Op::Less);
            if !compared {
                float(0)?;
            }
            let shape = inputs[0].0.broadcast(inputs[1].0).ok_or_else(|| err("shapes don't broadcast"))?;
            one(shape, if compared { DType::Bool } else { inputs[0].1 })
        }
        Op::Where => {
            arity(3, 3)?;
            same_type(1, 2)?;
            if inputs[0].1 != DType::Bool {
                return Err(err("the condition must be bool"));
            }
            let shape = inputs[1]
                .0
                .broadcast(inputs[2].0)
                .and_then(|shape| shape.broadcast(inputs[0].0))
                .ok_or_else(|| err("shapes don't broadcast"))?;
            one(shape, inputs[1].1)
        }
        Op::Cast { dtype } => {
            arity(1, 1)?;
            one(inputs[0].0.clone(), *dtype)
        }
        Op::Sum { axes } | Op::Mean { axes } => {
            arity(1, 1)?;
            float(0)?;
            let mut shape = inputs[0].0.clone();
            for pair in axes.windows(2) {
                if pair[0] >= pair[1] {
                    return Err(err("axes must ascend"));
                }
            }
            for &axis in axes {
                axis_in(axis)?;
                shape[axis] = 1;
            }
            one(shape, inputs[0].1)
        }
        Op::Max { axis } | Op::Argmax { axis } => {
            arity(1, 1)?;
            float(0)?;
            axis_in(*axis)?;
            if inputs[0].0[*axis] == 0 {
                return Err(err("an empty axis has no largest value"));
            }
            let dtype = if matches!(op, Op::Argmax { .. }) { DType::I64 } else { inputs[0].1 };
            one(with(inputs[0].0, *axis, 1), dtype)
        }
        Op::Argsort { axis, .. } => {
            arity(1, 1)?;
            float(0)?;
            axis_in(*axis)?;
            one(inputs[0].0.clone(), DType::I64)
        }
        Op::Reshape { shape } => {
            arity(1, 1)?;
            if shape.count() != inputs[0].0.count() {
                return Err(err(&format!("can't become {shape}")));
            }
            one(shape.clone(), inputs[0].1)
        }
        Op::Permute { axes } => {
            arity(1, 1)?;
            let mut seen = vec![false; inputs[0].0.rank()];
            for &axis in axes {
                axis_in(axis)?;
                seen[axis] = true;
            }
            if axes.len() != seen.len() || seen.contains(&false) {
                return Err(err(&format!("{axes:?} is no order of the axes")));
            }
            one(axes.iter().map(|&a| inputs[0].0[a]).collect(), inputs[0].1)
        }
        Op::Narrow { axis, start, len } => {
            arity(1, 1)?;
            axis_in(*axis)?;
            if start + len > inputs[0].0[*axis] {
                return Err(err(&format!("{start}..{} is outside axis {axis}", start + len)));
            }
            one(with(inputs[0].0, *axis, *len), inputs[0].1)
        }
        Op::Concat { axis } => {
            arity(1, usize::MAX)?;
            axis_in(*axis)?;
            let mut extent = 0;
            for (i, (shape, _)) in inputs.iter().enumerate() {
                same_type(0, i)?;
                if shape.rank() != inputs[0].0.rank() || with(shape, *axis, 0) != with(inputs[0].0, *axis, 0)
                {
                    return Err(err("shapes differ off the axis"));
                }
                extent += shape[*axis];
            }
            one(with(inputs[0].0, *axis, extent), inputs[0].1)
        }
        Op::Pad { axis, before, after, .. } => {
            arity(1, 1)?;
            axis_in(*axis)?;
            one(with(inputs[0].0, *axis, inputs[0].0[*axis] + before + after), inputs[0].1)
        }
        Op::Expand { shape } => {
            arity(1, 1)?;
            if inputs[0].0.broadcast(shape).as_ref() != Some(shape) {
                return Err(err(&format!("can't expand to {shape}")));
            }
            one(shape.clone(), inputs[0].1)
        }
        Op::Gather { axis } => {
            arity(2, 2)?;
            axis_in(*axis)?;
            index(1)?;
            if inputs[0].0.rank() != inputs[1].0.rank()
                || with(inputs[0].0, *axis, 0) != with(inputs[1].0, *axis, 0)
            {
                return Err(err("shapes differ off the axis"));
            }
            one(inputs[1].0.clone(), inputs[0].1)
        }
        Op::IndexSelect { axis } => {
            arity(2, 2)?;
            axis_in(*axis)?;
            index(1)?;
            if inputs[1].0.rank() != 1 {
                return Err(err("indices must have rank 1"));
            }
            one(with(inputs[0].0, *axis, inputs[1].0[0]), inputs[0].1)
        }
        Op::ScatterAdd { axis } => {
            arity(3, 3)?;
            axis_in(*axis)?;
            index(1)?;
            same_type(0, 2)?;
            if inputs[1].0 != inputs[2].0
                || inputs[0].0.rank() != inputs[1].0.rank()
                || with(inputs[0].0, *axis, 0) != with(inputs[1].0, *axis, 0)
            {
                return Err(err("shapes differ off the axis"));
            }
            one(inputs[0].0.clone(), inputs[0].1)
        }
        Op::Matmul => {
            arity(2, 2)?;
            float(0)?;
            same_type(0, 1)?;
            let (a, b) = (inputs[0].0, inputs[1].0);
            if a.rank() < 2 || b.rank() < 2 {
                return Err(err("needs rank 2 or more"));
            }
            let ([m, k], [k2, n]) = ([a[a.rank() - 2], a[a.rank() - 1]], [b[b.rank() - 2], b[b.rank() - 1]]);
            if k != k2 {
                return Err(err("inner extents differ"));
            }
            let batch = Shape::from(&a[..a.rank() - 2])
                .broadcast(&Shape::from(&b[..b.rank() - 2]))
                .ok_or_else(|| err("batch extents don't broadcast"))?;
            one(batch.iter().copied().chain([m, n]).collect(), inputs[0].1)
        }
        Op::Conv2d { stride, padding } => {
            arity(2, 2)?;
            same_type(0, 1)?;
            let ([b, c, h, w], [o, c2, kh, kw]) = (inputs[0].0.array()?, inputs[1].0.array()?);
            if c != c2 || *stride == 0 || h + 2 * padding < kh || w + 2 * padding < kw {
                return Err(err("the kernel doesn't fit"));
            }
            let out = |n: usize, k: usize| (n + 2 * padding - k) / stride + 1;
            one([b, o, out(h, kh), out(w, kw)].into(), inputs[0].1)
        }
        Op::Interpolate { height, width, .. } => {
            arity(1, 1)?;
            let [b, c, _, _] = inputs[0].0.array()?;
            one([b, c, *height, *width].into(), inputs[0].1)
        }
        Op::Linear => {
            arity(2, 3)?;
            float(0)?;
            same_type(0, 1)?;
            let [out, input] = inputs[1].0.array()?;
            let x = inputs[0].0;
            if x.last() != Some(&input) {
                return Err(err("inner extents differ"));
            }
            if inputs.len() == 3 {
                same_type(0, 2)?;
                shape_is(2, &[out])?;
            }
            one(with(x, x.rank() - 1, out), inputs[0].1)
        }
        Op::Softmax => {
            arity(1, 1)?;
            float(0)?;
            if inputs[0].0.rank() == 0 {
                return Err(err("needs an axis"));
            }
            one(inputs[0].0.clone(), inputs[0].1)
        }
        Op::LayerNorm { .. } => {
            arity(3, 3)?;
            float(0)?;
            same_type(0, 1)?;
            same_type(0, 2)?;
            let d = *inputs[0].0.last().ok_or_else(|| err("needs an axis"))?;
            shape_is(1, &[d])?;
            shape_is(2, &[d])?;
            one(inputs[0].0.clone(), inputs[0].1)
        }
        Op::Attention { heads } => {
            arity(3, 4)?;
            let ([b, n, d], [_, m, _]) = (inputs[0].0.array()?, inputs[1].0.array()?);
            shape_is(1, &[b, m, d])?;
            shape_is(2, &[b, m, d])?;
            if *heads == 0 || d % heads != 0 {
                return Err(err(&format!("{heads} heads don't divide {d}")));
            }
            bias_fits(op, inputs, 3, [b, *heads, n, m])?;
            one([b, n, d].into(), inputs[0].1)
        }
        Op::SelfAttention { heads } | Op::AttentionProbs { heads } => {
            arity(1, 2)?;
            let [b, n, d3] = inputs[0].0.array()?;
            if *heads == 0 || d3 % (3 * heads) != 0 {
                return Err(err(&format!("3 x {heads} heads don't divide {d3}")));
            }
            bias_fits(op, inputs, 1, [b, *heads, n, n])?;
            let shape = match op {
                Op::SelfAttention { .. } => Shape::from([b, n, d3 / 3]),
                _ => Shape::from([b, *heads, n, n]),
            };
            one(shape, inputs[0].1)
        }
        Op::AttentionApply { heads } => {
            arity(2, 2)?;
            same_type(0, 1)?;
            let [b, n, d3] = inputs[1].0.array()?;
            shape_is(0, &[b, *heads, n, n])?;
            if d3 % (3 * heads) != 0 {
                return Err(err(&format!("3 x {heads} heads don't divide {d3}")));
            }
            one([b, n, d3 / 3].into(), inputs[1].1)
        }
        Op::Residual { gain, keep } => {
            arity(2 + usize::from(*gain) + usize::from(*keep), 4)?;
            let [b, _, d] = inputs[0].0.array()?;
            shape_is(1, inputs[0].0)?;
            if *gain {
                shape_is(2, &[d])?;
            }
            if *keep {
                shape_is(inputs.len() - 1, &[b, 1, 1])?;
            }
            one(inputs[0].0.clone(), inputs[0].1)
        }
        Op::RowEntropy => {
            arity(1, 1)?;
            float(0)?;
            let rank = inputs[0].0.rank();
            if rank == 0 {
                return Err(err("needs an axis"));
            }
            one(with(inputs[0].0, rank - 1, 1), inputs[0].1)
        }
        Op::CrossEntropy { .. } => {
            arity(2, 2)?;
            float(0)?;
            index(1)?;
            let [b, _] = inputs[0].0.array()?;
            shape_is(1, &[b])?;
            one(Shape::default(), inputs[0].1)
        }
        Op::SumSquares => {
            arity(1, 1)?;
            float(0)?;
            one(Shape::default(), inputs[0].1)
        }
        Op::Lerp { .. } => {
            arity(2, 2)?;
            same_type(0, 1)?;
            shape_is(1, inputs[0].0)?;
            one(inputs[0].0.clone(), inputs[0].1)
        }
        Op::Adamw { .. } => {
            arity(5, 6)?;
            float(0)?;
            let signature = (inputs[0].0.clone(), inputs[0].1);
            for i in (1..4).chain(5..inputs.len()) {
                same_type(0, i)?;
                shape_is(i, inputs[0].0)?;
            }
            shape_is(4, &[AdamwRates::COUNT])?;
            if inputs[4].1 != AdamwRates::dtype(signature.1) {
                return Err(err("rates are f64 where the parameter is, else f32"));
            }
            Ok(smallvec![signature; inputs.len() - 2])
        }
    }
}

fn bias_fits(op: &Op, inputs: &[Signature<'_>], at: usize, full: [usize; 4]) -> Result<()> {
    let Some((shape, _)) = inputs.get(at) else { return Ok(()) };
    let full = Shape::from(full);
    if shape.rank() == 4 && shape.broadcast(&full).as_ref() == Some(&full) {
        Ok(())
    } else {
        Err(fail(op, inputs, &format!("the bias must broadcast to {full}")))
    }
}
