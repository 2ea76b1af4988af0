//! Mode `test`: values against the references.

use palimpsest_core::tensor::{Op, OpKind};
use palimpsest_core::{DType, DeviceHandle, Error, Result};

use crate::adamw;
use crate::array::Array;
use crate::case::{Case, Input};
use crate::cases::{cases, is_defined};
use crate::layout::{Passing, lay};
use crate::outcome::Outcome;
use crate::random;
use crate::reference;
use crate::subject::{Subject, Support, call};
use crate::taken_apart::taken_apart;
use crate::tolerance::{error, limit};

const TYPES: [DType; 6] = [DType::F32, DType::F64, DType::Bf16, DType::I64, DType::Bool, DType::U8];

/// Tries an operation on every type that the backend has it for. Every operation must be there for f32.
pub fn test(subject: &mut Subject<'_>, kind: OpKind) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for dtype in TYPES {
        let must = dtype == DType::F32;
        if !is_defined(kind, dtype) || (!must && subject.support(kind, dtype) == Support::Missing) {
            continue;
        }
        if matches!(kind, OpKind::RandomNormal | OpKind::RandomUniform) {
            outcomes.extend(random::test(subject, kind, dtype));
        }
        if kind == OpKind::Adamw && dtype == DType::F32 {
            outcomes.extend(adamw::test(subject));
        }
        for case in cases(kind, dtype) {
            if lacks_target(subject, &case.op) {
                continue;
            }
            outcomes.extend(try_case(subject, &case, dtype));
        }
    }
    outcomes
}

/// Whether it casts to a type that the backend lacks.
pub(crate) fn lacks_target(subject: &Subject<'_>, op: &Op) -> bool {
    matches!(*op, Op::Cast { dtype } if subject.support(OpKind::Cast, dtype) == Support::Missing)
}

fn try_case(subject: &mut Subject<'_>, case: &Case, dtype: DType) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Passing::ways(case.inputs.len(), dtype)
        .iter()
        .map(|&passing| {
            let result = subject.guard(|device| compare(device, case, passing));
            outcome(case, dtype, passing.name(), result)
        })
        .collect();
    let kind = case.op.kind();
    // Core's lowering must mean the same as the backend's own kernel.
    if kind.is_fused() && subject.support(kind, dtype) == Support::Native {
        let result = subject.guard(|device| compare(&taken_apart(device), case, Passing::Kept));
        outcomes.push(outcome(case, dtype, "taken apart", result));
    }
    outcomes
}

fn outcome(case: &Case, dtype: DType, how: &str, result: Result<f64>) -> Outcome {
    let (error, failure) = match result {
        Ok(error) => (error, None),
        Err(error) => (f64::INFINITY, Some(error.to_string())),
    };
    Outcome {
        operation: case.op.kind().name(),
        dtype,
        case: format!("{}, {how}", case.title()),
        error,
        limit: limit(&case.op, dtype),
        failure,
    }
}

/// The largest error of the results.
fn compare(device: &DeviceHandle, case: &Case, passing: Passing) -> Result<f64> {
    let inputs: Vec<Input> = case
        .inputs
        .iter()
        .map(|input| Input { array: passing.elements(&input.array), dtype: input.dtype })
        .collect();
    let arrays: Vec<Array> = inputs.iter().map(|input| input.array.clone()).collect();
    let want = reference::evaluate(&case.op, &arrays)
        .ok_or_else(|| Error::failure("a random operation has no reference"))?;
    let (mut tensors, mut kept) = (Vec::new(), Vec::new());
    for (i, input) in inputs.iter().enumerate() {
        let laid = lay(device, input, passing.of_input(i))?;
        tensors.push(laid.tensor);
        kept.push(laid.kept);
    }
    let got = call(device, &case.op, tensors)?;
    for (i, kept) in kept.into_iter().enumerate() {
        let Some((tensor, before)) = kept else { continue };
        if !Array::of(tensor.download()?).same(&before) {
            return Err(Error::failure(format!("input {i}, which is still in use, was written over")));
        }
    }
    if got.len() != want.len() {
        return Err(Error::failure(format!("{} results where {} are due", got.len(), want.len())));
    }
    let mut worst = 0.0f64;
    for (got, want) in got.into_iter().zip(&want) {
        let got = Array::of(got);
        if got.shape != want.shape {
            let shapes = format!("shape {:?} where {:?} is due", got.shape, want.shape);
            return Err(Error::failure(shapes));
        }
        worst = worst.max(error(&got, want));
    }
    Ok(worst)
}
