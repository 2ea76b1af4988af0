//! Three steps of AdamW as `torch.optim.AdamW` takes them.

use palimpsest_core::tensor::{AdamwRates, Op};
use palimpsest_core::{DType, DeviceHandle, Error, Result, Tensor};

use crate::outcome::Outcome;
use crate::subject::Subject;
use crate::taken_apart::taken_apart;

const START: [f32; 4] = [0.5, -1.25, 2.0, 0.0];
const GRADIENTS: [[f32; 4]; 3] = [[0.1, -0.2, 0.3, 0.0], [-0.05, 0.4, 1e-3, 2.0], [0.7, 0.7, -0.7, 1e-8]];

/// torch 2.11:
/// `p = torch.nn.Parameter(torch.tensor(START)); o = torch.optim.AdamW([p], lr=0.01, betas=(0.9, 0.95), eps=1e-8,
/// weight_decay=0.05)`, then three steps with `GRADIENTS`.
#[allow(clippy::excessive_precision, reason = "the digits that PyTorch printed")]
const TORCH: [f32; 4] = [0.480_100_16, -1.248_564_1, 1.983_964_1, -0.013_100_646];

/// The steps by the backend's own operation and by core's lowering.
pub(crate) fn test(subject: &mut Subject<'_>) -> Vec<Outcome> {
    let own = subject.guard(three_steps);
    let lowered = subject.guard(|device| three_steps(&taken_apart(device)));
    let outcome = |(how, result): (&str, Result<f64>)| {
        let (error, failure) = match result {
            Ok(error) => (error, None),
            Err(error) => (f64::INFINITY, Some(error.to_string())),
        };
        Outcome {
            operation: "adamw",
            dtype: DType::F32,
            case: format!("three steps of PyTorch's, {how}"),
            error,
            // A rounding or two of the parameter in each step.
            limit: 2.0 * f64::from(f32::EPSILON),
            failure,
        }
    };
    [("given", own), ("taken apart", lowered)].into_iter().map(outcome).collect()
}

/// The largest error of an element, relative down to a thousandth.
fn three_steps(device: &DeviceHandle) -> Result<f64> {
    let float = |values: &[f32]| device.floats([4], values.to_vec(), DType::F32);
    let mut state = vec![float(&START)?, float(&[0.0; 4])?, float(&[0.0; 4])?];
    let start = state[0].clone();
    for (gradient, step) in GRADIENTS.iter().zip(1..) {
        // Twice the gradient, halved by the step.
        let doubled = gradient.map(|g| 2.0 * g);
        let op = Op::Adamw { beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.05, factor: 0.5 };
        let rates = AdamwRates { scale: 0.5, ..AdamwRates::new(0.02, step) };
        state.insert(1, float(&doubled)?);
        state.push(rates.upload(device, DType::F32)?);
        state = Tensor::apply_owned(&op, state)?;
    }
    if start.download()?.into_f32() != START {
        return Err(Error::failure("a parameter that is still in use was written over"));
    }
    let errors = state[0].download()?.into_f64().into_iter().zip(TORCH).map(|(got, want)| {
        let want = f64::from(want);
        (got - want).abs() / want.abs().max(1e-3)
    });
    Ok(errors.fold(0.0, f64::max))
}
