//! All of it on a backend in process: what a backend's own tests call.

use palimpsest_core::Result;
use palimpsest_core::tensor::OpKind;

use crate::outcome::Outcome;
use crate::subject::{Open, Subject};
use crate::{autograd, forward, gradient};

/// The values of every operation: `backend validate --mode test`.
///
/// # Errors
/// As `open`.
pub fn values(open: Open<'_>) -> Result<Vec<Outcome>> {
    let mut subject = Subject::new(open)?;
    Ok(OpKind::ALL.iter().flat_map(|&kind| forward::test(&mut subject, kind)).collect())
}

/// The gradients of every operation and what automatic differentiation promises: `backend validate --mode grad`.
///
/// # Errors
/// As `open`.
pub fn gradients(open: Open<'_>) -> Result<Vec<Outcome>> {
    let mut subject = Subject::new(open)?;
    let mut outcomes: Vec<Outcome> =
        OpKind::ALL.iter().flat_map(|&kind| gradient::test(&mut subject, kind)).collect();
    outcomes.extend(autograd::test(&mut subject));
    Ok(outcomes)
}

/// A line for each case that fails, with operation, type, case and error; empty where all pass.
pub fn failures(outcomes: &[Outcome]) -> String {
    let failed = outcomes.iter().filter(|outcome| !outcome.passed());
    failed.map(|outcome| format!("{outcome}\n")).collect()
}

#[cfg(test)]
mod tests {
    use palimpsest_core::DType;

    use super::*;

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
