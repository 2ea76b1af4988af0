//! What a study would take, before it runs: from trials that are measured, or else from one that is tried.

use std::path::Path;
use std::time::Instant;

use palimpsest_core::{Error, Result};
use palimpsest_datasets::RecipeData;
use palimpsest_study::plan::{Measured, Measurement, Plan};
use palimpsest_study::trial::TrialFolder;
use serde_json::{Value, json};

use super::driver::{Driver, Ended};
use super::list::State;
use super::measure;
use crate::cli::RunStudy;
use crate::{flops, interrupt, output};

/// Steps of the trial that is tried: enough for a speed within a tenth.
const STEPS: usize = 12;
/// Cells whose operations are counted: the mean over more of them is the same.
const COUNTED: usize = 40;

/// Seconds and bytes, as far as they are known.
struct Estimate {
    /// Of training a trial, on the average.
    training: f64,
    /// By measurement of a trial.
    measuring: Vec<(String, f64)>,
    /// On disk, by trial.
    bytes: f64,
    /// Trials at a time that take so long each.
    at_a_time: f64,
    /// What it stands on.
    from: String,
}

/// Tells what is left to do, and what that takes.
pub(super) fn tell(
    plan: &Plan,
    measurements: &[Vec<Measurement<'_>>],
    known: &[State],
    trials: &Path,
    args: &RunStudy,
) -> Result<()> {
    let left = known.iter().filter(|state| **state != State::Measured).count();
    let estimate = match of_measured(plan, measurements, trials, args.workers)? {
        Some(estimate) => estimate,
        None => tried(plan, measurements, args)?,
    };
    let each = estimate.training + estimate.measuring.iter().map(|(_, seconds)| seconds).sum::<f64>();
    let hours = each * left as f64 / estimate.at_a_time / 3600.0;
    let gigabytes = estimate.bytes * left as f64 / 1e9;
    let mut rows = vec![["of a trial", "seconds"].map(str::to_owned).to_vec()];
    rows.push(vec!["training".to_owned(), format!("{:.0}", estimate.training)]);
    rows.extend(estimate.measuring.iter().map(|(name, seconds)| vec![name.clone(), format!("{seconds:.0}")]));
    rows.push(vec!["together".to_owned(), format!("{each:.0}")]);
    if !args.result.json {
        let mut cells = vec![["grid", "cell", "trials"].map(str::to_owned).to_vec()];
        cells.extend(plan.cells.iter().map(|cell| {
            vec![plan.grids[cell.grid].name.clone(), plan.cell_name(cell), cell.trials.len().to_string()]
        }));
        output::table(&cells);
        output::line("");
        output::table(&rows);
        output::line(&format!(
            "{left} of {} trials are left: about {hours:.1} hours on this machine and {gigabytes:.2} GB ({})",
            known.len(),
            estimate.from
        ));
    }
    let budget = plan.budget;
    for (over, what) in [
        (budget.hours > 0.0 && hours > budget.hours, format!("{} hours of its budget", budget.hours)),
        (
            budget.gigabytes > 0.0 && gigabytes > budget.gigabytes,
            format!("{} GB of its budget", budget.gigabytes),
        ),
    ] {
        if over {
            output::note(&format!(
                "warning: that is more than the {what}; it stops there, and goes on when it is started again"
            ));
        }
    }
    let free =
        fs4::available_space(trials.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new(".")))
            .ok();
    if free.is_some_and(|free| (free as f64) < gigabytes * 1e9) {
        output::note(
            "warning: the disk has less room than that: choose another --trials, or checkpoints = \"none\"",
        );
    }
    output::note("dry run: every cell and head fits; nothing was trained but what was tried");
    if args.result.json {
        let seconds: serde_json::Map<String, Value> =
            estimate.measuring.iter().map(|(name, seconds)| (name.clone(), json!(seconds))).collect();
        output::json(&json!({
            "dry_run": true, "study": plan.name, "cells": plan.cells.len(), "trials": known.len(), "left": left,
            "hours": hours, "gigabytes": gigabytes, "training_seconds": estimate.training,
            "measuring_seconds": seconds, "from": estimate.from,
            "least_p": palimpsest_statistics::least_p(plan.seeds.len(), palimpsest_statistics::Sides::Two),
        }));
    }
    Ok(())
}

