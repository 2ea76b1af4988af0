//! The page of a comparison of backends.

use palimpsest_core::recipe::Recipe;

use super::chart::{Chart, Curve, Stroke, colour};
use super::html::{details, esc, note, page, section, table};
use super::scale::Measure;
use super::series::{Point, Series};
use crate::comparison::figures::{EXPLANATION, Figures, differences, overview, summary};
use crate::comparison::verdict::verdict;
use crate::comparison::{Comparison, Outcome, Step};

/// The whole page.
pub(super) fn report(comparison: &Comparison) -> String {
    let Comparison { recipe, environment, outcomes, .. } = comparison;
    let title =
        format!("Comparison of {}", outcomes.iter().map(|o| o.name.as_str()).collect::<Vec<_>>().join(", "));
    let mut body = format!(
        "<header>\n<p class=\"eyebrow\">Palimpsest backends</p>\n<h1>{}</h1>\n<p class=\"title\">{}</p>\n<p class=\"verdict\">{}</p>\n</header>\n",
        esc(&title),
        esc(comparison.subject()),
        esc(verdict(comparison))
    );
    let mut rows = overview(comparison);
    let heads: Vec<String> = rows.remove(0).iter().map(esc).collect();
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .enumerate()
        .map(|(i, row)| {
            let mut cells: Vec<String> = row.iter().map(esc).collect();
            cells[0] = format!("<span class=\"key {}\">{}</span>", colour(i), cells[0]);
            cells
        })
        .collect();
    body.push_str(&section("Figures", &(table("results", &heads, &rows) + &note(EXPLANATION))));
    body.push_str(&section("Agreement", &(losses(outcomes).figure() + &gaps(outcomes).figure())));
    body.push_str(&section("Speed", &(times(outcomes, recipe).figure() + &split(comparison))));
    let told: Vec<Vec<String>> = outcomes.iter().map(|o| vec![esc(&o.name), esc(&o.description)]).collect();
    let heads = ["candidate", "what it is"].map(str::to_owned);
    body.push_str(&section("Candidates", &table("plain", &heads, &told)));
    body.push_str(&details("Environment", &format!("<pre>{}</pre>\n", esc(format!("{environment:#}")))));
    body.push_str(&details("Recipe", &format!("<pre>{}</pre>\n", esc(recipe.to_toml()))));
    page(&title, &body)
}

fn series(outcome: &Outcome, value: impl Fn(usize) -> f64) -> Series {
    let point = |(i, step): (usize, &Step)| Point {
        step: step.step as f64,
        // So that the axis counts steps.
        epoch: f64::NAN,
        value: value(i),
    };
    Series { points: outcome.steps.iter().enumerate().map(point).collect() }
}

fn chart(
    title: &str,
    label: &str,
    measure: Measure,
    stroke: Stroke,
    curves: Vec<(usize, &str, Series)>,
) -> Chart {
    let curves = curves
        .into_iter()
        .map(|(i, name, series)| Curve { name: name.to_owned(), colour: colour(i), stroke, series })
        .collect();
    Chart {
        title: title.to_owned(),
        label: label.to_owned(),
        measure,
        wide: true,
        curves,
        ..Chart::default()
    }
}

fn losses(outcomes: &[Outcome]) -> Chart {
    let curves = outcomes.iter().enumerate();
    let curves = curves.map(|(i, o)| (i, o.name.as_str(), series(o, |s| o.steps[s].loss))).collect();
    chart("Loss by step", "loss", Measure::Number, Stroke::Dashed, curves)
}

fn gaps(outcomes: &[Outcome]) -> Chart {
    let Some((first, others)) = outcomes.split_first() else {
        return chart("", "", Measure::Number, Stroke::Marked, vec![]);
    };
    let curve = |o: &Outcome| {
        let gaps = differences(first, o);
        // A logarithm has no zero: equal bits are drawn at the least gap that f32 can show.
        series(o, |s| gaps.get(s).map_or(f64::NAN, |gap| gap.max(1e-9)))
    };
    let curves = others.iter().enumerate().map(|(i, o)| (i + 1, o.name.as_str(), curve(o))).collect();
    let title = format!("Relative difference of the loss from {}", first.name);
    chart(&title, "difference; 1e-9 stands for none", Measure::Number, Stroke::Dashed, curves)
}

fn times(outcomes: &[Outcome], recipe: &Recipe) -> Chart {
    let batch = recipe.train.batch as f64;
    let curves = outcomes.iter().enumerate();
    let curves = curves
        .map(|(i, o)| (i, o.name.as_str(), series(o, |s| batch / o.steps[s].phases.computing())))
        .collect();
    chart("Images per second by step", "images/s", Measure::Amount, Stroke::Smoothed, curves)
}

/// A part of a step, and its milliseconds.
type Part = (&'static str, fn(&Figures) -> f64);

/// The median step of each, split.
fn split(comparison: &Comparison) -> String {
    let figures = summary(comparison);
    let most = figures.iter().map(|f| f.step_ms + f.preparing_ms).fold(f64::MIN_POSITIVE, f64::max);
    let between: fn(&Figures) -> f64 = |f| f.staging_ms.unwrap_or(0.0) + f.sums_ms.unwrap_or(0.0);
    let mut parts: Vec<Part> = vec![
        ("preparing", |f| f.preparing_ms),
        ("forward", |f| f.forward_ms),
        ("backward", |f| f.backward_ms),
        ("optimiser", |f| f.optimiser_ms),
    ];
    if figures.iter().any(|f| between(f) > 0.0) {
        parts.insert(3, ("between processes", between));
    }
    let mut heads = vec![String::new()];
    heads.extend(parts.iter().map(|(name, _)| format!("{name} ms")));
    heads.push("of the slowest".to_owned());
    let rows = figures.iter().map(|f| {
        let values: Vec<f64> = parts.iter().map(|(_, pick)| pick(f)).collect();
        let mut row = vec![esc(&f.name)];
        row.extend(values.iter().map(|v| format!("{v:.1}")));
        row.push(format!("{:.0} %", 100.0 * values.iter().sum::<f64>() / most));
        row
    });
    table("results", &heads, &rows.collect::<Vec<_>>())
}
