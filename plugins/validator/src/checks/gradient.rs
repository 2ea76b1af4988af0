//! Gradients through `apply`.

use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::tensor::OpKind;
use palimpsest_core::{DType, DeviceHandle};

use super::apply::{applying, silent_panic};
use crate::instance::Instance;
use crate::operations::{Held, Script};
use crate::outcome::{Checked, fail, skip};
use crate::scene::{Scene, scenes, upload};
use crate::subject::Subject;

/// Pairs of directions.
const PAIRS: u64 = 3;

pub(crate) fn differences(subject: &Subject<'_>) -> Checked {
    let instance = applying(subject)?;
    let device = subject.device()?;
    if !device.backend.supports(OpKind::Matmul, DType::F64, device.id) {
        return skip("the backend has no f64");
    }
    let mut worst = 0.0_f64;
    let scenes = scenes(&instance)?;
    for scene in &scenes {
        worst = worst.max(one(&instance, scene, &device)?);
    }
    Ok(format!("{} places, {PAIRS} pairs each, the largest relative error is {worst:.1e}", scenes.len()))
}

fn direction(count: usize, seed: u64) -> Vec<f64> {
    let mut values = vec![0.0; count];
    Philox::new(seed, Stream::Test, 4, 0).fill_normal(&mut values);
    values.into_iter().map(f64::from).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// <u, J v> by central differences of the application against <J^T u, v> by the backend: the dot-product test. What
/// the plug-in detaches or downloads is held at its value, as its gradient is said to be zero.
fn one(instance: &Instance, scene: &Scene, device: &DeviceHandle) -> Checked<f64> {
    let (shape, x) = (scene.shape(), scene.tokens());
    let told = || format!("{} in f64", scene.location());
    let about = |mut finding: crate::outcome::Finding| {
        finding.location = told();
        finding
    };
    let at = |values: Vec<f64>, held: Option<Held>| -> Checked<Vec<f64>> {
        let tokens = upload(device, &shape, values, DType::F64)?;
        let applied = scene.apply_to(instance, &tokens, Script { held, fail_at: None })?;
        Ok(applied.result.download()?.into_f64())
    };
    let mut worst = 0.0_f64;
    for pair in 0..PAIRS {
        let (u, v) = (direction(x.len(), 2 * pair), direction(x.len(), 2 * pair + 1));
        let leaf = upload(device, &shape, x.clone(), DType::F64)?.track()?;
        let applied = silent_panic(scene.apply_to(instance, &leaf, Script::default()), about)?;
        if applied.result.dtype() != DType::F64 || applied.result.shape().dims() != shape {
            return skip("shape or type is not kept: see apply.result");
        }
        let record = applied.record;
        let loss = applied.result.mul(&upload(device, &shape, u.clone(), DType::F64)?)?.sum_all()?;
        let gradient = match loss.backward(&[&leaf])?.pop().flatten() {
            Some(gradient) => gradient.download()?.into_f64(),
            // The result doesn't depend on the tokens, or is said not to.
            None => vec![0.0; x.len()],
        };
        if let Some(i) = gradient.iter().position(|g| !g.is_finite()) {
            return fail(
                told(),
                format!("the gradient of value {i} is {}", gradient[i]),
                "mind the derivative of roots and divisions at 0",
            );
        }
        // In f64 the difference's own error is some 1e-10; where values go through f32 a wider step has to do.
        let (step, limit) = if record.narrowed { (1e-2, 5e-3) } else { (1e-5, 1e-6) };
        let moved = |sign: f64| x.iter().zip(&v).map(|(x, v)| x + sign * step * v).collect::<Vec<f64>>();
        let (up, down) =
            (at(moved(1.0), Some(record.held.clone()))?, at(moved(-1.0), Some(record.held.clone()))?);
        let difference: Vec<f64> = up.iter().zip(&down).map(|(a, b)| (a - b) / (2.0 * step)).collect();
        let (forward, backward) = (dot(&u, &difference), dot(&gradient, &v));
        // Sums of many terms of either sign: the error goes by their size, not by what is left of them.
        let size = (dot(&u, &u) * dot(&difference, &difference))
            .sqrt()
            .max((dot(&gradient, &gradient) * dot(&v, &v)).sqrt())
            .max(1e-12);
        let error = (forward - backward).abs() / size;
        worst = worst.max(error);
        if error.is_nan() || error > limit {
            return fail(
                told(),
                format!(
                    "<u, J v> is {forward:.9e} by differences and <J^T u, v> is {backward:.9e} by the backend, a relative error of {error:.1e} (limit {limit:.0e})"
                ),
                "let tokens reach the result by the host's operations alone, without a way over the host's memory, or detach what has no gradient",
            );
        }
    }
    Ok(worst)
}
