//! `run replay`: does a failed step again, and says where it fails.

use std::sync::Arc;

use palimpsest_core::data::BatchSource;
use palimpsest_core::train::{Checkpoint, RunFolder, Trainer};
use palimpsest_core::{Error, Result};
use palimpsest_datasets::RecipeData;
use serde_json::json;

use crate::cli::Replay;
use crate::finite_check::FiniteCheck;
use crate::{backends, output, plugins};

pub(super) fn run(args: &Replay) -> Result<()> {
    let folder = RunFolder::open(&args.run)?;
    plugins::recall(&folder)?;
    let recipe = folder.recipe(&[])?;
    let (step, batch) = folder.failure(args.step)?;
    let path = folder.weights_before(step);
    if !path.exists() {
        return Err(Error::user("the checkpoint before the failed step is gone").at(path.display()));
    }
    let checkpoint = Checkpoint::read(&path)?;
    let mut device = backends::device(&args.on.backend, args.on.device())?;
    // Schedules and plans follow the run's length, which the data set decides.
    let whole = recipe.train.batch;
    let steps_per_epoch = RecipeData::open(&recipe)?.loader(&recipe)?.steps_per_epoch();
    let checked = Arc::new(FiniteCheck::new(device.backend));
    device.backend = checked.clone();
    let mut trainer = Trainer::new(recipe, device, steps_per_epoch)?;
    trainer.restore(checkpoint)?;
    let report = trainer.train_step(&batch, true)?;
    let culprit = checked.culprit();
    if args.result.json {
        let losses: serde_json::Map<String, serde_json::Value> =
            report.scalars.iter().map(|(name, value)| (name.clone(), json!(value.to_string()))).collect();
        let line = json!({
            "step": step, "losses": losses, "grad_norm": report.grad_norm.to_string(), "first": culprit,
        });
        output::json(&line);
        return Ok(());
    }
    let mut rows = vec![vec!["step".to_owned(), step.to_string()]];
    rows.extend(report.scalars.iter().map(|(name, value)| vec![name.clone(), value.to_string()]));
    rows.push(vec!["grad_norm".to_owned(), report.grad_norm.to_string()]);
    output::table(&rows);
    match culprit {
        Some(c) => output::line(&format!(
            "the first result that is not finite: operation {} ({}), shape {:?}, {} values; its inputs: {}",
            c.number,
            c.operation,
            c.shape,
            c.not_finite,
            c.inputs.join("; ")
        )),
        None => output::line("every result is finite on this backend"),
    }
    if batch.len() < whole {
        output::note(&format!(
            "note: these are {} of the step's {whole} images, the part of one of several processes; what is finite here may \
             not be in the sum over all",
            batch.len()
        ));
    }
    Ok(())
}
