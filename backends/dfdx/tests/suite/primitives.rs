//! Values of every primitive, on odd shapes, broadcasts, empty tensors and strided views.

use palimpsest_core::tensor::{HostData, Interpolation, Op};
use palimpsest_core::{DType, HostTensor, Place, Tensor};

use crate::array::{Array, place};

const FLOATS: [(DType, f64); 2] = [(DType::F32, 3e-6), (DType::F64, 1e-14)];

/// The shapes that elementwise operations are tried on.
const SHAPES: [&[usize]; 6] = [&[], &[1], &[7], &[3, 5], &[2, 0, 3], &[2, 3, 1, 5]];

fn rounded(array: &Array, dtype: DType, place: &Place) -> Array {
    Array::of(&array.tensor(place, dtype))
}

#[test]
fn elementwise() {
    type Case = (Op, fn(f64) -> f64, f64);
    let cases: [Case; 14] = [
        (Op::Neg, |x| -x, 0.0),
        (Op::Exp, f64::exp, 0.0),
        (Op::Log, f64::ln, 2.1),
        (Op::Sqrt, f64::sqrt, 2.1),
        (Op::Tanh, f64::tanh, 0.0),
        (Op::Erf, libm::erf, 0.0),
        (Op::Abs, f64::abs, 0.0),
        (Op::Sin, f64::sin, 0.0),
        (Op::Cos, f64::cos, 0.0),
        (Op::AddScalar { value: 0.375 }, |x| x + 0.375, 0.0),
        (Op::MulScalar { value: -1.5 }, |x| x * -1.5, 0.0),
        (Op::PowScalar { value: 2.0 }, |x| x * x, 0.0),
        (Op::PowScalar { value: -0.5 }, |x| x.powf(-0.5), 2.1),
        (Op::Clamp { min: -0.5, max: 1.0 }, |x| x.clamp(-0.5, 1.0), 0.0),
    ];
    let place = place();
    for (dtype, tolerance) in FLOATS {
        for shape in SHAPES {
            for (op, f, shift) in &cases {
                let x = rounded(&Array::random(shape, 1).map(|v| v + shift), dtype, &place);
                let want = x.map(f);
                for input in [x.tensor(&place, dtype), x.strided(&place, dtype)] {
                    let got = Tensor::apply(op, &[input]).unwrap().remove(0);
                    Array::of(&got).near(&want, tolerance, &format!("{op:?} {dtype} {shape:?}"));
                }
            }
        }
    }
}

#[test]
fn binary_operations_broadcast() {
    let place = place();
    let pairs: [(&[usize], &[usize]); 9] = [
        (&[3, 5], &[3, 5]),
        (&[3, 5], &[5]),
        (&[5], &[3, 5]),
        (&[4, 1, 3], &[5, 1]),
        (&[], &[2, 3]),
        (&[2, 3], &[]),
        (&[], &[]),
        (&[0, 3], &[1, 3]),
        (&[2, 1, 4, 1], &[3, 1, 5]),
    ];
    type Case = (Op, fn(f64, f64) -> f64);
    let cases: [Case; 6] = [
        (Op::Add, |a, b| a + b),
        (Op::Sub, |a, b| a - b),
        (Op::Mul, |a, b| a * b),
        (Op::Div, |a, b| a / b),
        (Op::Less, |a, b| f64::from(u8::from(a < b))),
        (Op::Equal, |a, b| f64::from(u8::from(a == b))),
    ];
    for (dtype, tolerance) in FLOATS {
        for (left, right) in pairs {
            let a = rounded(&Array::random(left, 2), dtype, &place);
            let b = rounded(&Array::random(right, 3).map(|v| v + 2.5), dtype, &place);
            for (op, f) in &cases {
                let want = a.zip(&b, f);
                let inputs = [
                    [a.tensor(&place, dtype), b.tensor(&place, dtype)],
                    [a.strided(&place, dtype), b.tensor(&place, dtype)],
                    [a.tensor(&place, dtype), b.strided(&place, dtype)],
                ];
                for input in inputs {
                    let got = Tensor::apply_owned(op, input.to_vec()).unwrap().remove(0);
                    let what = format!("{op:?} {dtype} {left:?} {right:?}");
                    Array::of(&got).near(&want, tolerance, &what);
                    let kept = Array::of(&input[0]);
                    kept.near(&a, 0.0, "an input that is still in use is not written over");
                }
            }
        }
    }
    let same = Array::random(&[2, 3], 4).tensor(&place, DType::F32);
    assert_eq!(Array::of(&same.equal(&same).unwrap()).data, [1.0; 6]);
}

