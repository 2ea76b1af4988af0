//! Fused operations: values against plain references and against core's lowering, gradients
//! against central differences and the lowering's, and the same bits for any number of threads.

use palimpsest_core::tensor::Op;
use palimpsest_core::{DType, Place, Result, Tensor};

use crate::array::{Array, place};
use crate::gradients::check;
use crate::lowered::primitives;

/// An operation on inputs of these shapes; labels are made of the input's number of rows.
struct Case {
    name: String,
    op: Op,
    shapes: Vec<Vec<usize>>,
    /// Inputs that must be positive rows that sum to 1.
    probabilities: bool,
    labels: bool,
}

fn case(name: &str, op: Op, shapes: &[&[usize]]) -> Case {
    Case {
        name: format!("{name} {shapes:?}"),
        op,
        shapes: shapes.iter().map(|s| s.to_vec()).collect(),
        probabilities: false,
        labels: false,
    }
}

fn softmax(x: &Array) -> Array {
    let e = x.map(f64::exp);
    let last = x.shape.len() - 1;
    e.zip(&e.sum(&[last]), |a, b| a / b)
}

/// Every fused operation with gradients, on small odd shapes.
fn small() -> Vec<Case> {
    let mut cases = vec![
        case("linear", Op::Linear, &[&[2, 3, 5], &[7, 5], &[7]]),
        case("linear", Op::Linear, &[&[1, 5], &[3, 5]]),
        case("linear", Op::Linear, &[&[4, 1], &[1, 1], &[1]]),
        case("softmax", Op::Softmax, &[&[3, 19]]),
        case("softmax", Op::Softmax, &[&[1]]),
        case("layer-norm", Op::LayerNorm { eps: 1e-5 }, &[&[2, 3, 17], &[17], &[17]]),
        case("layer-norm", Op::LayerNorm { eps: 1e-2 }, &[&[5, 4], &[4], &[4]]),
        case("gelu", Op::Gelu, &[&[3, 9]]),
        case("gelu", Op::Gelu, &[&[]]),
        case("silu", Op::Silu, &[&[3, 9]]),
        case("attention", Op::Attention { heads: 2 }, &[&[2, 3, 8], &[2, 5, 8], &[2, 5, 8]]),
        case("residual", Op::Residual { gain: false, keep: false }, &[&[2, 3, 5], &[2, 3, 5]]),
        case("residual", Op::Residual { gain: true, keep: false }, &[&[2, 3, 5], &[2, 3, 5], &[5]]),
        case("residual", Op::Residual { gain: false, keep: true }, &[&[2, 3, 5], &[2, 3, 5], &[2, 1, 1]]),
        case(
            "residual",
            Op::Residual { gain: true, keep: true },
            &[&[2, 3, 5], &[2, 3, 5], &[5], &[2, 1, 1]],
        ),
        case("attention-apply", Op::AttentionApply { heads: 2 }, &[&[2, 2, 3, 3], &[2, 3, 12]]),
        case("sum-squares", Op::SumSquares, &[&[3, 7]]),
        case("sum-squares", Op::SumSquares, &[&[]]),
        case("lerp", Op::Lerp { weight: 0.3 }, &[&[3, 2], &[3, 2]]),
    ];
    for bias in [&[2usize, 2, 3, 5][..], &[1, 2, 3, 5], &[1, 1, 1, 5], &[2, 1, 3, 1], &[1, 1, 1, 1]] {
        let shapes: [&[usize]; 4] = [&[2, 3, 8], &[2, 5, 8], &[2, 5, 8], bias];
        cases.push(case("attention", Op::Attention { heads: 2 }, &shapes));
    }
    for bias in [None, Some(&[1usize, 3, 4, 4][..]), Some(&[2, 1, 1, 4])] {
        let mut shapes: Vec<&[usize]> = vec![&[2, 4, 18]];
        shapes.extend(bias);
        cases.push(case("self-attention", Op::SelfAttention { heads: 3 }, &shapes));
        cases.push(case("attention-probs", Op::AttentionProbs { heads: 3 }, &shapes));
    }
    for smoothing in [0.0, 0.1] {
        let mut entropy = case("cross-entropy", Op::CrossEntropy { smoothing }, &[&[5, 7]]);
        entropy.labels = true;
        cases.push(entropy);
    }
    let mut entropy = case("row-entropy", Op::RowEntropy, &[&[2, 3, 4]]);
    entropy.probabilities = true;
    cases.push(entropy);
    cases
}

