//! `observe` and `score`.

use palimpsest_abi::corruption as abi;
use palimpsest_core::DType;
use palimpsest_core::tensor::OpKind;

use super::apply::silent_panic;
use crate::judge;
use crate::outcome::{Checked, fail, skip};
use crate::scene::scenes;
use crate::subject::{Subject, says};

pub(crate) fn result(subject: &Subject<'_>) -> Checked {
    let instance = subject.instance()?;
    if !says(&instance.library, abi::OBSERVES) {
        return skip("it doesn't observe");
    }
    let device = subject.device()?;
    let mut tried = 0;
    for scene in scenes(&instance)? {
        let due = [scene.request.batch as usize, scene.request.tokens()];
        for dtype in [DType::F32, DType::Bf16] {
            if !device.backend.supports(OpKind::Matmul, dtype, device.id) {
                continue;
            }
            let told = format!("`score` in {dtype} for {}", scene.request);
            let scored = silent_panic(scene.score(&instance, &device, dtype), |finding| finding)?;
            let (shape, found) = (scored.result.shape().dims().to_vec(), scored.result.dtype());
            if shape != due || !found.is_float() {
                return fail(
                    told,
                    format!("gives {found}{shape:?}, and floats {due:?} are due"),
                    "give a score for each patch, none for the tokens in front",
                );
            }
            let first = scored.result.download()?.into_f32();
            if let Some(at) = first.iter().position(|x| !x.is_finite()) {
                return fail(told, format!("score {at} is {}", first[at]), "give finite scores");
            }
            let again = scene.score(&instance, &device, dtype)?.result.download()?.into_f32();
            if let Some(at) = (0..first.len()).find(|&i| first[i].to_bits() != again[i].to_bits()) {
                return fail(
                    told,
                    format!("score {at} is {} and, a second time, {}", first[at], again[at]),
                    "keep no state",
                );
            }
            tried += 1;
        }
    }
    // The true way: scores of what it saw come back to `plan`.
    for scene in scenes(&instance)? {
        let scores = scene.score(&instance, &device, DType::F32)?.result.download()?.into_f32();
        let told = format!("`plan` with the scores of `score` for {}", scene.request);
        let plan = scene.with_scores(&instance, scores)?;
        judge::levels(&plan).and_then(|()| judge::rules(&plan, instance.library.capabilities())).map_err(
            |mut finding| {
                finding.location = format!("{told}, {}", finding.location);
                finding
            },
        )?;
    }
    Ok(format!("{tried} scorings"))
}