#[test]
fn operations_on_integers_and_truths() {
    let place = place();
    let a = place.indices([2, 3], vec![1, 2, 3, 4, 5, 6]).unwrap();
    let b = place.indices([3], vec![1, 5, 3]).unwrap();
    let equal = a.equal(&b).unwrap();
    assert_eq!(equal.download().unwrap().into_data(), truths(&[1, 0, 1, 0, 1, 0]));
    let less = a.less(&b).unwrap();
    assert_eq!(less.download().unwrap().into_data(), truths(&[0, 1, 0, 0, 0, 0]));
    assert_eq!(equal.less(&less).unwrap().download().unwrap().into_data(), truths(&[0, 1, 0, 0, 0, 0]));
    assert_eq!(equal.equal(&less).unwrap().download().unwrap().into_data(), truths(&[0, 0, 0, 1, 0, 1]));
    let whole = |t: &Tensor| t.download().unwrap().into_i64();
    assert_eq!(whole(&a.permute(&[1, 0]).unwrap()), [1, 4, 2, 5, 3, 6]);
    assert_eq!(whole(&a.narrow(1, 1, 2).unwrap()), [2, 3, 5, 6]);
    assert_eq!(whole(&a.narrow(1, 1, 2).unwrap().reshape([4]).unwrap()), [2, 3, 5, 6]);
    assert_eq!(whole(&Tensor::concat(&[&a, &a], 0).unwrap()), [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
    assert_eq!(whole(&a.pad(1, 1, 0, 9.0).unwrap()), [9, 1, 2, 3, 9, 4, 5, 6]);
    assert_eq!(whole(&b.expand([2, 3]).unwrap()), [1, 5, 3, 1, 5, 3]);
    let index = place.indices([2, 1], vec![2, 0]).unwrap();
    assert_eq!(whole(&a.gather(1, &index).unwrap()), [3, 4]);
    let pick = place.indices([3], vec![1, 0, 1]).unwrap();
    assert_eq!(whole(&a.index_select(0, &pick).unwrap()), [4, 5, 6, 1, 2, 3, 4, 5, 6]);
    let one = place.indices([2, 1], vec![10, 20]).unwrap();
    assert_eq!(whole(&a.scatter_add(1, &index, &one).unwrap()), [1, 2, 13, 24, 5, 6]);
    assert_eq!(whole(&equal.choose(&a, &b).unwrap()), [1, 5, 3, 1, 5, 3]);
    assert_eq!(whole(&equal.choose(&equal, &less).unwrap().cast(DType::I64).unwrap()), [1, 1, 1, 0, 1, 0]);
    assert_eq!(
        whole(&Tensor::concat(&[&equal, &less], 1).unwrap().cast(DType::I64).unwrap()),
        [1, 0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0]
    );
    assert_eq!(
        equal.narrow(0, 1, 1).unwrap().permute(&[1, 0]).unwrap().download().unwrap().into_data(),
        truths(&[0, 1, 0])
    );
    assert_eq!(
        equal.pad(0, 0, 1, 1.0).unwrap().download().unwrap().into_data(),
        truths(&[1, 0, 1, 0, 1, 0, 1, 1, 1])
    );
    assert_eq!(equal.gather(1, &index).unwrap().download().unwrap().into_data(), truths(&[1, 0]));
    assert_eq!(
        equal.index_select(0, &pick).unwrap().download().unwrap().into_data(),
        truths(&[0, 1, 0, 1, 0, 1, 0, 1, 0])
    );
    assert!(a.cast(DType::Bool).unwrap().exp().is_err());
}

fn truths(values: &[u8]) -> HostData {
    HostData::Bool(values.iter().map(|&v| v == 1).collect())
}

#[test]
fn where_broadcasts_all_three() {
    let place = place();
    let condition = place.truths([2, 1], vec![true, false]).unwrap();
    for (dtype, _) in FLOATS {
        let a = rounded(&Array::random(&[3], 5), dtype, &place);
        let b = rounded(&Array::random(&[4, 1, 1], 6), dtype, &place);
        let got = condition.choose(&a.tensor(&place, dtype), &b.tensor(&place, dtype)).unwrap();
        let want = Array::build(&[4, 2, 3], |i| if i[1] == 0 { a.at(&i[2..]) } else { b.at(&[i[0], 0, 0]) });
        Array::of(&got).near(&want, 0.0, "where");
    }
}

#[test]
fn casts() {
    let place = place();
    let x = place.upload(HostTensor::f32([5], vec![-1.75, -0.0, 0.5, 2.0, 300.1]).unwrap()).unwrap();
    assert_eq!(x.cast(DType::I64).unwrap().download().unwrap().into_i64(), [-1, 0, 0, 2, 300]);
    assert_eq!(x.cast(DType::Bool).unwrap().download().unwrap().into_data(), truths(&[1, 0, 1, 1, 1]));
    assert_eq!(x.cast(DType::F64).unwrap().download().unwrap().into_f64()[4], f64::from(300.1f32));
    let whole = place.indices([3], vec![-2, 0, 7]).unwrap();
    for dtype in [DType::F32, DType::F64] {
        assert_eq!(whole.cast(dtype).unwrap().download().unwrap().into_f64(), [-2.0, 0.0, 7.0]);
        let flags = whole.cast(DType::Bool).unwrap();
        assert_eq!(flags.cast(dtype).unwrap().download().unwrap().into_f64(), [1.0, 0.0, 1.0]);
    }
    assert_eq!(
        whole.cast(DType::Bool).unwrap().cast(DType::I64).unwrap().download().unwrap().into_i64(),
        [1, 0, 1]
    );
}

#[test]
fn reductions() {
    let place = place();
    for (dtype, tolerance) in FLOATS {
        for shape in [&[3usize, 4, 5][..], &[2, 3, 1, 7], &[9], &[0, 4]] {
            let x = rounded(&Array::random(shape, 7), dtype, &place);
            for set in 0..1usize << shape.len() {
                let axes: Vec<usize> = (0..shape.len()).filter(|a| set >> a & 1 == 1).collect();
                let count: usize = axes.iter().map(|&a| shape[a]).product();
                let want = x.sum(&axes);
                for input in [x.tensor(&place, dtype), x.strided(&place, dtype)] {
                    let what = format!("sum {dtype} {shape:?} {axes:?}");
                    Array::of(&input.sum(&axes).unwrap()).near(&want, tolerance * 4.0, &what);
                    let mean = want.map(|v| v / count as f64);
                    Array::of(&input.mean(&axes).unwrap()).near(&mean, tolerance * 4.0, &what);
                }
            }
        }
    }
    let long = Array::random(&[300, 1001], 8);
    let sum = long.tensor(&place, DType::F32).sum_all().unwrap().item().unwrap();
    let rounded = Array::of(&long.tensor(&place, DType::F32));
    assert!((sum - rounded.data.iter().sum::<f64>()).abs() < 2e-4, "blocks are added in f64");
    assert_eq!(place.full([], 3.5, DType::F32).unwrap().sum(&[]).unwrap().item().unwrap(), 3.5);
    assert_eq!(place.full([], 3.5, DType::F32).unwrap().mean_all().unwrap().item().unwrap(), 3.5);
}

#[test]
fn largest_and_order_take_the_first_of_equals() {
    let place = place();
    for (dtype, _) in FLOATS {
        // Small whole numbers: plenty of ties.
        let x = Array::random(&[4, 70, 3], 9).map(|v| (2.0 * v).round() + 0.0);
        for axis in 0..3 {
            let len = x.shape[axis];
            for input in [x.tensor(&place, dtype), x.strided(&place, dtype)] {
                let mut shape = x.shape.clone();
                shape[axis] = 1;
                let line = |index: &[usize]| -> Vec<f64> {
                    let mut index = index.to_vec();
                    (0..len)
                        .map(|i| {
                            index[axis] = i;
                            x.at(&index)
                        })
                        .collect()
                };
                let first = |v: &[f64]| (0..len).rev().max_by(|&a, &b| v[a].total_cmp(&v[b])).unwrap();
                let best = Array::build(&shape, |i| first(&line(i)) as f64);
                Array::of(&input.argmax(axis).unwrap()).near(&best, 0.0, "argmax");
                let value = Array::build(&shape, |i| line(i)[first(&line(i))]);
                Array::of(&input.max(axis).unwrap()).near(&value, 0.0, "max");
                for descending in [false, true] {
                    let order = Array::build(&x.shape, |i| {
                        let values = line(i);
                        let mut order: Vec<usize> = (0..len).collect();
                        let sign = if descending { -1.0 } else { 1.0 };
                        order.sort_by(|&a, &b| (sign * values[a]).partial_cmp(&(sign * values[b])).unwrap());
                        order[i[axis]] as f64
                    });
                    Array::of(&input.argsort(axis, descending).unwrap()).near(&order, 0.0, "argsort");
                }
            }
        }
    }
}

#[test]
fn layout() {
    let place = place();
    for (dtype, _) in FLOATS {
        let x = rounded(&Array::random(&[2, 3, 4], 10), dtype, &place);
        for input in [x.tensor(&place, dtype), x.strided(&place, dtype)] {
            let flat = Array::new(&[6, 4], x.data.clone());
            Array::of(&input.reshape([6, 4]).unwrap()).near(&flat, 0.0, "reshape");
            let turned = Array::build(&[4, 2, 3], |i| x.at(&[i[1], i[2], i[0]]));
            Array::of(&input.permute(&[2, 0, 1]).unwrap()).near(&turned, 0.0, "permute");
            let part = Array::build(&[2, 2, 4], |i| x.at(&[i[0], i[1] + 1, i[2]]));
            let narrow = input.narrow(1, 1, 2).unwrap();
            Array::of(&narrow).near(&part, 0.0, "narrow");
            Array::of(&narrow.add_scalar(1.0).unwrap()).near(&part.map(|v| v + 1.0), 1e-2, "a view's values");
            Array::of(&input).near(&x, 0.0, "a view's owner is kept");
            let empty = input.narrow(1, 1, 0).unwrap();
            assert_eq!(Array::of(&empty).shape, [2, 0, 4]);
            let joined = Tensor::concat(&[&input, &narrow, &empty], 1).unwrap();
            let want =
                Array::build(&[2, 5, 4], |i| x.at(&[i[0], if i[1] < 3 { i[1] } else { i[1] - 2 }, i[2]]));
            Array::of(&joined).near(&want, 0.0, "concat");
            let padded = input.pad(2, 2, 1, 0.5).unwrap();
            let want = Array::build(&[2, 3, 7], |i| {
                if (2..6).contains(&i[2]) { x.at(&[i[0], i[1], i[2] - 2]) } else { 0.5 }
            });
            Array::of(&padded).near(&want, 0.0, "pad");
            assert_eq!(Array::of(&empty.pad(1, 1, 1, 2.0).unwrap()).data, [2.0; 16]);
            let wide = input.narrow(1, 0, 1).unwrap().expand([5, 2, 3, 4]).unwrap();
            let want = Array::build(&[5, 2, 3, 4], |i| x.at(&[i[1], 0, i[3]]));
            Array::of(&wide).near(&want, 0.0, "expand");
            Array::of(&wide.mul_scalar(2.0).unwrap()).near(&want.map(|v| 2.0 * v), 0.0, "expanded values");
        }
        let scalar = place.full([], 2.0, dtype).unwrap();
        assert_eq!(Array::of(&scalar.reshape([1, 1]).unwrap()).data, [2.0]);
        assert_eq!(Array::of(&scalar.reshape([1]).unwrap().reshape([]).unwrap()).shape, [0usize; 0]);
        assert_eq!(Array::of(&scalar.expand([2, 3]).unwrap()).data, [2.0; 6]);
    }
}

#[test]
fn indexing() {
    let place = place();
    for (dtype, tolerance) in FLOATS {
        let x = rounded(&Array::random(&[3, 4, 2], 11), dtype, &place);
        for input in [x.tensor(&place, dtype), x.strided(&place, dtype)] {
            for axis in 0..3 {
                let mut shape = x.shape.clone();
                shape[axis] = 5;
                let extent = x.shape[axis];
                let pick = Array::random(&shape, 12).map(|v| ((v + 2.0) / 4.0 * extent as f64).floor());
                let index =
                    place.indices(shape.as_slice(), pick.data.iter().map(|&v| v as i64).collect()).unwrap();
                let moved = |i: &[usize]| {
                    let mut at = i.to_vec();
                    at[axis] = pick.at(i) as usize;
                    at
                };
                let want = Array::build(&shape, |i| x.at(&moved(i)));
                Array::of(&input.gather(axis, &index).unwrap()).near(&want, 0.0, "gather");

                let source = rounded(&Array::random(&shape, 13), dtype, &place);
                let mut want = x.clone();
                let strides = palimpsest_core::Shape::from(x.shape.as_slice()).strides();
                let _ = Array::build(&shape, |i| {
                    let flat: usize = moved(i).iter().zip(&strides).map(|(a, b)| a * b).sum();
                    want.data[flat] += source.at(i);
                    0.0
                });
                let sum = input.scatter_add(axis, &index, &source.strided(&place, dtype)).unwrap();
                Array::of(&sum).near(&want, tolerance * 4.0, "scatter-add");

                let few: Vec<i64> = vec![extent as i64 - 1, 0, 0];
                let want = Array::build(
                    &shape
                        .iter()
                        .enumerate()
                        .map(|(a, &n)| if a == axis { 3 } else { n })
                        .collect::<Vec<_>>(),
                    |i| {
                        let mut at = i.to_vec();
                        at[axis] = few[i[axis]] as usize;
                        x.at(&at)
                    },
                );
                let got = input.index_select(axis, &place.indices([3], few.clone()).unwrap()).unwrap();
                Array::of(&got).near(&want, 0.0, "index-select");
            }
        }
    }
    let x = Array::random(&[3, 2], 14).tensor(&place, DType::F32);
    let none = place.indices([0], vec![]).unwrap();
    assert_eq!(Array::of(&x.index_select(0, &none).unwrap()).shape, [0, 2]);
}

#[test]
fn matmul() {
    let place = place();
    let cases: [(&[usize], &[usize]); 9] = [
        (&[3, 5], &[5, 7]),
        (&[1, 5], &[5, 1]),
        (&[2, 3, 5], &[5, 4]),
        (&[3, 5], &[2, 5, 4]),
        (&[2, 1, 3, 5], &[4, 5, 2]),
        (&[6, 17, 33], &[6, 33, 19]),
        (&[0, 5], &[5, 4]),
        (&[3, 0], &[0, 4]),
        (&[0, 3, 5], &[0, 5, 2]),
    ];
    for (dtype, tolerance) in FLOATS {
        for (left, right) in cases {
            let a = rounded(&Array::random(left, 15), dtype, &place);
            let b = rounded(&Array::random(right, 16), dtype, &place);
            let want = product(&a, &b);
            let inputs = [
                [a.tensor(&place, dtype), b.tensor(&place, dtype)],
                [a.strided(&place, dtype), b.tensor(&place, dtype)],
                [a.tensor(&place, dtype), b.strided(&place, dtype)],
            ];
            for [a, b] in inputs {
                let what = format!("matmul {dtype} {left:?} {right:?}");
                Array::of(&a.matmul(&b).unwrap()).near(&want, tolerance * 4.0, &what);
            }
        }
    }
}

fn product(a: &Array, b: &Array) -> Array {
    let (ra, rb) = (a.shape.len(), b.shape.len());
    let batch =
        palimpsest_core::Shape::from(&a.shape[..ra - 2]).broadcast(&b.shape[..rb - 2].into()).unwrap();
    let k = a.shape[ra - 1];
    let mut shape = batch.to_vec();
    shape.extend([a.shape[ra - 2], b.shape[rb - 1]]);
    let rank = shape.len();
    Array::build(&shape, |i| {
        let (mut left, mut right) = (i.to_vec(), i.to_vec());
        (0..k)
            .map(|l| {
                left[rank - 1] = l;
                right[rank - 2] = l;
                a.at(&left[rank - ra..]) * b.at(&right[rank - rb..])
            })
            .sum()
    })
}

#[test]
fn convolution() {
    let place = place();
    for (dtype, tolerance) in FLOATS {
        for (stride, padding, size, kernel) in [(1, 0, [7, 6], 3), (2, 1, [9, 8], 3), (4, 0, [8, 12], 4)] {
            let x = rounded(&Array::random(&[2, 3, size[0], size[1]], 17), dtype, &place);
            let w = rounded(&Array::random(&[5, 3, kernel, kernel], 18), dtype, &place);
            let out = |n: usize| (n + 2 * padding - kernel) / stride + 1;
            let want = Array::build(&[2, 5, out(size[0]), out(size[1])], |i| {
                let mut sum = 0.0;
                for c in 0..3 {
                    for dy in 0..kernel {
                        for dx in 0..kernel {
                            let (y, z) = (i[2] * stride + dy, i[3] * stride + dx);
                            let inside = (padding..size[0] + padding).contains(&y)
                                && (padding..size[1] + padding).contains(&z);
                            if inside {
                                sum += x.at(&[i[0], c, y - padding, z - padding]) * w.at(&[i[1], c, dy, dx]);
                            }
                        }
                    }
                }
                sum
            });
            for input in [x.tensor(&place, dtype), x.strided(&place, dtype)] {
                let got = input.conv2d(&w.strided(&place, dtype), stride, padding).unwrap();
                Array::of(&got).near(&want, tolerance * 8.0, "conv2d");
            }
        }
    }
}

#[test]
fn interpolation() {
    let place = place();
    for (dtype, tolerance) in FLOATS {
        let x = rounded(&Array::random(&[2, 3, 5, 4], 19), dtype, &place);
        for (height, width) in [(10, 8), (3, 3), (7, 2), (5, 4), (1, 1)] {
            let nearest = Array::build(&[2, 3, height, width], |i| {
                x.at(&[i[0], i[1], i[2] * 5 / height, i[3] * 4 / width])
            });
            let linear = Array::build(&[2, 3, height, width], |i| {
                let (y, dy) = source(i[2], 5, height);
                let (z, dz) = source(i[3], 4, width);
                let at = |y: usize, z: usize| x.at(&[i[0], i[1], y.min(4), z.min(3)]);
                (1.0 - dy) * ((1.0 - dz) * at(y, z) + dz * at(y, z + 1))
                    + dy * ((1.0 - dz) * at(y + 1, z) + dz * at(y + 1, z + 1))
            });
            for input in [x.tensor(&place, dtype), x.strided(&place, dtype)] {
                let got = input.interpolate(height, width, Interpolation::Nearest).unwrap();
                Array::of(&got).near(&nearest, 0.0, &format!("nearest {height} {width}"));
                let got = input.interpolate(height, width, Interpolation::Bilinear).unwrap();
                Array::of(&got).near(&linear, tolerance * 2.0, &format!("bilinear {dtype} {height} {width}"));
            }
        }
    }
}

/// Where an output pixel's centre falls among the input's, as PyTorch has it.
fn source(i: usize, from: usize, to: usize) -> (usize, f64) {
    let at = ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
    (at as usize, at - at.floor())
}

#[test]
fn creation_and_random_values() {
    let place = place();
    for dtype in [DType::F32, DType::F64, DType::I64, DType::Bool] {
        let full = place.full([2, 0], 1.0, dtype).unwrap();
        assert_eq!(Array::of(&full).shape, [2, 0]);
        assert_eq!(Array::of(&place.full([2, 2], 1.0, dtype).unwrap()).data, [1.0; 4]);
    }
    let draw = |seed: u64| {
        place.backend.seed(seed);
        let normal = Array::of(&place.random_normal([64, 1000], DType::F32).unwrap());
        let op = Op::RandomUniform { shape: [4, 5].into(), dtype: DType::F32 };
        let uniform = place.backend.execute(&op, vec![], place.device).unwrap().remove(0);
        (normal, place.backend.download(&uniform).unwrap().into_f32())
    };
    let (first, uniform) = draw(1);
    let mean = first.data.iter().sum::<f64>() / 64e3;
    let variance = first.data.iter().map(|v| v * v).sum::<f64>() / 64e3;
    assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "mean {mean}, variance {variance}");
    assert!(uniform.iter().all(|v| (0.0..1.0).contains(v)));
}

#[test]
fn bfloat16_is_refused_in_one_sentence() {
    let place = place();
    let x = place.full([2], 1.0, DType::F32).unwrap();
    let error = x.cast(DType::Bf16).unwrap_err().to_string();
    assert_eq!(error, "the dfdx backend has no bf16; use f32");
    assert_eq!(place.floats([1], vec![1.0], DType::Bf16).unwrap_err().to_string(), error);
    assert_eq!(place.full([1], 1.0, DType::Bf16).unwrap_err().to_string(), error);
}

#[test]
fn ranks_above_four() {
    let place = place();
    // Patches of an image, as the encoder cuts them.
    let x = Array::random(&[2, 3, 2, 4, 3, 4], 20);
    let want = Array::build(&[2, 2, 3, 3, 4, 4], |i| x.at(&[i[0], i[3], i[1], i[4], i[2], i[5]]));
    for input in [x.tensor(&place, DType::F32), x.strided(&place, DType::F32)] {
        let got = input.permute(&[0, 2, 4, 1, 3, 5]).unwrap();
        Array::of(&got).near(&rounded(&want, DType::F32, &place), 0.0, "permute");
    }
    // Broadcasts that fold to five axes and more.
    let a = Array::random(&[2, 1, 3, 1, 2, 1], 21);
    let b = Array::random(&[1, 2, 1, 3, 1, 2], 22);
    let sum = a.tensor(&place, DType::F64).add(&b.tensor(&place, DType::F64)).unwrap();
    Array::of(&sum).near(&a.zip(&b, |a, b| a + b), 1e-15, "add");
    let wide = a.tensor(&place, DType::F64).expand([2, 2, 3, 3, 2, 2]).unwrap();
    Array::of(&wide).near(&a.zip(&b, |a, _| a), 0.0, "expand");
    let summed = x.tensor(&place, DType::F64).sum(&[0, 2, 3, 5]).unwrap();
    Array::of(&summed).near(&x.sum(&[0, 2, 3, 5]), 1e-13, "sum");
}
