//! Invisible columns over a chart: the one under the pointer shows its points and their values.

use std::fmt::Write;

use super::chart::Chart;
use super::html::esc;
use super::number::{count, short};
use super::plot::{Plot, TOP};
use super::series::{Point, Series};

/// Most columns of a chart.
const COLUMNS: usize = 120;

/// A column's point for each curve, by its index in the series.
type Row = Vec<Option<usize>>;

/// Draws them.
pub(super) fn draw(chart: &Chart, plot: &Plot, shown: &[Series], out: &mut String) {
    let (w, h) = plot.inner();
    let rows = rows(plot, shown);
    let at = |(point, _): &(Point, Row)| plot.left + plot.x.position(plot.along(point)) * w;
    for (k, (point, row)) in rows.iter().enumerate() {
        let x = at(&rows[k]);
        let left = if k == 0 { plot.left } else { (at(&rows[k - 1]) + x) / 2.0 };
        let right = rows.get(k + 1).map_or(plot.left + w, |next| (x + at(next)) / 2.0);
        let (title, dots) = values(chart, plot, shown, (point, row));
        let _ = writeln!(
            out,
            "<g class=\"hit\"><title>{}</title>\
             <rect x=\"{left:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{h:.0}\"/>\
             <line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.0}\"/>{dots}</g>",
            esc(title),
            (right - left).max(0.0),
            TOP + h
        );
    }
}

/// The last point of every curve in each column that has any.
fn rows(plot: &Plot, shown: &[Series]) -> Vec<(Point, Row)> {
    let number = COLUMNS.min(shown.iter().map(|s| s.points.len()).max().unwrap_or(0));
    let mut found: Vec<Row> = vec![vec![None; shown.len()]; number];
    for (c, series) in shown.iter().enumerate() {
        for (i, point) in series.points.iter().enumerate() {
            if plot.place(point).is_some() {
                let share = plot.x.position(plot.along(point));
                found[((share * number as f64) as usize).min(number - 1)][c] = Some(i);
            }
        }
    }
    let first = |row: &Row| row.iter().enumerate().find_map(|(c, i)| i.map(|i| shown[c].points[i]));
    found.into_iter().filter_map(|row| Some((first(&row)?, row))).collect()
}

/// The text of a column and the dots on its curves.
fn values(chart: &Chart, plot: &Plot, shown: &[Series], (point, row): (&Point, &Row)) -> (String, String) {
    let named = (point.step.fract() == 0.0).then(|| chart.names.get(point.step as usize)).flatten();
    let mut title = match chart.across {
        _ if named.is_some() => named.cloned().unwrap_or_default(),
        Some(across) => format!("{across} {}", short(point.step, 4)),
        None => format!("step {}", count(point.step as u64)),
    };
    if point.epoch.is_finite() {
        title = format!("epoch {}, {title}", short(point.epoch, 4));
    }
    let mut dots = String::new();
    for (c, i) in row.iter().enumerate().filter_map(|(c, i)| i.map(|i| (c, i))) {
        let (curve, mean) = (&chart.curves[c], &shown[c].points[i]);
        let raw = curve.series.points[i].value;
        let _ = write!(title, "\n{}: {}", curve.name, chart.value(mean.value));
        if raw != mean.value {
            let _ = write!(title, " (raw {})", chart.value(raw));
        }
        if let Some((x, y)) = plot.place(mean) {
            let (x, y) = (plot.left + x, TOP + y);
            let _ =
                write!(dots, "<circle class=\"{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>", curve.colour);
        }
    }
    (title, dots)
}
