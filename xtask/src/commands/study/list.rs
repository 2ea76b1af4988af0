//! `study list`: the cells of a study, and how far each is.

use std::path::Path;

use palimpsest_core::Result;
use palimpsest_study::archive::Found;
use palimpsest_study::plan::{Measurement, Plan};
use palimpsest_study::trial::TrialFolder;
use serde::Serialize;
use serde_json::json;

use super::trials_of;
use crate::cli::ListStudy;
use crate::output;

/// How far a trial is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// All is there.
    Measured,
    /// It failed, and is not begun again unasked.
    Failed,
    /// A process works on it.
    Working,
    /// Some of it is there.
    Begun,
    /// Nothing is there.
    New,
}

/// The state of each trial of a plan.
pub(super) fn states(plan: &Plan, measurements: &[Vec<Measurement<'_>>], trials: &Path) -> Vec<State> {
    plan.trials
        .iter()
        .zip(measurements)
        .map(|(trial, wanted)| {
            let folder = TrialFolder::of(trials, &trial.id);
            if !folder.path("").is_dir() {
                State::New
            } else if folder.is_trained() && wanted.iter().all(|m| folder.is_measured(&m.key)) {
                State::Measured
            } else if folder.is_claimed() {
                State::Working
            } else if folder.failed().is_some() {
                State::Failed
            } else {
                State::Begun
            }
        })
        .collect()
}

pub(super) fn run(args: &ListStudy) -> Result<()> {
    let plan = Plan::read(&args.study)?;
    let trials = trials_of(&args.study, args.trials.as_ref(), Some(&plan));
    let measurements = plan.measurements_by_trial();
    let mut states = states(&plan, &measurements, &trials);
    // Scores that are kept without their runs count as well.
    let found = Found::of(&trials, &args.study)?;
    for ((trial, wanted), state) in plan.trials.iter().zip(&measurements).zip(&mut states) {
        let kept = || wanted.iter().all(|m| found.scores(&trial.id, &m.key).is_some());
        if *state == State::New && found.summary(&trial.id).is_some() && kept() {
            *state = State::Measured;
        }
    }
    if args.failed {
        return failed(&plan, &states, &trials, args.result.json);
    }
    let of_cell = |cell: &palimpsest_study::plan::Cell, wanted: State| {
        cell.trials.iter().filter(|&&trial| states[trial] == wanted).count()
    };
    let shown = [State::Measured, State::Working, State::Begun, State::Failed];
    if args.result.json {
        let cells: Vec<_> = plan
            .cells
            .iter()
            .map(|cell| {
                let folders: Vec<String> = cell
                    .trials
                    .iter()
                    .map(|&t| trials.join(&plan.trials[t].id).display().to_string())
                    .collect();
                json!({
                    "grid": plan.grids[cell.grid].name, "levels": cell.levels, "trials": folders,
                    "measurements": plan.measurements(cell).iter().map(|m| m.key.clone()).collect::<Vec<_>>(),
                    "states": cell.trials.iter().map(|&t| states[t]).collect::<Vec<_>>(),
                })
            })
            .collect();
        output::json(&json!({ "study": plan.name, "cells": cells }));
        return Ok(());
    }
    let titles = ["grid", "cell", "trials", "measured", "working", "begun", "failed"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    for cell in &plan.cells {
        let mut row =
            vec![plan.grids[cell.grid].name.clone(), plan.cell_name(cell), cell.trials.len().to_string()];
        row.extend(shown.map(|state| of_cell(cell, state).to_string()));
        rows.push(row);
    }
    output::table(&rows);
    Ok(())
}

fn failed(plan: &Plan, states: &[State], trials: &Path, as_json: bool) -> Result<()> {
    let failed = plan.trials.iter().zip(states).filter(|(_, state)| **state == State::Failed);
    let mut found = vec![];
    for (trial, _) in failed {
        let folder = TrialFolder::of(trials, &trial.id);
        let Some(failed) = folder.failed() else { continue };
        found.push(json!({
            "cell": plan.cell_name(&plan.cells[trial.cell]), "seed": trial.seed, "during": failed.during,
            "why": failed.why, "log": folder.path("log").display().to_string(),
        }));
    }
    if as_json {
        output::json(&found);
        return Ok(());
    }
    if found.is_empty() {
        output::note("no trial has failed");
    }
    for one in found {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        output::line(&format!(
            "{}, seed {}, {}: {}; log {}",
            text("cell"),
            one["seed"],
            text("during"),
            text("why"),
            text("log")
        ));
    }
    Ok(())
}
