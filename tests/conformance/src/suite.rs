//! All of it on a backend in process, a named test each: what a backend's own tests call.

use std::sync::{Mutex, PoisonError};

use palimpsest_core::tensor::OpKind;

use crate::outcome::Outcome;
use crate::subject::{Open, Subject};
use crate::{autograd, forward, gradient};

/// Tests of a backend, each with a name to filter by: the values and the gradients of every operation, what
/// automatic differentiation promises, and what has to be [refused](crate::refusals).
///
/// `open` is a `fn() -> Result<DeviceHandle>`; `primitives` and `fused` are the element types that the backend has all
/// primitives and all fused operations for.
///
/// ```
/// mod tests {
///     # use palimpsest_core::{Error, DeviceHandle, Result};
///     fn open() -> Result<DeviceHandle> {
///         # Err(Error::failure("no backend in this example"))
///     }
///
///     palimpsest_conformance::conforms!(open, primitives: [F32, F64, I64, Bool], fused: [F32, F64]);
/// }
/// ```
#[macro_export]
macro_rules! conforms {
    ($open:ident, primitives: [$($primitive:ident),*], fused: [$($fused:ident),*]) => {
        mod values {
            $crate::conforms!(@operations tests values $open);
        }

        mod gradients {
            $crate::conforms!(@operations tests gradients $open);

            #[test]
            fn automatic_differentiation() {
                $crate::suite::automatic_differentiation(&super::$open);
            }
        }

        mod refusals {
            $crate::conforms!(@refusals $open failures_are_errors failures_leave_later_passes_intact
                a_label_outside_the_classes_is_an_error tensors_of_another_backend_are_refused);

            #[test]
            fn what_is_defined_is_claimed() {
                let place = super::$open().expect("the backend opens");
                let [primitives, fused]: [&[$crate::DType]; 2] =
                    [&[$($crate::DType::$primitive),*], &[$($crate::DType::$fused),*]];
                $crate::refusals::what_is_defined_is_claimed(&place, primitives, fused);
            }
        }
    };
    (@refusals $open:ident $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::refusals::$name(&super::$open().expect("the backend opens"));
            }
        )*
    };
    (@tests $check:ident $open:ident $($name:ident $kind:ident,)*) => {
        $(
            #[test]
            fn $name() {
                $crate::suite::$check(&super::$open, $crate::OpKind::$kind);
            }
        )*
    };
    (@kinds $($name:ident $kind:ident,)*) => {
        [$((stringify!($name), $crate::OpKind::$kind)),*]
    };
    (@operations $($with:ident)*) => {
        $crate::conforms! { @$($with)*
            full Full, random_normal RandomNormal, random_uniform RandomUniform,
            neg Neg, exp Exp, log Log, sqrt Sqrt, tanh Tanh, erf Erf, abs Abs, sin Sin, cos Cos,
            add_scalar AddScalar, mul_scalar MulScalar, pow_scalar PowScalar, clamp Clamp,
            add Add, sub Sub, mul Mul, div Div, equal Equal, less Less, where_ Where, cast Cast,
            sum Sum, mean Mean, max Max, argmax Argmax, argsort Argsort,
            reshape Reshape, permute Permute, narrow Narrow, concat Concat, pad Pad, expand Expand,
            gather Gather, index_select IndexSelect, scatter_add ScatterAdd,
            matmul Matmul, conv2d Conv2d, interpolate Interpolate,
            linear Linear, softmax Softmax, layer_norm LayerNorm, gelu Gelu, silu Silu,
            attention Attention, self_attention SelfAttention, attention_probs AttentionProbs,
            attention_apply AttentionApply, residual Residual, row_entropy RowEntropy,
            cross_entropy CrossEntropy, sum_squares SumSquares, lerp Lerp, adamw Adamw,
        }
    };
}

/// The values of an operation: `backend validate --mode test --op NAME`.
///
/// # Panics
/// A case fails, or the backend can't be opened.
pub fn values(open: Open<'_>, kind: OpKind) {
    // A library may have one generator of random values for all threads: nobody else draws between a seed and its
    // values.
    static DRAWS: Mutex<()> = Mutex::new(());
    let random = matches!(kind, OpKind::RandomNormal | OpKind::RandomUniform);
    let _turn = random.then(|| DRAWS.lock().unwrap_or_else(PoisonError::into_inner));
    check(open, |subject| forward::test(subject, kind));
}

/// The gradients of an operation: `backend validate --mode grad --op NAME`.
///
/// # Panics
/// As [`values`].
pub fn gradients(open: Open<'_>, kind: OpKind) {
    check(open, |subject| gradient::test(subject, kind));
}

/// What automatic differentiation promises.
///
/// # Panics
/// As [`values`].
pub fn automatic_differentiation(open: Open<'_>) {
    check(open, autograd::test);
}

fn check(open: Open<'_>, test: impl FnOnce(&mut Subject<'_>) -> Vec<Outcome>) {
    let mut subject = Subject::new(open).expect("the backend opens");
    let failures = failures(&test(&mut subject));
    assert!(failures.is_empty(), "\n{failures}");
}

/// A line for each case that fails, with operation, type, case and error; empty where all pass.
fn failures(outcomes: &[Outcome]) -> String {
    let failed = outcomes.iter().filter(|outcome| !outcome.passed());
    failed.map(|outcome| format!("{outcome}\n")).collect()
}

#[cfg(test)]
mod tests {
    use palimpsest_core::DType;

    use super::*;

    #[test]
    fn every_operation_has_a_test_of_its_name() {
        let tests = crate::conforms!(@operations kinds);
        for kind in OpKind::ALL {
            let name = kind.name().replace('-', "_");
            let found = tests.iter().find(|(_, tested)| tested == kind);
            assert!(found.is_some_and(|(test, _)| test.trim_end_matches('_') == name), "{name}: {found:?}");
        }
        assert_eq!(tests.len(), OpKind::ALL.len());
    }

    #[test]
    fn a_failure_names_operation_type_case_and_error() {
        let outcome = |error, failure: Option<&str>| Outcome {
            operation: "matmul",
            dtype: DType::F32,
            case: "odd [1, 5] [5, 1], kept".to_owned(),
            error,
            limit: 1e-6,
            failure: failure.map(str::to_owned),
        };
        let outcomes =
            [outcome(1e-7, None), outcome(0.5, None), outcome(f64::INFINITY, Some("panicked: oh"))];
        let want = "matmul f32, odd [1, 5] [5, 1], kept: error 5.0e-1 exceeds the limit 1.0e-6\n\
                    matmul f32, odd [1, 5] [5, 1], kept: panicked: oh\n";
        assert_eq!(failures(&outcomes), want);
        assert_eq!(failures(&outcomes[..1]), "");
    }
}