fn inputs(case: &Case, seed: u64) -> Vec<Array> {
    let arrays = case.shapes.iter().enumerate().map(|(i, s)| Array::random(s, seed + i as u64));
    arrays.map(|a| if case.probabilities { softmax(&a.map(|v| 0.1 * v)) } else { a }).collect()
}

fn apply(case: &Case, place: &Place, tensors: &[Tensor]) -> Result<Tensor> {
    let mut tensors = tensors.to_vec();
    if case.labels {
        let [rows, classes] = tensors[0].shape().array()?;
        let labels = (0..rows).map(|i| (i * 5 + 2) as i64 % classes as i64).collect();
        tensors.push(place.indices([rows], labels)?);
    }
    Ok(Tensor::apply(&case.op, &tensors)?.remove(0))
}

#[test]
fn gradients_match_differences() {
    for case in small() {
        check(&case.name, &inputs(&case, 1), |place, t| apply(&case, place, t));
    }
}

#[test]
fn values_match_the_lowering_in_f64_and_f32() {
    let (fused, lowered) = (place(), primitives());
    for case in small() {
        let arrays = inputs(&case, 7);
        // In f32 both sides round, at most about sqrt(19) times for the sums here.
        for (dtype, tolerance) in [(DType::F64, 1e-13), (DType::F32, 2e-6)] {
            let run = |place: &Place, strided: bool| {
                let tensors: Vec<Tensor> = arrays
                    .iter()
                    .map(|a| if strided { a.strided(place, dtype) } else { a.tensor(place, dtype) })
                    .collect();
                Array::of(&apply(&case, place, &tensors).unwrap())
            };
            let want = run(&lowered, false);
            run(&fused, false).near(&want, tolerance, &case.name);
            run(&fused, true).near(&want, tolerance, &format!("{}, strided", case.name));
        }
    }
}

/// The shapes of a training step, in f32.
fn large() -> Vec<Case> {
    let mut cases = vec![
        case("linear", Op::Linear, &[&[3, 197, 192], &[576, 192], &[576]]),
        case("linear", Op::Linear, &[&[3, 197, 768], &[192, 768], &[192]]),
        case("softmax", Op::Softmax, &[&[6, 197, 197]]),
        case("layer-norm", Op::LayerNorm { eps: 1e-6 }, &[&[4, 197, 192], &[192], &[192]]),
        case("gelu", Op::Gelu, &[&[3, 197, 768]]),
        case("silu", Op::Silu, &[&[3, 197, 768]]),
        case("self-attention", Op::SelfAttention { heads: 3 }, &[&[3, 197, 576]]),
        case("self-attention", Op::SelfAttention { heads: 3 }, &[&[3, 65, 576], &[1, 3, 65, 65]]),
        case("attention", Op::Attention { heads: 3 }, &[&[2, 40, 192], &[2, 197, 192], &[2, 197, 192]]),
        case("attention-probs", Op::AttentionProbs { heads: 3 }, &[&[3, 197, 576], &[1, 3, 197, 197]]),
        case("attention-apply", Op::AttentionApply { heads: 3 }, &[&[3, 3, 197, 197], &[3, 197, 576]]),
        case(
            "residual",
            Op::Residual { gain: true, keep: true },
            &[&[4, 197, 192], &[4, 197, 192], &[192], &[4, 1, 1]],
        ),
        case("sum-squares", Op::SumSquares, &[&[3, 197, 192]]),
    ];
    let mut entropy = case("row-entropy", Op::RowEntropy, &[&[3, 3, 197, 197]]);
    entropy.probabilities = true;
    cases.push(entropy);
    let mut entropy = case("cross-entropy", Op::CrossEntropy { smoothing: 0.1 }, &[&[64, 1000]]);
    entropy.labels = true;
    cases.push(entropy);
    cases
}

/// The value and the gradients of a case, all in f32.
fn pass(case: &Case, place: &Place) -> Vec<Array> {
    let leaves: Vec<Tensor> =
        inputs(case, 3).iter().map(|a| a.tensor(place, DType::F32).track().unwrap()).collect();
    let out = apply(case, place, &leaves).unwrap();
    let weights = Array::random(out.shape(), 5).tensor(place, DType::F32);
    let mut all = vec![Array::of(&out)];
    let loss = out.mul(&weights).unwrap().sum_all().unwrap();
    let gradients = loss.backward(&leaves.iter().collect::<Vec<_>>()).unwrap();
    all.extend(gradients.iter().map(|g| Array::of(g.as_ref().unwrap())));
    all
}

