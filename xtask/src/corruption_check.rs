//! Whether a recipe's corruption does anything, told before a run's folder is made.

use palimpsest_core::corruption::{Corrupted, CorruptionPlan};
use palimpsest_core::data::Batch;
use palimpsest_core::train::Trainer;
use palimpsest_core::{Error, Result};

/// What happens to the tokens at the start of a run, in a sentence. Looked at on blank images.
///
/// # Errors
/// Nothing happens to any token, neither at the start nor at the end: there is nothing to restore.
pub(crate) fn describe(trainer: &Trainer) -> Result<String> {
    let geometry = trainer.model.geometry();
    let shape = [8, geometry.channels, geometry.height, geometry.width];
    let blank = Batch {
        pixels: vec![0.0; shape.iter().product()],
        shape,
        labels: vec![-1; shape[0]],
        indices: (0..shape[0]).collect(),
        first_sample: 0,
    };
    let start = trainer.plan_at(&blank, 0, 0.0)?;
    if nothing(&start) && nothing(&trainer.plan_at(&blank, trainer.total_steps, 1.0)?) {
        let tokens = geometry.tokens();
        return Err(Error::user("no token is masked, noised or moved: there is nothing to restore")
            .at("`corruption`")
            .help(format!(
                "raise its ratio (1 of {tokens} tokens is {:.3}), or give noise",
                1.0 / tokens as f64
            )));
    }
    let Corrupted { masked, noised } = start.shares();
    Ok(format!(
        "at the start {:.1} % of the tokens are masked, {:.1} % noised",
        100.0 * masked,
        100.0 * noised
    ))
}

fn nothing(plan: &CorruptionPlan) -> bool {
    let Corrupted { masked, noised } = plan.shares();
    masked == 0.0 && noised == 0.0 && plan.source.is_none()
}
