//! Whether a recipe's corruption does anything, told before a run's folder is made.

use palimpsest_core::corruption::{Corrupted, CorruptionPlan};
use palimpsest_core::data::Batch;
use palimpsest_core::model::Model;
use palimpsest_core::train::Trainer;
use palimpsest_core::{Error, Result};

/// What happens to the tokens at the start of a run, in a sentence. Looked at on blank images.
///
/// # Errors
/// Nothing happens to any token, neither at the start nor at the end, and no teacher's tokens are restored: there is nothing
/// to restore.
pub(crate) fn describe(trainer: &Trainer) -> Result<String> {
    let plan = |batch: &Batch, progress: f32| {
        let step = (f64::from(progress) * trainer.total_steps as f64) as u64;
        trainer.plan_at(batch, step, progress)
    };
    let Corrupted { masked, noised } = at_start(&trainer.model, plan)?.shares();
    Ok(format!(
        "at the start {:.1} % of the tokens are masked, {:.1} % noised",
        100.0 * masked,
        100.0 * noised
    ))
}

/// The same check for a model without weights. A strategy that looks at features is passed over.
///
/// # Errors
/// As [`describe`].
pub(crate) fn check(model: &Model) -> Result<()> {
    if model.corruption.observes()?.is_some() {
        return Ok(());
    }
    at_start(model, |batch, progress| model.plan(batch, 0, progress, None)).map(drop)
}

/// The plan of blank images at the start.
fn at_start(model: &Model, plan: impl Fn(&Batch, f32) -> Result<CorruptionPlan>) -> Result<CorruptionPlan> {
    let geometry = model.geometry();
    let shape = [8, geometry.channels, geometry.height, geometry.width];
    let blank = Batch {
        pixels: vec![0.0; shape.iter().product()].into(),
        shape,
        labels: vec![-1; shape[0]],
        indices: (0..shape[0]).collect(),
        first_sample: 0,
    };
    let start = plan(&blank, 0.0)?;
    // What a teacher sees is worth restoring without any corruption.
    let taught = model.needs().visible && !model.needs().target.teacher.is_empty();
    if !taught && nothing(&start) && nothing(&plan(&blank, 1.0)?) {
        let tokens = geometry.tokens();
        return Err(Error::user("no token is masked, noised or moved: there is nothing to restore")
            .at("`corruption`")
            .help(format!(
                "raise its ratio (1 of {tokens} tokens is {:.3}), or give noise",
                1.0 / tokens as f64
            )));
    }
    Ok(start)
}

fn nothing(plan: &CorruptionPlan) -> bool {
    let Corrupted { masked, noised } = plan.shares();
    masked == 0.0 && noised == 0.0 && plan.source.is_none()
}
