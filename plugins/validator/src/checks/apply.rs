//! `apply` on a backend.

use palimpsest_abi::corruption as abi;
use palimpsest_core::DType;
use palimpsest_core::tensor::OpKind;

use crate::instance::Instance;
use crate::outcome::{Checked, Finding, fail, skip};
use crate::scene::{Applied, Scene, scenes};
use crate::subject::{Subject, defaults, says};

/// A strategy with `apply`.
pub(super) fn applying(subject: &Subject<'_>) -> Checked<Instance> {
    let instance = subject.instance()?;
    if says(&instance.library, abi::OPS) {
        Ok(instance)
    } else {
        skip("it has no `apply`: the host applies its plans")
    }
}

/// The result's values.
fn values(applied: &Applied) -> Checked<Vec<f64>> {
    Ok(applied.result.download()?.into_f64())
}

pub(crate) fn result(subject: &Subject<'_>) -> Checked {
    let instance = applying(subject)?;
    let device = subject.device()?;
    let other = Instance::create(&instance.library, &defaults(&instance.library))
        .map_err(|refusal| refusal.finding("`create`, a second time", "make a strategy each time"))?;
    let mut tried = 0;
    for scene in scenes(&instance)? {
        for dtype in [DType::F32, DType::Bf16, DType::F64] {
            if !device.backend.supports(OpKind::Matmul, dtype, device.id) {
                continue;
            }
            let told = || format!("{} in {dtype}", scene.location());
            let about = |mut finding: Finding| {
                finding.location = told();
                finding
            };
            let applied = silent_panic(scene.apply(&instance, &device, dtype), about)?;
            let (shape, found) = (applied.result.shape().dims(), applied.result.dtype());
            if shape != scene.shape() || found != dtype {
                return fail(
                    told(),
                    format!("gives {found}{shape:?} for {dtype}{:?}", scene.shape()),
                    "give a tensor of the tokens' shape and type",
                );
            }
            let first = values(&applied)?;
            if let Some(at) = first.iter().position(|x| !x.is_finite()) {
                let width = scene.shape()[2];
                return fail(
                    told(),
                    format!("value {} of token {} is {}", at % width, at / width, first[at]),
                    "mind divisions, roots and logarithms at 0, and numbers that a type can't hold",
                );
            }
            for (who, instance) in [("a second time", &instance), ("of another strategy", &other)] {
                let again = values(&scene.apply(instance, &device, dtype)?)?;
                if let Some(at) = (0..first.len()).find(|&i| first[i].to_bits() != again[i].to_bits()) {
                    return fail(
                        told(),
                        format!("value {at} is {} and, {who}, {}", first[at], again[at]),
                        "draw with the host's operations alone, and keep no state",
                    );
                }
            }
            tried += 1;
        }
    }
    Ok(format!("{tried} applications"))
}

/// A panic is for `robust.panics` to tell.
pub(super) fn silent_panic<T>(answer: Checked<T>, about: impl Fn(Finding) -> Finding) -> Checked<T> {
    use crate::outcome::Stop;
    match answer {
        Err(Stop::Failed(finding)) if finding.value.contains("panics") => {
            skip("it panics: see robust.panics")
        }
        Err(Stop::Failed(finding)) => Err(about(*finding).into()),
        other => other,
    }
}

pub(crate) fn handles(subject: &Subject<'_>) -> Checked {
    let instance = applying(subject)?;
    let device = subject.device()?;
    let scenes: Vec<Scene> = scenes(&instance)?;
    // One after another on one strategy: a tensor that it kept would be used in the next call.
    for round in 0..3 {
        for scene in &scenes {
            let about = |mut finding: Finding| {
                finding.location = format!("{}, call {} on one strategy", finding.location, round + 1);
                finding
            };
            silent_panic(scene.apply(&instance, &device, DType::F32), about)?;
        }
    }
    Ok(format!("{} calls", 3 * scenes.len()))
}
