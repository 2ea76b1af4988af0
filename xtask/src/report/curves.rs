//! Which metrics get which chart, for one run or several.

use super::chart::{Chart, Curve, Stroke, colour};
use super::load::Run;
use super::scale::Measure;

const MASKED: &str = "tokens/masked";
const NOISED: &str = "tokens/noised";

/// How a metric is shown: its title, the label of its axis, what it measures.
fn look(name: &str) -> (String, String, Measure) {
    let (title, label, measure) = match name {
        "loss" => ("Total loss", "loss", Measure::Number),
        "lr" => ("Learning rate", "learning rate", Measure::Amount),
        "grad_norm" => ("Gradient norm before clipping", "norm", Measure::Number),
        "images_per_second" => ("Throughput", "images/s", Measure::Amount),
        "data_wait" => ("Time spent waiting for data", "share of a step", Measure::Share),
        MASKED => ("Masked tokens", "share of the tokens", Measure::Share),
        NOISED => ("Tokens with noise", "share of the tokens", Measure::Share),
        "attention/cross_mass" => ("Attention between masked and noised tokens", "mass", Measure::Number),
        "attention/row_entropy_gap" => {
            ("Row entropy of masked tokens, below uniform", "gap in nats", Measure::Number)
        }
        other => {
            if let Some(objective) = other.strip_prefix("loss/") {
                return (format!("Loss: {objective}"), "loss".to_owned(), Measure::Number);
            }
            let title = other.replace('/', ": ").replace('_', " ");
            let label = other.rsplit('/').next().unwrap_or(other).replace('_', " ");
            return (title, label, Measure::Number);
        }
    };
    (title.to_owned(), label.to_owned(), measure)
}

/// Metrics that have a place of their own.
fn is_phase(name: &str) -> bool {
    name.starts_with("phase/")
}

/// Names in the order in which they are best read.
fn ordered(mut names: Vec<String>) -> Vec<String> {
    let first = ["lr", "grad_norm"];
    let last = ["images_per_second", "data_wait"];
    names.sort_by_key(|name| {
        let at = |list: &[&str]| list.iter().position(|known| known == name);
        at(&first).or_else(|| at(&last).map(|i| 1000 + i)).unwrap_or(100)
    });
    names
}

/// The losses of one run in one chart.
pub(super) fn losses(run: &Run) -> Chart {
    let total = run.metrics.series("loss");
    let mut curves = vec![Curve {
        name: "total".to_owned(),
        colour: "ink".to_owned(),
        stroke: Stroke::Smoothed,
        series: total.clone(),
    }];
    let named: Vec<String> =
        run.metrics.names().into_iter().filter(|name| name.starts_with("loss/")).collect();
    for (i, name) in named.iter().enumerate() {
        let series = run.metrics.series(name);
        // A single objective of weight 1 is the total.
        if series.points != total.points {
            let name = name.trim_start_matches("loss/").to_owned();
            curves.push(Curve { name, colour: colour(i), stroke: Stroke::Smoothed, series });
        }
    }
    let title =
        if curves.len() > 1 { "Total loss, and each objective before its weight" } else { "Total loss" };
    Chart { title: title.to_owned(), label: "loss".to_owned(), wide: true, curves, ..Chart::default() }
}

/// Everything else that one run logged, a chart each.
pub(super) fn others(run: &Run) -> Vec<Chart> {
    let names = ordered(run.metrics.names());
    let corrupted = names.iter().any(|name| name == MASKED).then(|| corrupted(run));
    let rest = names.into_iter().filter(|name| {
        name != "loss" && !name.starts_with("loss/") && name != MASKED && name != NOISED && !is_phase(name)
    });
    let rest = rest.map(|name| {
        let (title, label, measure) = look(&name);
        let series = run.metrics.series(&name);
        let curves = vec![Curve { name: label.clone(), colour: colour(0), stroke: Stroke::Smoothed, series }];
        Chart { title, label, measure, curves, ..Chart::default() }
    });
    rest.chain(corrupted).collect()
}

/// How much of the images was masked and noised, step by step.
fn corrupted(run: &Run) -> Chart {
    let curve = |(i, (name, metric)): (usize, (&str, &str))| Curve {
        name: name.to_owned(),
        colour: colour(i),
        stroke: Stroke::Smoothed,
        series: run.metrics.series(metric),
    };
    Chart {
        title: "Corrupted tokens".to_owned(),
        label: "share of the tokens".to_owned(),
        measure: Measure::Share,
        curves: [("masked", MASKED), ("with noise", NOISED)].into_iter().enumerate().map(curve).collect(),
        ..Chart::default()
    }
}

/// Each metric of several runs in one chart; the total loss comes first and wide.
pub(super) fn compared(runs: &[Run], names: &[String]) -> Vec<Chart> {
    let mut metrics: Vec<String> = vec!["loss".to_owned()];
    let mut rest: Vec<String> = vec![];
    for name in runs.iter().flat_map(|run| run.metrics.names()).filter(|name| !is_phase(name)) {
        if !metrics.contains(&name) && !rest.contains(&name) {
            rest.push(name);
        }
    }
    let (losses, rest): (Vec<String>, Vec<String>) =
        ordered(rest).into_iter().partition(|name| name.starts_with("loss/"));
    metrics.extend(losses);
    metrics.extend(rest);
    metrics
        .into_iter()
        .map(|metric| {
            let (title, label, measure) = look(&metric);
            let curve = |(i, run): (usize, &Run)| Curve {
                name: names[i].clone(),
                colour: colour(i),
                stroke: if metric == "loss" { Stroke::Smoothed } else { Stroke::Mean },
                series: run.metrics.series(&metric),
            };
            let curves = runs.iter().enumerate().map(curve).filter(|c| !c.series.points.is_empty()).collect();
            Chart { title, label, measure, wide: metric == "loss", curves, ..Chart::default() }
        })
        .collect()
}