#[test]
fn a_training_steps_shapes_match_the_lowering() {
    for case in large() {
        let (got, want) = (pass(&case, &place()), pass(&case, &primitives()));
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            // Sums over up to 600 products of numbers near 1, in another order: errors up to about
            // sqrt(600) half-units of a partial sum near 50.
            let scale = want.data.iter().fold(1.0f64, |m, v| m.max(v.abs()));
            let what = format!("{}, output or gradient {i}", case.name);
            got.map(|v| v / scale).near(&want.map(|v| v / scale), 3e-6, &what);
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let with = |threads: usize, case: &Case| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| pass(case, &place()))
    };
    let mut cases = large();
    cases.push(case("sum", Op::Sum { axes: vec![0, 1] }, &[&[3000, 1500]]));
    cases.push(case("sum of rows", Op::Sum { axes: vec![1] }, &[&[300, 1500]]));
    cases.push(case("matmul", Op::Matmul, &[&[500, 300], &[300, 700]]));
    cases.push(case("conv2d", Op::Conv2d { stride: 16, padding: 0 }, &[&[4, 3, 64, 64], &[64, 3, 16, 16]]));
    cases.push(case("conv2d", Op::Conv2d { stride: 1, padding: 1 }, &[&[4, 8, 32, 32], &[16, 8, 3, 3]]));
    for case in cases {
        let one = with(1, &case);
        for threads in [2, 3] {
            assert_eq!(one, with(threads, &case), "{}: 1 and {threads} threads", case.name);
        }
    }
}

#[test]
fn empty_tensors() {
    let place = place();
    let zero = |shape: &[usize]| place.full(shape, 0.0, DType::F32).unwrap().track().unwrap();
    let mut cases = vec![
        case("linear", Op::Linear, &[&[0, 4], &[3, 4], &[3]]),
        case("linear", Op::Linear, &[&[3, 0], &[2, 0], &[2]]),
        case("softmax", Op::Softmax, &[&[3, 0]]),
        case("softmax", Op::Softmax, &[&[0, 3]]),
        case("layer-norm", Op::LayerNorm { eps: 1e-5 }, &[&[0, 4], &[4], &[4]]),
        case("gelu", Op::Gelu, &[&[0]]),
        case("self-attention", Op::SelfAttention { heads: 1 }, &[&[0, 3, 6]]),
        case("row-entropy", Op::RowEntropy, &[&[0, 3]]),
        case("sum-squares", Op::SumSquares, &[&[0]]),
        case("residual", Op::Residual { gain: false, keep: true }, &[&[0, 3, 2], &[0, 3, 2], &[0, 1, 1]]),
    ];
    for case in cases.drain(..) {
        let leaves: Vec<Tensor> = case.shapes.iter().map(|s| zero(s)).collect();
        let out = apply(&case, &place, &leaves).unwrap();
        assert!(Array::of(&out).data.iter().all(|&v| v == 0.0), "{}", case.name);
        let gradients = out.sum_all().unwrap().backward(&leaves.iter().collect::<Vec<_>>()).unwrap();
        for (leaf, gradient) in leaves.iter().zip(gradients) {
            let gradient = Array::of(&gradient.unwrap());
            assert_eq!(gradient.shape, leaf.shape().dims(), "{}", case.name);
            assert!(gradient.data.iter().all(|v| v.is_finite()), "{}", case.name);
        }
    }
}

#[test]
fn masked_logits_have_no_share() {
    let place = place();
    let bias = place.floats([1, 1, 1, 3], vec![0.0, f32::NEG_INFINITY, 0.0], DType::F32).unwrap();
    let qkv = Array::random(&[1, 3, 12], 4).tensor(&place, DType::F32).track().unwrap();
    let p = qkv.attention_probs(Some(&bias), 2).unwrap();
    for row in Array::of(&p).data.chunks(3) {
        assert!(row[1] == 0.0 && (row[0] + row[2] - 1.0).abs() < 1e-6, "{row:?}");
    }
    let out = qkv.self_attention(Some(&bias), 2).unwrap();
    let entropy = p.row_entropy().unwrap().sum_all().unwrap();
    let loss = out.sum_all().unwrap().add(&entropy).unwrap();
    let gradient = loss.backward(&[&qkv]).unwrap();
    assert!(Array::of(gradient[0].as_ref().unwrap()).data.iter().all(|v| v.is_finite()));
}

#[test]
fn a_label_outside_the_classes_is_an_error() {
    let place = place();
    let logits = place.full([2, 3], 0.0, DType::F32).unwrap();
    for label in [3, -1] {
        let labels = place.indices([2], vec![0, label]).unwrap();
        let error = logits.cross_entropy(&labels, 0.0).unwrap_err().to_string();
        assert!(error.contains("cross-entropy") && error.contains(&label.to_string()), "{error}");
    }
}
