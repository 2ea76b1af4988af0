//! What each operation gives, in plain loops.

use palimpsest_abi::op;

use super::array::Array;
use crate::random::Stream;
use crate::tensor::DType;
use crate::{Error, Result};

/// What the random operations draw from.
pub(super) struct Random {
    pub(super) seed: u64,
    pub(super) step: u64,
    pub(super) first_sample: u64,
    pub(super) batch: usize,
}

fn fail<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::failure(what))
}

/// The value of an operation.
pub(super) fn evaluate(
    kind: u32,
    inputs: &[Array],
    integers: &[i64],
    reals: &[f64],
    random: &Random,
) -> Result<Array> {
    let name = op::ALL.iter().find(|(number, _)| *number == kind).map_or("an unknown operation", |o| o.1);
    let mut attributes = Attributes { integers, reals };
    let made = apply(kind, inputs, &mut attributes, random).map_err(|e| {
        let shapes: Vec<String> = inputs.iter().map(|a| format!("{}{:?}", a.dtype, a.shape)).collect();
        Error::failure(format!("{name}({}): {}", shapes.join(", "), e.message()))
    })?;
    if attributes.integers.is_empty() && attributes.reals.is_empty() {
        Ok(made)
    } else {
        fail(format!("{name} came with more attributes than it has"))
    }
}

struct Attributes<'a> {
    integers: &'a [i64],
    reals: &'a [f64],
}

impl Attributes<'_> {
    fn count(&mut self) -> Result<usize> {
        let Some((&first, rest)) = self.integers.split_first() else { return fail("too few attributes") };
        self.integers = rest;
        usize::try_from(first).or_else(|_| fail(format!("the attribute {first} is no count")))
    }

    fn real(&mut self) -> Result<f64> {
        let Some((&first, rest)) = self.reals.split_first() else { return fail("too few attributes") };
        self.reals = rest;
        Ok(first)
    }

    fn list(&mut self) -> Result<Vec<usize>> {
        (0..self.count()?).map(|_| self.count()).collect()
    }

    fn dtype(&mut self) -> Result<DType> {
        let code = self.count()?;
        DType::from_code(code as u32).map_or_else(|| fail("an unknown type"), Ok)
    }
}

