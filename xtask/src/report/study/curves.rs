//! How trials went: loss and accuracy over training, and spectra of features, each the mean over seeds.

use std::collections::BTreeMap;

use palimpsest_core::train::RunFolder;
use palimpsest_study::plan::{Cell, Measured};
use palimpsest_study::trial::TrialFolder;
use serde_json::Value;

use super::StudyPage;
use crate::report::chart::{Chart, Curve, Stroke, colour};
use crate::report::html::{esc, note};
use crate::report::load::{Run, accuracy};
use crate::report::scale::Measure;
use crate::report::series::{Point, Series};

/// Curves of a chart: more can't be told apart.
const CURVES: usize = 8;

/// Loss, and what was measured on the way, of each grid's cells.
pub(super) fn training(page: &StudyPage<'_>) -> String {
    charts(
        page,
        |cell| {
            let runs = runs(page, cell);
            let mut curves = vec![(
                "Total loss".to_owned(),
                Measure::Number,
                mean(runs.iter().map(|run| run.metrics.series("loss"))),
            )];
            let mut heads: Vec<String> = vec![];
            for head in runs
                .iter()
                .flat_map(|run| &run.metrics.evaluations)
                .flat_map(|evaluation| &evaluation.pretrained)
            {
                if !heads.contains(&head.name) {
                    heads.push(head.name.clone());
                }
            }
            for head in heads {
                let of_run = |run: &Run| {
                    let point = |evaluation: &crate::report::metrics::Evaluation| {
                        let value = accuracy(&evaluation.pretrained, &head)?;
                        Some(Point { step: evaluation.step as f64, epoch: evaluation.epoch, value })
                    };
                    Series { points: run.metrics.evaluations.iter().filter_map(point).collect() }
                };
                curves.push((
                    format!("Accuracy on frozen features: {head}"),
                    Measure::Share,
                    mean(runs.iter().map(of_run)),
                ));
            }
            curves
        },
        None,
    )
}

/// The radial spectrum of features, of each grid's cells.
pub(super) fn spectra(page: &StudyPage<'_>) -> String {
    let told = note(
        "Log amplitude of the features' Fourier transform against frequency, relative to that of frequency 0 (Park and Kim 2022), at the blocks that are measured.",
    );
    told + &charts(
        page,
        |cell| {
            let all = cell.trials.iter().filter_map(|&trial| spectrum(page, cell, trial));
            vec![("Relative log amplitude".to_owned(), Measure::Number, mean(all))]
        },
        Some("frequency"),
    )
}

fn spectrum(page: &StudyPage<'_>, cell: &Cell, trial: usize) -> Option<Series> {
    let measurement =
        page.plan.measurements(cell).into_iter().find(|m| matches!(m.what, Measured::Analysis(_)))?;
    let file = TrialFolder::of(page.trials, &page.plan.trials[trial].id).scores(&measurement.key)?;
    let stages = file["encoders"][0]["stages"].as_array()?;
    let stage = if cell.eval.blocks == 0 { stages.last()? } else { stages.get(cell.eval.blocks)? };
    let point = |value: &Value| {
        let frequency = value["frequency"].as_f64()?;
        Some(Point { step: frequency, epoch: f64::NAN, value: value["relative_log_amplitude"].as_f64()? })
    };
    Some(Series { points: stage["radial"].as_array()?.iter().filter_map(point).collect() })
}

type Named = (String, Measure, Series);

/// A chart for each grid and kind of curve.
fn charts(
    page: &StudyPage<'_>,
    of_cell: impl Fn(&Cell) -> Vec<Named>,
    across: Option<&'static str>,
) -> String {
    let mut out = String::new();
    let mut left_out = 0;
    for (number, grid) in page.plan.grids.iter().enumerate() {
        let mut charts: Vec<Chart> = vec![];
        let cells: Vec<&Cell> = page.plan.cells.iter().filter(|cell| cell.grid == number).collect();
        left_out += cells.len().saturating_sub(CURVES);
        for (i, cell) in cells.iter().take(CURVES).enumerate() {
            for (title, measure, series) in of_cell(cell) {
                if series.points.is_empty() {
                    continue;
                }
                let stroke = if title == "Total loss" { Stroke::Mean } else { Stroke::Marked };
                let name = cell.levels.values().cloned().collect::<Vec<_>>().join(", ");
                let curve = Curve { name, colour: colour(i), stroke, series };
                match charts.iter_mut().find(|chart| chart.title == title) {
                    Some(chart) => chart.curves.push(curve),
                    None => charts.push(Chart {
                        label: title.clone(),
                        title,
                        measure,
                        across,
                        curves: vec![curve],
                        ..Chart::default()
                    }),
                }
            }
        }
        if !charts.is_empty() {
            if !grid.name.is_empty() {
                out.push_str(&format!("<h3>{}</h3>\n", esc(&grid.name)));
            }
            let figures: String = charts.iter().map(Chart::figure).collect();
            out.push_str(&format!("<div class=\"charts\">\n{figures}</div>\n"));
        }
    }
    if out.is_empty() {
        return note("Nothing is logged yet.");
    }
    if left_out > 0 {
        out.push_str(&note(&format!(
            "The first {CURVES} cells of each grid; {left_out} further ones are left out."
        )));
    }
    out
}

fn runs(page: &StudyPage<'_>, cell: &Cell) -> Vec<Run> {
    let open = |&trial: &usize| {
        RunFolder::open(&TrialFolder::of(page.trials, &page.plan.trials[trial].id).path("run")).ok()
    };
    cell.trials.iter().filter_map(open).map(|folder| Run::read(&folder)).collect()
}

/// The mean of series, step by step, over those that have the step.
fn mean(all: impl IntoIterator<Item = Series>) -> Series {
    // Steps and frequencies have few digits: thousandths tell them apart.
    let mut by_step: BTreeMap<i64, (Point, f64, f64)> = BTreeMap::new();
    for point in all.into_iter().flat_map(|series| series.points) {
        if point.value.is_finite() {
            let entry = by_step.entry((point.step * 1000.0).round() as i64).or_insert((point, 0.0, 0.0));
            entry.1 += point.value;
            entry.2 += 1.0;
        }
    }
    let points = by_step.into_values().map(|(point, sum, n)| Point { value: sum / n, ..point });
    Series { points: points.collect() }
}
