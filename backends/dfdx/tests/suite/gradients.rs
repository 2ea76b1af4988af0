//! Gradients of every differentiable operation against central differences in f64.

use palimpsest_core::tensor::Interpolation;
use palimpsest_core::{DType, Place, Result, Tensor};

use crate::array::{Array, place};

/// Checks the gradient of `f`'s output, summed with fixed weights, with respect to all inputs.
#[track_caller]
pub(crate) fn check(what: &str, inputs: &[Array], f: impl Fn(&Place, &[Tensor]) -> Result<Tensor>) {
    let place = place();
    let leaves: Vec<Tensor> = inputs.iter().map(|x| x.tensor(&place, DType::F64).track().unwrap()).collect();
    let out = f(&place, &leaves).unwrap();
    let weights = Array::random(out.shape(), 99);
    let weighted = out.mul(&weights.tensor(&place, DType::F64)).unwrap().sum_all().unwrap();
    let gradients = weighted.backward(&leaves.iter().collect::<Vec<_>>()).unwrap();
    for (which, (input, gradient)) in inputs.iter().zip(&gradients).enumerate() {
        let Some(gradient) = gradient else { panic!("{what}: no gradient for input {which}") };
        let gradient = Array::of(gradient);
        assert_eq!(gradient.shape, input.shape, "{what}: input {which}");
        for i in 0..input.data.len() {
            let value = |delta: f64| {
                let mut moved = inputs.to_vec();
                moved[which].data[i] += delta;
                let tensors: Vec<Tensor> = moved.iter().map(|x| x.tensor(&place, DType::F64)).collect();
                let out = Array::of(&f(&place, &tensors).unwrap());
                out.data.iter().zip(&weights.data).map(|(a, b)| a * b).sum::<f64>()
            };
            // Fourth order, so that the step may be wide and rounding small.
            let h = 2e-3;
            let slope = (8.0 * (value(h) - value(-h)) - (value(2.0 * h) - value(-2.0 * h))) / (12.0 * h);
            let error = (gradient.data[i] - slope).abs() / slope.abs().max(1.0);
            assert!(
                error < 1e-6,
                "{what}: input {which}, element {i}: {} by backward, {slope} by differences",
                gradient.data[i]
            );
        }
    }
}

#[test]
fn elementwise() {
    let x = [Array::random(&[3, 4], 1)];
    let positive = [x[0].map(|v| v + 2.5)];
    let apart = [x[0].map(|v| if v.abs() < 0.1 { v + 0.3 } else { v })];
    check("neg", &x, |_, t| t[0].neg());
    check("exp", &x, |_, t| t[0].exp());
    check("log", &positive, |_, t| t[0].log());
    check("sqrt", &positive, |_, t| t[0].sqrt());
    check("tanh", &x, |_, t| t[0].tanh());
    check("erf", &x, |_, t| t[0].erf());
    check("abs", &apart, |_, t| t[0].abs());
    check("sin", &x, |_, t| t[0].sin());
    check("cos", &x, |_, t| t[0].cos());
    check("add-scalar", &x, |_, t| t[0].add_scalar(0.5));
    check("mul-scalar", &x, |_, t| t[0].mul_scalar(-0.7));
    check("pow-scalar", &positive, |_, t| t[0].pow_scalar(-0.5));
    check("pow-scalar 3", &x, |_, t| t[0].pow_scalar(3.0));
    check("clamp", &[x[0].map(|v| if (v.abs() - 1.0).abs() < 0.1 { 0.5 } else { v })], |_, t| {
        t[0].clamp(-1.0, 1.0)
    });
    check("cast", &x, |_, t| t[0].cast(DType::F64));
    check("neg of a scalar", &[Array::random(&[], 3)], |_, t| t[0].neg()?.exp());
}

#[test]
fn binary() {
    let pairs: [(&[usize], &[usize]); 6] =
        [(&[3, 4], &[3, 4]), (&[3, 4], &[4]), (&[4, 1, 2], &[3, 1]), (&[], &[2, 3]), (&[2], &[]), (&[], &[])];
    for (a, b) in pairs {
        let inputs = [Array::random(a, 4), Array::random(b, 5).map(|v| v + 3.0)];
        check("add", &inputs, |_, t| t[0].add(&t[1]));
        check("sub", &inputs, |_, t| t[0].sub(&t[1]));
        check("mul", &inputs, |_, t| t[0].mul(&t[1]));
        check("div", &inputs, |_, t| t[0].div(&t[1]));
    }
    check("where", &[Array::random(&[3], 6), Array::random(&[4, 1, 1], 7)], |place, t| {
        place.truths([2, 1], vec![true, false])?.choose(&t[0], &t[1])
    });
}

