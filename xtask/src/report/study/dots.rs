//! Every score as a dot, with mean and interval: a row a level, a plot a measure.

use std::fmt::Write;

use palimpsest_study::summary::Range;

use super::StudyPage;
use crate::report::html::{esc, note};
use crate::report::scale::{Measure, Scale};

/// A row of the plot.
struct Row {
    name: String,
    scores: Vec<f64>,
    centre: f64,
    interval: Option<Range>,
}

const WIDTH: f64 = 460.0;
const ROW: f64 = 24.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 18.0;
/// Rows of a plot at most.
const MOST: usize = 60;
/// Letters of a level's name that have room.
const LETTERS: usize = 20;

/// The plots of every axis.
pub(super) fn axes(page: &StudyPage<'_>) -> String {
    let mut out = note(
        "Each dot is a seed of a cell; the bar is the interquartile mean of all of a level's, the line its 95 % interval by a bootstrap within cells.",
    );
    let mut drawn = false;
    for (number, grid) in page.plan.grids.iter().enumerate() {
        for (axis, _) in &grid.axes {
            let title = if grid.name.is_empty() { axis.clone() } else { format!("{}: {axis}", grid.name) };
            let plots: Vec<String> = (0..page.results.measures.len())
                .filter_map(|measure| plot(page, number, axis, measure))
                .collect();
            if plots.is_empty() {
                continue;
            }
            drawn = true;
            let _ = writeln!(
                out,
                "<h3>{}</h3>\n<div class=\"charts dots\">\n{}</div>",
                esc(title),
                plots.concat()
            );
        }
    }
    if drawn { out } else { note("Nothing is varied, or nothing is measured yet.") }
}

fn plot(page: &StudyPage<'_>, grid: usize, axis: &str, measure: usize) -> Option<String> {
    let levels = page
        .results
        .levels
        .iter()
        .filter(|row| row.grid == grid && row.axis == axis && row.measure == measure);
    let rows: Vec<Row> = levels
        .take(MOST)
        .map(|row| Row {
            name: row.level.clone(),
            scores: row.scores.clone(),
            centre: row.interquartile_mean,
            interval: row.interval,
        })
        .collect();
    let share = page.is_share(measure);
    let svg = drawing(&rows, share, &page.results.measures[measure])?;
    Some(format!(
        "<figure class=\"chart\">\n<figcaption><b>{}</b></figcaption>\n{svg}</figure>\n",
        esc(&page.results.measures[measure])
    ))
}

/// Dots spread over the axis' own range, not from zero: differences are what is looked at.
fn drawing(rows: &[Row], share: bool, name: &str) -> Option<String> {
    let values = rows.iter().flat_map(|row| {
        row.scores.iter().copied().chain(row.interval.iter().flat_map(|range| [range.low, range.high]))
    });
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    if rows.is_empty() || low > high {
        return None;
    }
    let room = 0.06 * (high - low).max(1e-9);
    let measure = if share { Measure::Share } else { Measure::Number };
    let scale = Scale::between(low - room, high + room, measure);
    let x = |value: f64| LEFT + scale.position(value) * (WIDTH - LEFT - RIGHT);
    let height = rows.len() as f64 * ROW + 28.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\"><title>{} by level, with a dot for each seed</title>\n",
        esc(name)
    );
    let bottom = rows.len() as f64 * ROW + 4.0;
    for (value, label) in scale.ticks(4) {
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{bottom}\"/><text class=\"middle\" x=\"{0:.1}\" y=\"{1}\">{2}</text>",
            x(value),
            bottom + 16.0,
            esc(label)
        );
    }
    for (i, row) in rows.iter().enumerate() {
        let y = i as f64 * ROW + ROW / 2.0;
        let _ = write!(
            svg,
            "<g><title>{}</title><text class=\"name end\" x=\"{}\" y=\"{}\">{}</text>",
            esc(&row.name),
            LEFT - 10.0,
            y + 4.0,
            esc(shortened(&row.name))
        );
        for score in &row.scores {
            let _ = write!(svg, "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{y}\" r=\"3\"/>", x(*score));
        }
        if let Some(range) = row.interval {
            let _ = write!(
                svg,
                "<line class=\"span\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y}\" y2=\"{y}\"/>",
                x(range.low),
                x(range.high)
            );
        }
        let _ = writeln!(
            svg,
            "<line class=\"centre\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1}\" y2=\"{2}\"/></g>",
            x(row.centre),
            y - 7.0,
            y + 7.0
        );
    }
    Some(svg + "</svg>\n")
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    name.chars().take(LETTERS - 1).chain(['…']).collect()
}