/// From trials of this study that are measured already.
fn of_measured(
    plan: &Plan,
    measurements: &[Vec<Measurement<'_>>],
    trials: &Path,
    workers: usize,
) -> Result<Option<Estimate>> {
    let (mut training, mut bytes) = (vec![], vec![]);
    let mut measuring: Vec<(String, Vec<f64>)> = vec![];
    for (trial, wanted) in plan.trials.iter().zip(measurements) {
        let folder = TrialFolder::of(trials, &trial.id);
        let Some(seconds) = folder.scores("trained").and_then(|v| v["seconds"].as_f64()) else { continue };
        training.push(seconds);
        bytes.push(crate::report::folder_size(&folder.path("")) as f64);
        for measurement in wanted {
            let name = title(measurement);
            let Some(seconds) = folder.scores(&measurement.key).and_then(|v| v["seconds"].as_f64()) else {
                continue;
            };
            match measuring.iter_mut().find(|(known, _)| *known == name) {
                Some((_, all)) => all.push(seconds),
                None => measuring.push((name, vec![seconds])),
            }
        }
    }
    let wanted = measurements
        .first()
        .map_or(0, |of| of.iter().map(title).collect::<std::collections::BTreeSet<_>>().len());
    if training.is_empty() || measuring.len() < wanted {
        return Ok(None);
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    Ok(Some(Estimate {
        from: format!("from {} trials that are measured, {workers} at a time", training.len()),
        at_a_time: workers as f64,
        training: mean(&training),
        bytes: mean(&bytes),
        measuring: measuring.iter().map(|(name, all)| (name.clone(), mean(all))).collect(),
    }))
}

fn title(measurement: &Measurement<'_>) -> String {
    match measurement.what {
        Measured::Head(head) => head.title().to_owned(),
        Measured::Analysis(_) => "analysis".to_owned(),
    }
}

/// From a trial that is begun in a folder of its own: some steps of training, every head on frozen features, two steps of those
/// that are trained. Other cells take as much more as they have more operations.
fn tried(plan: &Plan, measurements: &[Vec<Measurement<'_>>], args: &RunStudy) -> Result<Estimate> {
    let failed = |e: std::io::Error| Error::failure(format!("no temporary folder: {e}"));
    let temporary = tempfile::tempdir().map_err(failed)?;
    let folder = TrialFolder::of(temporary.path(), "tried");
    let claim = folder.claim()?.ok_or_else(|| Error::failure("a temporary folder is taken"))?;
    let driver = Driver::new(&args.on.backend, &args.on.device().to_string(), 1)?;
    let stop = interrupt::flag()?;
    let log = folder.path("log");
    let run = |arguments: &[String]| -> Result<(f64, Value)> {
        let started = Instant::now();
        match driver.run(arguments, &log, &claim, stop)? {
            Ended::Done(json) => Ok((started.elapsed().as_secs_f64(), json.unwrap_or_default())),
            Ended::Failed(why) => Err(Error::user(why).at("the first trial")),
            Ended::Stopped => Err(Error::interrupted("the dry run was stopped")),
        }
    };
    let Some(first) = plan.trials.first() else { return Err(Error::user("the study has no trials")) };
    output::note("trying the first trial: some steps, and every head");
    let recipe = plan.recipe(first)?;
    let path = folder.path("recipe.toml");
    palimpsest_core::stored::write_atomically(&path, recipe.to_toml().as_bytes())?;
    let [recipe_file, out] = [path.display().to_string(), folder.path("run").display().to_string()];
    let steps = STEPS.to_string();
    let pretrain = ["pretrain", &recipe_file, "--out", &out, "--steps", &steps, "--json"].map(str::to_owned);
    let (all, summary) = run(&pretrain)?;
    let trained = summary["seconds"].as_f64().unwrap_or(all);
    let step = trained / summary["steps"].as_f64().unwrap_or(STEPS as f64).max(1.0);
    let mut measuring = vec![];
    for measurement in measurements.first().into_iter().flatten() {
        let mut arguments = measure::arguments(&folder, measurement)?;
        let dry = matches!(measurement.what, Measured::Head(head) if is_trained(&head.head));
        if dry {
            arguments.push("--dry-run".to_owned());
        }
        let (seconds, told) = run(&arguments)?;
        measuring.push((
            title(measurement),
            if dry { planned_seconds(&told).unwrap_or(seconds) } else { seconds },
        ));
    }
    // How long the cells are beside the first, by their operations.
    let of_first = flops::of_step(&recipe)?;
    let base = (of_first.forward + of_first.backward) as f64;
    let every = plan.cells.len().div_ceil(COUNTED).max(1);
    let mut seconds = vec![];
    for cell in plan.cells.iter().step_by(every) {
        let recipe = plan.recipe(&plan.trials[cell.trials[0]])?;
        let of_cell = flops::of_step(&recipe)?;
        let share = (of_cell.forward + of_cell.backward) as f64 / base;
        seconds.push(step * share * steps_of(&recipe)? as f64);
    }
    let training = seconds.iter().sum::<f64>() / seconds.len() as f64 + (all - trained).max(0.0);
    Ok(Estimate {
        training,
        measuring,
        bytes: crate::report::folder_size(&folder.path("")) as f64,
        // With the cores shared each takes longer, and all of them as long.
        at_a_time: 1.0,
        from: format!("from {} steps and the heads of the first, scaled by operations", summary["steps"]),
    })
}

/// Whether a head is trained with the encoder.
fn is_trained(head: &str) -> bool {
    use palimpsest_core::finetune::{HeadKind, find_head};
    find_head(head, None, &[]).is_ok_and(|(entry, _)| matches!(entry.build, HeadKind::Trained(_)))
}

/// Seconds in the plan of a dry run, wherever it has them.
fn planned_seconds(told: &Value) -> Option<f64> {
    match told {
        Value::Object(map) => {
            match (map.get("seconds").and_then(Value::as_f64), map.get("fits").and_then(Value::as_f64)) {
                (Some(seconds), Some(fits)) => Some(seconds * fits.max(1.0)),
                _ => map.values().find_map(planned_seconds),
            }
        }
        _ => None,
    }
}

/// Steps of a recipe.
fn steps_of(recipe: &palimpsest_core::recipe::Recipe) -> Result<u64> {
    if recipe.train.steps > 0 {
        return Ok(recipe.train.steps as u64);
    }
    let images = RecipeData::open(recipe)?.counts()[0];
    Ok((recipe.train.epochs * (images / recipe.train.batch).max(1) as f64).round() as u64)
}
