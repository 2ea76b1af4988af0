//! What the heads reached on frozen features.

use super::chart::{Chart, Curve, Stroke, colour};
use super::html::{esc, note, table};
use super::load::{Run, accuracy};
use super::metrics::{Evaluation, Head};
use super::number::{UNKNOWN, count, percent, points, short};
use super::scale::Measure;
use super::series::{Point, Series};

/// The table of a run: each head's accuracy, before and after training.
pub(super) fn of_run(run: &Run) -> String {
    let Some(result) = run.result() else { return note("No evaluation yet.") };
    let head = ["Head", "Pre-trained", "Random initialisation", "Difference", "", "Details"];
    let rows: Vec<Vec<String>> = result
        .pretrained
        .iter()
        .map(|head| {
            let random = result.baseline(&head.name);
            let cell = |value: Option<f64>| value.map_or_else(|| UNKNOWN.to_owned(), |v| percent(v, 2));
            vec![
                esc(title(&head.name)),
                format!("<b>{}</b>", percent(head.accuracy, 2)),
                cell(random),
                random.map_or_else(|| UNKNOWN.to_owned(), |random| points(head.accuracy - random)),
                range(head.accuracy, random),
                format!("<small>{}</small>", esc(details(head))),
            ]
        })
        .collect();
    let mut out = table("results heads", &head.map(str::to_owned), &rows);
    let epoch = if result.epoch.is_finite() {
        format!("After epoch {} (step {})", short(result.epoch, 4), count(result.step))
    } else {
        format!("After step {}", count(result.step))
    };
    out.push_str(&note(&format!(
        "{epoch}. Accuracy on the test split with the encoder frozen; differences in percentage points."
    )));
    if result.random.is_empty() {
        out.push_str(&note("The random initialisation was not evaluated."));
    }
    out
}

/// The table of several runs, side by side.
pub(super) fn of_runs(runs: &[Run], names: &[String]) -> String {
    let results: Vec<Option<Evaluation>> = runs.iter().map(Run::result).collect();
    let mut heads: Vec<&str> = vec![];
    for head in results.iter().flatten().flat_map(|result| &result.pretrained) {
        if !heads.contains(&head.name.as_str()) {
            heads.push(&head.name);
        }
    }
    if heads.is_empty() {
        return note("No run was evaluated yet.");
    }
    let value = |result: &Option<Evaluation>, head: &str| {
        result.as_ref().and_then(|result| accuracy(&result.pretrained, head))
    };
    let rows: Vec<Vec<String>> = heads
        .iter()
        .map(|head| {
            let best = results.iter().filter_map(|result| value(result, head)).fold(f64::NAN, f64::max);
            let cell = |result: &Option<Evaluation>| {
                let Some(accuracy) = value(result, head) else { return UNKNOWN.to_owned() };
                let strong = if accuracy == best { ("<b>", "</b>") } else { ("", "") };
                let random = result.as_ref().and_then(|result| result.baseline(head));
                let against = random.map_or(String::new(), |random| {
                    format!(
                        "<br/><small>random {}, {}</small>",
                        percent(random, 2),
                        points(accuracy - random)
                    )
                });
                format!("{}{}{}{against}", strong.0, percent(accuracy, 2), strong.1)
            };
            std::iter::once(esc(title(head))).chain(results.iter().map(cell)).collect()
        })
        .collect();
    let head: Vec<String> = std::iter::once("Head".to_owned()).chain(names.iter().cloned()).collect();
    let mut out = table("results runs", &head, &rows);
    out.push_str(&note(
        "Accuracy on the test split with the encoder frozen, the best of each row in bold; below it the \
         random initialisation and the difference in percentage points.",
    ));
    out
}

