//! A few values worked out by hand, or printed by NumPy and PyTorch.

use palimpsest_core::DType;
use palimpsest_core::tensor::{Interpolation, Op};

use super::evaluate;
use crate::array::Array;

fn array(shape: &[usize], data: &[f64]) -> Array {
    Array { shape: shape.to_vec(), data: data.to_vec() }
}

#[track_caller]
fn check(op: &Op, inputs: &[Array], want: &Array) {
    let got = evaluate(op, inputs).expect("not random").remove(0);
    assert_eq!(got.shape, want.shape, "{op:?}");
    for (a, b) in got.data.iter().zip(&want.data) {
        assert!((a - b).abs() < 1e-12, "{op:?}: {:?}, expected {:?}", got.data, want.data);
    }
}

#[test]
fn products() {
    let a = array(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let b = array(&[2, 2], &[5.0, 6.0, 7.0, 8.0]);
    check(&Op::Matmul, &[a.clone(), b.clone()], &array(&[2, 2], &[19.0, 22.0, 43.0, 50.0]));
    // x w^T + bias.
    let bias = array(&[2], &[100.0, 200.0]);
    check(&Op::Linear, &[a, b, bias], &array(&[2, 2], &[117.0, 223.0, 139.0, 253.0]));
    let image = array(&[1, 1, 3, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    let kernel = array(&[1, 1, 2, 2], &[1.0, 0.0, 0.0, 10.0]);
    let conv = Op::Conv2d { stride: 1, padding: 0 };
    check(&conv, &[image.clone(), kernel.clone()], &array(&[1, 1, 2, 2], &[51.0, 62.0, 84.0, 95.0]));
    let conv = Op::Conv2d { stride: 2, padding: 1 };
    check(&conv, &[image, kernel], &array(&[1, 1, 2, 2], &[10.0, 30.0, 70.0, 95.0]));
}

#[test]
fn sampling() {
    let x = array(&[1, 1, 1, 2], &[0.0, 4.0]);
    let op = |mode| Op::Interpolate { height: 1, width: 4, mode };
    // torch.nn.functional.interpolate(x, (1, 4), mode="bilinear", align_corners=False)
    check(
        &op(Interpolation::Bilinear),
        std::slice::from_ref(&x),
        &array(&[1, 1, 1, 4], &[0.0, 1.0, 3.0, 4.0]),
    );
    check(&op(Interpolation::Nearest), &[x], &array(&[1, 1, 1, 4], &[0.0, 0.0, 4.0, 4.0]));
}

#[test]
fn orders_take_the_first_of_equals() {
    let x = array(&[1, 4], &[1.0, 3.0, 3.0, 0.0]);
    check(&Op::Argmax { axis: 1 }, std::slice::from_ref(&x), &array(&[1, 1], &[1.0]));
    check(&Op::Max { axis: 1 }, std::slice::from_ref(&x), &array(&[1, 1], &[3.0]));
    let order = |descending| Op::Argsort { axis: 1, descending };
    check(&order(false), std::slice::from_ref(&x), &array(&[1, 4], &[3.0, 0.0, 1.0, 2.0]));
    check(&order(true), &[x], &array(&[1, 4], &[1.0, 2.0, 0.0, 3.0]));
}

#[test]
fn elements_elsewhere() {
    let x = array(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    check(
        &Op::Permute { axes: vec![1, 0] },
        std::slice::from_ref(&x),
        &array(&[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]),
    );
    let pad = Op::Pad { axis: 1, before: 1, after: 0, value: 9.0 };
    check(&pad, std::slice::from_ref(&x), &array(&[2, 4], &[9.0, 1.0, 2.0, 3.0, 9.0, 4.0, 5.0, 6.0]));
    let at = array(&[2, 1], &[2.0, 0.0]);
    check(&Op::Gather { axis: 1 }, &[x.clone(), at.clone()], &array(&[2, 1], &[3.0, 4.0]));
    let source = array(&[2, 1], &[10.0, 20.0]);
    let sum = array(&[2, 3], &[1.0, 2.0, 13.0, 24.0, 5.0, 6.0]);
    check(&Op::ScatterAdd { axis: 1 }, &[x.clone(), at, source], &sum);
    let rows = array(&[3], &[1.0, 0.0, 1.0]);
    check(
        &Op::IndexSelect { axis: 0 },
        &[x, rows],
        &array(&[3, 3], &[4.0, 5.0, 6.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    );
}

#[test]
fn rows() {
    let third = 1.0 / 3.0;
    check(&Op::Softmax, &[array(&[1, 3], &[7.0; 3])], &array(&[1, 3], &[third; 3]));
    let half = array(&[1, 3], &[0.5, 0.5, 0.0]);
    check(&Op::RowEntropy, &[half], &array(&[1, 1], &[2f64.ln()]));
    // Mean 2, biased variance 1.
    let (x, gain, bias) = (array(&[2], &[1.0, 3.0]), array(&[2], &[2.0, 2.0]), array(&[2], &[0.5, 0.5]));
    check(&Op::LayerNorm { eps: 0.0 }, &[x, gain, bias], &array(&[2], &[-1.5, 2.5]));
    let logits = array(&[2, 2], &[0.0, 0.0, 0.0, 3f64.ln()]);
    let labels = array(&[2], &[0.0, 1.0]);
    let want = (2f64.ln() + (4.0f64 / 3.0).ln()) / 2.0;
    check(&Op::CrossEntropy { smoothing: 0.0 }, &[logits, labels], &array(&[], &[want]));
}

#[test]
fn attention_to_equal_keys_is_the_mean_of_the_values() {
    let q = array(&[1, 1, 2], &[1.0, -1.0]);
    let k = array(&[1, 2, 2], &[0.5; 4]);
    let v = array(&[1, 2, 2], &[1.0, 10.0, 3.0, 30.0]);
    check(&Op::Attention { heads: 2 }, &[q, k, v], &array(&[1, 1, 2], &[2.0, 20.0]));
}

#[test]
fn the_first_step_of_adamw() {
    // By hand, at the first step of moments that start at zero.
    let op = Op::Adamw { beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.05, factor: 0.1 };
    let rates = array(&[5], &[0.1, 1.0, 0.5, 0.0, 0.75]);
    let zero = Array::filled(&[2], 0.0);
    let average = array(&[2], &[0.0, 1.0]);
    let inputs = [array(&[2], &[0.5, -1.25]), array(&[2], &[0.2, -0.4]), zero.clone(), zero, rates, average];
    let got = evaluate(&op, &inputs).expect("not random");
    // The first step is lr in the gradient's direction: 0.5 (1 - 0.0005) - 0.01 / (1 + 1e-7).
    assert!((got[0].data[0] - (0.499_75 - 0.01 / (1.0 + 1e-7))).abs() < 1e-12, "{:?}", got[0].data);
    assert!((got[0].data[1] - (-1.249_375 + 0.01 / (1.0 + 5e-8))).abs() < 1e-12, "{:?}", got[0].data);
    assert!((got[3].data[1] - (0.25 + 0.75 * got[0].data[1])).abs() < 1e-15, "{:?}", got[3].data);
    assert!((got[1].data[0] - 0.01).abs() < 1e-15 && (got[2].data[1] - 0.002).abs() < 1e-15);
}

#[test]
fn casts_truncate() {
    let x = array(&[3], &[-1.75, 0.0, 2.5]);
    check(&Op::Cast { dtype: DType::I64 }, std::slice::from_ref(&x), &array(&[3], &[-1.0, 0.0, 2.0]));
    check(&Op::Cast { dtype: DType::Bool }, &[x], &array(&[3], &[1.0, 0.0, 1.0]));
}