fn apply(kind: u32, inputs: &[Array], with: &mut Attributes<'_>, random: &Random) -> Result<Array> {
    match kind {
        op::FULL => {
            let (shape, dtype, value) = (with.list()?, with.dtype()?, with.real()?);
            Ok(Array::of(dtype, &shape, vec![value; shape.iter().product()]))
        }
        op::RANDOM_NORMAL | op::RANDOM_UNIFORM => {
            let (shape, dtype) = (with.list()?, with.dtype()?);
            let whole = shape.first() != Some(&random.batch);
            let (parts, count) = if whole { (1, shape.iter().product()) } else { (shape[0], shape[1..].iter().product()) };
            let mut data = Vec::new();
            for image in 0..parts {
                let mut random = random.of(image, Stream::Own(u16::MAX));
                data.extend((0..count).map(|_: usize| {
                    f64::from(if kind == op::RANDOM_NORMAL { random.normal() } else { random.uniform() })
                }));
            }
            Ok(Array::of(dtype, &shape, data))
        }
        op::CONCAT => concat(inputs, with.count()?),
        op::ADD | op::SUB | op::MUL | op::DIV | op::EQUAL | op::LESS | op::MATMUL | op::LERP => {
            let [a, b] = inputs else { return fail("takes two tensors") };
            if a.dtype != b.dtype {
                return fail("different types");
            }
            match kind {
                op::ADD => broadcast(a, b, a.dtype, |x, y| x + y),
                op::SUB => broadcast(a, b, a.dtype, |x, y| x - y),
                op::MUL => broadcast(a, b, a.dtype, |x, y| x * y),
                op::DIV => broadcast(a, b, a.dtype, |x, y| x / y),
                op::EQUAL => broadcast(a, b, DType::Bool, |x, y| f64::from(u8::from(x == y))),
                op::LESS => broadcast(a, b, DType::Bool, |x, y| f64::from(u8::from(x < y))),
                op::LERP => {
                    let weight = with.real()?;
                    broadcast(a, b, a.dtype, |x, y| x + weight * (y - x))
                }
                _ => matmul(a, b),
            }
        }
        op::GATHER | op::INDEX_SELECT => {
            let [x, indices] = inputs else { return fail("takes two tensors") };
            let axis = with.count()?;
            axis_in(x, axis)?;
            index_type(indices)?;
            let mut shape = x.shape.clone();
            if kind == op::GATHER {
                off_axis(x, indices, axis)?;
            } else if indices.shape.len() != 1 {
                return fail("indices must have rank 1");
            }
            shape[axis] = if kind == op::GATHER { indices.shape[axis] } else { indices.shape[0] };
            let select = kind == op::INDEX_SELECT;
            build(x.dtype, &shape, |at, i| {
                let index = indices.data[if select { at[axis] } else { i }] as usize;
                let mut from = at.to_vec();
                from[axis] = index;
                if index < x.shape[axis] { Ok(x.data[flat(&x.shape, &from)]) } else { fail(format!("the index {index} is outside")) }
            })
        }
        op::SCATTER_ADD => {
            let [x, indices, source] = inputs else { return fail("takes three tensors") };
            let axis = with.count()?;
            axis_in(x, axis)?;
            index_type(indices)?;
            off_axis(x, indices, axis)?;
            if indices.shape != source.shape || x.dtype != source.dtype {
                return fail("indices and source differ");
            }
            let mut data = x.data.clone();
            for (i, &value) in source.data.iter().enumerate() {
                let mut at = position(&source.shape, i);
                at[axis] = indices.data[i] as usize;
                if at[axis] >= x.shape[axis] {
                    return fail(format!("the index {} is outside", at[axis]));
                }
                data[flat(&x.shape, &at)] += value;
            }
            Ok(Array::of(x.dtype, &x.shape, data))
        }
        op::WHERE => {
            let [condition, yes, no] = inputs else { return fail("takes three tensors") };
            if condition.dtype != DType::Bool || yes.dtype != no.dtype {
                return fail("takes truth values and two tensors of one type");
            }
            let both = shape_of(&shape_of(&yes.shape, &no.shape)?, &condition.shape)?;
            build(yes.dtype, &both, |at, _| {
                let from = if value(condition, at) != 0.0 { yes } else { no };
                Ok(value(from, at))
            })
        }
        op::CONV2D => {
            let [x, weight] = inputs else { return fail("takes two tensors") };
            let (stride, padding) = (with.count()?, with.count()?);
            conv2d(x, weight, stride, padding)
        }
        _ => {
            let [x] = inputs else { return fail("takes one tensor, or the test host doesn't have it") };
            unary(kind, x, with)
        }
    }
}