#[test]
fn reductions() {
    for shape in [&[3usize, 2, 4][..], &[5], &[1, 3]] {
        let x = [Array::random(shape, 8)];
        for set in 0..1usize << shape.len() {
            let axes: Vec<usize> = (0..shape.len()).filter(|a| set >> a & 1 == 1).collect();
            check("sum", &x, |_, t| t[0].sum(&axes));
            check("mean", &x, |_, t| t[0].mean(&axes));
        }
        for axis in 0..shape.len() {
            check("max", &x, |_, t| t[0].max(axis));
        }
    }
}

#[test]
fn layout() {
    let x = [Array::random(&[2, 3, 4], 9)];
    check("reshape", &x, |_, t| t[0].reshape([4, 6]));
    check("permute", &x, |_, t| t[0].permute(&[2, 0, 1]));
    check("permute, reshape", &x, |_, t| t[0].permute(&[2, 0, 1])?.reshape([8, 3]));
    check("narrow", &x, |_, t| t[0].narrow(1, 1, 2));
    check("narrow to nothing", &x, |_, t| {
        t[0].narrow(1, 1, 0)?.pad(1, 1, 1, 1.0)?.add(&t[0].narrow(1, 0, 2)?)
    });
    check("pad", &x, |_, t| t[0].pad(1, 2, 1, 0.5));
    check("expand", &[Array::random(&[3, 1], 10)], |_, t| t[0].expand([2, 3, 4]));
    let deep = [Array::random(&[2, 1, 3, 1, 2, 1], 21), Array::random(&[1, 2, 1, 2, 1, 2], 22)];
    check("mul of rank 6", &deep, |_, t| t[0].mul(&t[1]));
    check("permute of rank 6", &[Array::random(&[1, 2, 2, 2, 1, 3], 23)], |_, t| {
        t[0].permute(&[0, 2, 4, 1, 3, 5])
    });
    check("expand a scalar", &[Array::random(&[], 10)], |_, t| t[0].expand([2, 3]));
    check("concat", &[x[0].clone(), Array::random(&[2, 1, 4], 11)], |_, t| {
        Tensor::concat(&[&t[0], &t[1], &t[0]], 1)
    });
}

#[test]
fn indexing() {
    let x = [Array::random(&[3, 4], 12)];
    check("gather", &x, |place, t| t[0].gather(1, &place.indices([3, 2], vec![0, 3, 1, 1, 2, 0])?));
    check("index-select", &x, |place, t| t[0].index_select(0, &place.indices([4], vec![2, 0, 2, 1])?));
    check("scatter-add", &[x[0].clone(), Array::random(&[2, 4], 13)], |place, t| {
        t[0].scatter_add(0, &place.indices([2, 4], vec![0, 2, 1, 1, 0, 2, 2, 0])?, &t[1])
    });
}

#[test]
fn products() {
    let pairs: [(&[usize], &[usize]); 4] =
        [(&[3, 5], &[5, 2]), (&[2, 3, 4], &[4, 2]), (&[2, 1, 3, 2], &[3, 2, 2]), (&[3, 4], &[2, 4, 3])];
    for (a, b) in pairs {
        let inputs = [Array::random(a, 14), Array::random(b, 15)];
        check("matmul", &inputs, |_, t| t[0].matmul(&t[1]));
        let turned = [Array::random(a, 14)];
        check("matmul with itself", &turned, |_, t| {
            let rank = t[0].rank();
            let mut axes: Vec<usize> = (0..rank).collect();
            axes.swap(rank - 1, rank - 2);
            t[0].matmul(&t[0].permute(&axes)?)
        });
    }
    for (stride, padding, kernel) in [(1, 1, 3), (2, 0, 2), (2, 1, 3)] {
        let inputs = [Array::random(&[2, 2, 6, 5], 16), Array::random(&[3, 2, kernel, kernel], 17)];
        check("conv2d", &inputs, |_, t| t[0].conv2d(&t[1], stride, padding));
    }
    for mode in [Interpolation::Nearest, Interpolation::Bilinear] {
        for (height, width) in [(5, 7), (2, 2), (3, 4)] {
            check("interpolate", &[Array::random(&[2, 2, 3, 4], 18)], |_, t| {
                t[0].interpolate(height, width, mode)
            });
        }
    }
}