/// Accuracy over the epochs of one run, where it was evaluated more than once.
pub(super) fn over_time(run: &Run) -> Option<Chart> {
    let all = &run.metrics.evaluations;
    if all.len() < 2 {
        return None;
    }
    let result = run.result()?;
    let mut curves = vec![];
    for (i, head) in result.pretrained.iter().enumerate() {
        let series = series(all, &head.name);
        let (first, last) = (*series.points.first()?, *series.points.last()?);
        curves.push(Curve { name: title(&head.name), colour: colour(i), stroke: Stroke::Marked, series });
        if let Some(random) = result.baseline(&head.name) {
            // The random initialisation is the encoder before its first step.
            let epoch = if first.epoch.is_finite() { 0.0 } else { f64::NAN };
            let ends = [Point { step: 0.0, epoch, value: random }, Point { value: random, ..last }];
            curves.push(Curve {
                name: format!("{}, random", title(&head.name)),
                colour: colour(i),
                stroke: Stroke::Dashed,
                series: Series { points: ends.into() },
            });
        }
    }
    Some(Chart {
        title: "Accuracy on frozen features".to_owned(),
        label: "accuracy".to_owned(),
        measure: Measure::Share,
        wide: true,
        across: None,
        names: vec![],
        curves,
    })
}

/// Accuracy of a head over the epochs of several runs.
pub(super) fn compared(runs: &[Run], names: &[String]) -> Vec<Chart> {
    let mut heads: Vec<&str> = vec![];
    let evaluations = || runs.iter().flat_map(|run| &run.metrics.evaluations);
    for head in evaluations().flat_map(|evaluation| &evaluation.pretrained) {
        if !heads.contains(&head.name.as_str()) {
            heads.push(&head.name);
        }
    }
    if !runs.iter().any(|run| run.metrics.evaluations.len() > 1) {
        return vec![];
    }
    heads
        .into_iter()
        .map(|head| Chart {
            title: format!("Accuracy on frozen features: {}", title(head)),
            label: "accuracy".to_owned(),
            measure: Measure::Share,
            wide: false,
            across: None,
            names: vec![],
            curves: runs
                .iter()
                .enumerate()
                .map(|(i, run)| Curve {
                    name: names[i].clone(),
                    colour: colour(i),
                    stroke: Stroke::Marked,
                    series: series(&run.metrics.evaluations, head),
                })
                .filter(|curve| !curve.series.points.is_empty())
                .collect(),
        })
        .collect()
}

fn series(evaluations: &[Evaluation], head: &str) -> Series {
    let point = |evaluation: &Evaluation| {
        let value = accuracy(&evaluation.pretrained, head)?;
        Some(Point { step: evaluation.step as f64, epoch: evaluation.epoch, value })
    };
    Series { points: evaluations.iter().filter_map(point).collect() }
}

fn title(head: &str) -> String {
    match head {
        "knn" => "k-NN".to_owned(),
        "linear" => "Linear".to_owned(),
        other => other.to_owned(),
    }
}

fn details(head: &Head) -> String {
    head.rest.join(", ")
}

/// From the random initialisation (hollow) to the pre-trained encoder (filled), on 0 to 100 %.
fn range(pretrained: f64, random: Option<f64>) -> String {
    const WIDTH: f64 = 200.0;
    let at = |share: f64| 6.0 + share.clamp(0.0, 1.0) * (WIDTH - 12.0);
    let mut marks = String::new();
    if let Some(random) = random {
        marks = format!(
            "<line class=\"span\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"9\" y2=\"9\"/>\
             <circle class=\"hollow\" cx=\"{:.1}\" cy=\"9\" r=\"4\"/>",
            at(random),
            at(pretrained),
            at(random)
        );
    }
    if pretrained.is_finite() {
        marks.push_str(&format!("<circle class=\"full\" cx=\"{:.1}\" cy=\"9\" r=\"4.5\"/>", at(pretrained)));
    } else {
        marks.clear();
    }
    let random = random.map_or(String::new(), |random| format!("random {}, ", percent(random, 2)));
    format!(
        "<svg class=\"range\" viewBox=\"0 0 {WIDTH} 18\" width=\"{WIDTH}\" height=\"18\" role=\"img\">\
         <title>{random}pre-trained {} on a scale from 0 to 100 %</title>\
         <line class=\"axis\" x1=\"6\" x2=\"{}\" y1=\"9\" y2=\"9\"/>{marks}</svg>",
        percent(pretrained, 2),
        WIDTH - 6.0
    )
}