fn unary(kind: u32, x: &Array, with: &mut Attributes<'_>) -> Result<Array> {
    let map = |f: &dyn Fn(f64) -> f64| {
        if matches!(x.dtype, DType::I64 | DType::Bool) {
            return fail("needs a float type");
        }
        Ok(Array::of(x.dtype, &x.shape, x.data.iter().map(|&v| f(v)).collect()))
    };
    let rank = x.shape.len();
    match kind {
        op::NEG => map(&|v| -v),
        op::EXP => map(&f64::exp),
        op::LOG => map(&f64::ln),
        op::SQRT => map(&f64::sqrt),
        op::TANH => map(&f64::tanh),
        op::ERF => map(&erf),
        op::ABS => map(&f64::abs),
        op::SIN => map(&f64::sin),
        op::COS => map(&f64::cos),
        op::ADD_SCALAR => with.real().and_then(|by| map(&|v| v + by)),
        op::MUL_SCALAR => with.real().and_then(|by| map(&|v| v * by)),
        op::POW_SCALAR => with.real().and_then(|by| map(&|v| v.powf(by))),
        op::CLAMP => {
            let (min, max) = (with.real()?, with.real()?);
            map(&|v| v.max(min).min(max))
        }
        op::CAST => Ok(Array::of(with.dtype()?, &x.shape, x.data.clone())),
        op::SUM | op::MEAN => {
            let axes = with.list()?;
            let mut out = x.clone();
            for &axis in &axes {
                axis_in(x, axis)?;
                let n = if kind == op::MEAN { x.shape[axis] as f64 } else { 1.0 };
                // In f64 until the end, so the order of axes doesn't matter.
                out = lanes(&out, axis, DType::F64, |lane| vec![lane.iter().sum::<f64>() / n]);
            }
            Ok(Array::of(x.dtype, &out.shape, out.data))
        }
        op::MAX => {
            let axis = with.count()?;
            some(x, axis)?;
            Ok(lanes(x, axis, x.dtype, |lane| vec![lane[first_largest(lane)]]))
        }
        op::ARGMAX => {
            let axis = with.count()?;
            some(x, axis)?;
            Ok(lanes(x, axis, DType::I64, |lane| vec![first_largest(lane) as f64]))
        }
        op::ARGSORT => {
            let (axis, descending) = (with.count()?, with.count()? == 1);
            axis_in(x, axis)?;
            Ok(lanes(x, axis, DType::I64, |lane| {
                let mut order: Vec<usize> = (0..lane.len()).collect();
                order.sort_by(|&a, &b| {
                    let by = lane[a].total_cmp(&lane[b]);
                    if descending { by.reverse() } else { by }
                });
                order.into_iter().map(|i| i as f64).collect()
            }))
        }
        op::SOFTMAX if rank > 0 => Ok(lanes(x, rank - 1, x.dtype, |lane| {
            let most = lane.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            let powers: Vec<f64> = lane.iter().map(|v| (v - most).exp()).collect();
            let sum: f64 = powers.iter().sum();
            powers.into_iter().map(|p| p / sum).collect()
        })),
        op::ROW_ENTROPY if rank > 0 => Ok(lanes(x, rank - 1, x.dtype, |lane| {
            vec![-lane.iter().filter(|&&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>()]
        })),
        op::RESHAPE => {
            let shape = with.list()?;
            if shape.iter().product::<usize>() != x.data.len() {
                return fail(format!("can't become {shape:?}"));
            }
            Ok(Array::of(x.dtype, &shape, x.data.clone()))
        }
        op::PERMUTE => {
            let axes = with.list()?;
            let mut sorted = axes.clone();
            sorted.sort_unstable();
            if !sorted.iter().copied().eq(0..rank) {
                return fail(format!("{axes:?} is no order of the axes"));
            }
            let shape: Vec<usize> = axes.iter().map(|&axis| x.shape[axis]).collect();
            build(x.dtype, &shape, |at, _| {
                let mut from = vec![0; rank];
                axes.iter().zip(at).for_each(|(&axis, &i)| from[axis] = i);
                Ok(x.data[flat(&x.shape, &from)])
            })
        }
        op::NARROW => {
            let (axis, start, len) = (with.count()?, with.count()?, with.count()?);
            axis_in(x, axis)?;
            if start + len > x.shape[axis] {
                return fail(format!("{start}..{} is outside axis {axis}", start + len));
            }
            Ok(lanes(x, axis, x.dtype, |lane| lane[start..start + len].to_vec()))
        }
        op::PAD => {
            let (axis, before, after, value) = (with.count()?, with.count()?, with.count()?, with.real()?);
            axis_in(x, axis)?;
            let border = |n| vec![value; n];
            Ok(lanes(x, axis, x.dtype, |lane| [border(before), lane.to_vec(), border(after)].concat()))
        }
        op::EXPAND => {
            let shape = with.list()?;
            if shape_of(&x.shape, &shape)? != shape {
                return fail(format!("can't expand to {shape:?}"));
            }
            build(x.dtype, &shape, |at, _| Ok(value(x, at)))
        }
        op::INTERPOLATE => {
            let (height, width, bilinear) = (with.count()?, with.count()?, with.count()? == 1);
            if rank != 4 {
                return fail("needs rank 4");
            }
            let rows = lanes(x, 2, DType::F64, |lane| resample(lane, height, bilinear));
            let both = lanes(&rows, 3, DType::F64, |lane| resample(lane, width, bilinear));
            Ok(Array::of(x.dtype, &both.shape, both.data))
        }
        _ => fail("the test host doesn't have it, or it needs an axis"),
    }
}

/// PyTorch's `interpolate` along one axis: nearest is floor(i n / m), bilinear has pixel centres at halves.
fn resample(lane: &[f64], to: usize, bilinear: bool) -> Vec<f64> {
    let n = lane.len();
    let step = n as f64 / to as f64;
    let at = |i: usize| {
        if !bilinear {
            return lane[((i as f64 * step) as usize).min(n - 1)];
        }
        let centre = ((i as f64 + 0.5) * step - 0.5).max(0.0);
        let (low, part) = ((centre as usize).min(n - 1), centre.fract());
        lane[low] * (1.0 - part) + lane[(low + 1).min(n - 1)] * part
    };
    (0..to).map(at).collect()
}

fn concat(inputs: &[Array], axis: usize) -> Result<Array> {
    let Some(first) = inputs.first() else { return fail("takes one tensor or more") };
    axis_in(first, axis)?;
    for other in inputs {
        if other.dtype != first.dtype {
            return fail("different types");
        }
        off_axis(first, other, axis)?;
    }
    let mut shape = first.shape.clone();
    shape[axis] = inputs.iter().map(|x| x.shape[axis]).sum();
    build(first.dtype, &shape, |at, _| {
        let mut at = at.to_vec();
        for x in inputs {
            if at[axis] < x.shape[axis] {
                return Ok(x.data[flat(&x.shape, &at)]);
            }
            at[axis] -= x.shape[axis];
        }
        fail("outside")
    })
}

fn matmul(a: &Array, b: &Array) -> Result<Array> {
    let (ra, rb) = (a.shape.len(), b.shape.len());
    if ra < 2 || rb < 2 || a.shape[ra - 1] != b.shape[rb - 2] {
        return fail("inner extents differ");
    }
    let (m, k, n) = (a.shape[ra - 2], a.shape[ra - 1], b.shape[rb - 1]);
    let mut shape = shape_of(&a.shape[..ra - 2], &b.shape[..rb - 2])?;
    shape.extend([m, n]);
    let rank = shape.len();
    build(a.dtype, &shape, |at, _| {
        let (mut left, mut right) = (at.to_vec(), at.to_vec());
        let term = |i: usize| {
            left[rank - 1] = i;
            right[rank - 2] = i;
            value(a, &left) * value(b, &right)
        };
        Ok((0..k).map(term).sum())
    })
}

fn conv2d(x: &Array, weight: &Array, stride: usize, padding: usize) -> Result<Array> {
    let (&[b, c, h, w], &[o, c2, kh, kw]) = (&x.shape[..], &weight.shape[..]) else {
        return fail("needs rank 4");
    };
    if c != c2 || stride == 0 || h + 2 * padding < kh || w + 2 * padding < kw {
        return fail("the kernel doesn't fit");
    }
    let out = |n: usize, k: usize| (n + 2 * padding - k) / stride + 1;
    build(x.dtype, &[b, o, out(h, kh), out(w, kw)], |at, _| {
        let mut sum = 0.0;
        for (channel, i, j) in (0..c).flat_map(|c| (0..kh).flat_map(move |i| (0..kw).map(move |j| (c, i, j)))) {
            let (row, column) = (at[2] * stride + i, at[3] * stride + j);
            if (padding..padding + h).contains(&row) && (padding..padding + w).contains(&column) {
                sum += x.data[flat(&x.shape, &[at[0], channel, row - padding, column - padding])]
                    * weight.data[flat(&weight.shape, &[at[1], channel, i, j])];
            }
        }
        Ok(sum)
    })
}

fn broadcast(a: &Array, b: &Array, dtype: DType, f: impl Fn(f64, f64) -> f64) -> Result<Array> {
    build(dtype, &shape_of(&a.shape, &b.shape)?, |at, _| Ok(f(value(a, at), value(b, at))))
}

/// The shape that two broadcast to.
fn shape_of(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let extent = |shape: &[usize], i: usize| if i + shape.len() < rank { 1 } else { shape[i + shape.len() - rank] };
    (0..rank)
        .map(|i| match (extent(a, i), extent(b, i)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => fail("shapes don't broadcast"),
        })
        .collect()
}

/// The value that a broadcast tensor has at a position of the larger shape.
fn value(x: &Array, at: &[usize]) -> f64 {
    let skip = at.len() - x.shape.len();
    let own: Vec<usize> = x.shape.iter().zip(&at[skip..]).map(|(&n, &i)| if n == 1 { 0 } else { i }).collect();
    x.data[flat(&x.shape, &own)]
}

fn flat(shape: &[usize], at: &[usize]) -> usize {
    shape.iter().zip(at).fold(0, |sum, (&n, &i)| sum * n + i)
}

fn position(shape: &[usize], mut flat: usize) -> Vec<usize> {
    let mut at = vec![0; shape.len()];
    for (i, &n) in shape.iter().enumerate().rev() {
        at[i] = flat % n;
        flat /= n;
    }
    at
}

/// An array from a value for each position.
fn build(dtype: DType, shape: &[usize], mut f: impl FnMut(&[usize], usize) -> Result<f64>) -> Result<Array> {
    let count: usize = shape.iter().product();
    let data = (0..count).map(|i| f(&position(shape, i), i)).collect::<Result<_>>()?;
    Ok(Array::of(dtype, shape, data))
}

/// Replaces each lane along an axis; all get the same length.
fn lanes(x: &Array, axis: usize, dtype: DType, mut f: impl FnMut(&[f64]) -> Vec<f64>) -> Array {
    let n = x.shape[axis];
    let (outer, inner): (usize, usize) = (x.shape[..axis].iter().product(), x.shape[axis + 1..].iter().product());
    let made: Vec<Vec<f64>> = (0..outer * inner)
        .map(|lane| {
            let (o, i) = (lane / inner, lane % inner);
            f(&(0..n).map(|k| x.data[(o * n + k) * inner + i]).collect::<Vec<_>>())
        })
        .collect();
    let len = made.first().map_or(0, Vec::len);
    let mut shape = x.shape.clone();
    shape[axis] = len;
    let data = (0..outer * len * inner)
        .map(|at| made[at / (len * inner) * inner + at % inner][at / inner % len])
        .collect();
    Array::of(dtype, &shape, data)
}

fn first_largest(lane: &[f64]) -> usize {
    (1..lane.len()).fold(0, |best, i| if lane[i] > lane[best] { i } else { best })
}

fn axis_in(x: &Array, axis: usize) -> Result<()> {
    if axis < x.shape.len() { Ok(()) } else { fail(format!("there is no axis {axis}")) }
}

fn some(x: &Array, axis: usize) -> Result<()> {
    axis_in(x, axis)?;
    if x.shape[axis] > 0 { Ok(()) } else { fail("an empty axis has no largest value") }
}

fn index_type(indices: &Array) -> Result<()> {
    if indices.dtype == DType::I64 { Ok(()) } else { fail("indices must be i64") }
}

fn off_axis(a: &Array, b: &Array, axis: usize) -> Result<()> {
    let differ = |i: usize| i != axis && a.shape[i] != b.shape[i];
    if a.shape.len() != b.shape.len() || (0..a.shape.len()).any(differ) {
        return fail("shapes differ off the axis");
    }
    Ok(())
}

/// The error function by its series 2/sqrt(pi) sum (-1)^n x^(2n+1) / (n! (2n+1)); beyond 5 it is 1 to f64.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}
