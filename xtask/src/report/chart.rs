//! Line charts as inline SVG.

use std::fmt::Write;

use super::html::{esc, note};
use super::number::{count, percent, short, significant};
use super::scale::{Measure, Scale};
use super::series::{Point, Series};

/// A chart of one or more curves.
pub(super) struct Chart {
    pub(super) title: String,
    /// What the values are, beside the axis.
    pub(super) label: String,
    pub(super) measure: Measure,
    pub(super) wide: bool,
    pub(super) curves: Vec<Curve>,
}

/// A curve of a chart.
pub(super) struct Curve {
    pub(super) name: String,
    /// A class of the style sheet: `ink`, or `s0` to `s7`.
    pub(super) colour: String,
    pub(super) stroke: Stroke,
    pub(super) series: Series,
}

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stroke {
    /// The running mean over a faint line of the raw values.
    Smoothed,
    /// Few measurements, each with its mark.
    Marked,
    /// A dashed line to compare with.
    Dashed,
}

/// The colour class of the `i`-th curve.
pub(super) fn colour(i: usize) -> String {
    format!("s{}", i % 8)
}

const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 38.0;

/// Most columns that show their values under the pointer.
const COLUMNS: usize = 120;

/// Where things lie.
struct Plot {
    width: f64,
    height: f64,
    x: Scale,
    y: Scale,
    by_epoch: bool,
}

impl Plot {
    fn inner_width(&self) -> f64 {
        self.width - LEFT - RIGHT
    }

    fn inner_height(&self) -> f64 {
        self.height - TOP - BOTTOM
    }

    fn along(&self, point: &Point) -> f64 {
        if self.by_epoch { point.epoch } else { point.step }
    }

    /// Within the plot's own coordinates.
    fn place(&self, point: &Point) -> Option<(f64, f64)> {
        let x = self.x.position(self.along(point)) * self.inner_width();
        let y = (1.0 - self.y.position(point.value)) * self.inner_height();
        (x.is_finite() && y.is_finite() && point.value.is_finite()).then(|| (x, y.clamp(-1e4, 1e4)))
    }
}

impl Chart {
    /// The chart with its title and legend.
    pub(super) fn figure(&self) -> String {
        let class = if self.wide { "chart wide" } else { "chart" };
        let mut out = format!("<figure class=\"{class}\">\n<figcaption><b>{}</b>", esc(&self.title));
        if self.curves.len() > 1 {
            out.push_str("<span class=\"legend\">");
            for curve in &self.curves {
                let dash = if curve.stroke == Stroke::Dashed { " dashed" } else { "" };
                let last = curve.series.last().map(|v| format!(" <i>{}</i>", self.value(v)));
                let _ = write!(
                    out,
                    "<span class=\"key {}{dash}\">{}{}</span>",
                    curve.colour,
                    esc(&curve.name),
                    last.unwrap_or_default()
                );
            }
            out.push_str("</span>");
        } else if let Some(last) = self.curves.first().and_then(|curve| curve.series.last()) {
            let _ = write!(
                out,
                "<span class=\"legend\"><span class=\"key-end\">at the end <i>{}</i></span></span>",
                self.value(last)
            );
        }
        out.push_str("</figcaption>\n");
        match self.plot() {
            Some(plot) => out.push_str(&self.drawing(&plot)),
            None => out.push_str(&note("No finite values yet.")),
        }
        let broken: usize = self.curves.iter().map(|curve| curve.series.broken()).sum();
        if broken > 0 {
            let plural = if broken == 1 { "value is" } else { "values are" };
            out.push_str(&note(&format!("{broken} {plural} not finite and left out.")));
        }
        out.push_str("</figure>\n");
        out
    }

    fn value(&self, value: f64) -> String {
        if self.measure == Measure::Share { percent(value, 1) } else { significant(value, 4) }
    }

    fn plot(&self) -> Option<Plot> {
        let points = || self.curves.iter().flat_map(|curve| &curve.series.points);
        let by_epoch = points().all(|p| p.epoch.is_finite()) && points().any(|p| p.epoch >= 1.0);
        let x = Scale::along(points().map(|p| if by_epoch { p.epoch } else { p.step }))?;
        let mut values: Vec<f64> = vec![];
        for curve in &self.curves {
            values.extend(curve.series.smoothed().points.iter().map(|p| p.value));
            values.extend(bulk(&curve.series));
        }
        let y = Scale::fit(values, self.measure)?;
        let (width, height) = if self.wide { (1032.0, 330.0) } else { (504.0, 232.0) };
        Some(Plot { width, height, x, y, by_epoch })
    }

    fn drawing(&self, plot: &Plot) -> String {
        let (w, h) = (plot.inner_width(), plot.inner_height());
        let mut out = format!(
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
            plot.width,
            plot.height,
            esc(&self.title)
        );
        self.axes(plot, &mut out);
        // A nested drawing clips what leaves the axes.
        let _ = writeln!(out, "<svg x=\"{LEFT}\" y=\"{TOP}\" width=\"{w:.0}\" height=\"{h:.0}\">");
        for curve in self.curves.iter().filter(|curve| curve.stroke == Stroke::Smoothed) {
            let smooth = curve.series.smoothed();
            if smooth.points != curve.series.points {
                let limit = if self.wide { 1200 } else { 500 };
                line(plot, &curve.series.thinned(limit), &format!("raw {}", curve.colour), &mut out);
            }
        }
        for curve in &self.curves {
            let smooth = curve.series.smoothed().sampled(400);
            let dashed = if curve.stroke == Stroke::Dashed { " dashed" } else { "" };
            line(plot, &smooth, &format!("line {}{dashed}", curve.colour), &mut out);
            if curve.stroke == Stroke::Marked || curve.series.points.len() <= 2 {
                for (x, y) in curve.series.points.iter().filter_map(|p| plot.place(p)) {
                    let _ = writeln!(
                        out,
                        "<circle class=\"mark {}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>",
                        curve.colour
                    );
                }
            }
        }
        out.push_str("</svg>\n");
        self.columns(plot, &mut out);
        out.push_str("</svg>\n");
        out
    }

    fn axes(&self, plot: &Plot, out: &mut String) {
        let (w, h) = (plot.inner_width(), plot.inner_height());
        let (right, bottom) = (LEFT + w, TOP + h);
        for (value, label) in plot.y.ticks(if self.wide { 6 } else { 4 }) {
            let y = TOP + (1.0 - plot.y.position(value)) * h;
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick end\" x=\"{:.0}\" y=\"{:.1}\">{}</text>",
                LEFT - 7.0,
                y + 3.5,
                esc(label)
            );
        }
        for (value, label) in plot.x.ticks(if self.wide { 10 } else { 5 }) {
            let x = LEFT + plot.x.position(value) * w;
            let _ = writeln!(
                out,
                "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom:.0}\" y2=\"{:.0}\"/>\
                 <text class=\"tick middle\" x=\"{x:.1}\" y=\"{:.0}\">{}</text>",
                bottom + 4.0,
                bottom + 16.0,
                esc(label)
            );
        }
        let log = if plot.y.is_log() { " (log)" } else { "" };
        let _ = writeln!(
            out,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{right:.0}\" y1=\"{bottom:.0}\" y2=\"{bottom:.0}\"/>\
             <text class=\"name end\" x=\"{right:.0}\" y=\"{:.0}\">{}</text>\
             <text class=\"name middle\" transform=\"translate(11 {:.0}) rotate(-90)\">{}{log}</text>",
            bottom + 32.0,
            if plot.by_epoch { "epoch" } else { "step" },
            TOP + h / 2.0,
            esc(&self.label)
        );
    }

    /// Invisible columns: the one under the pointer shows a line, the points and their values.
    fn columns(&self, plot: &Plot, out: &mut String) {
        let smooth: Vec<Series> = self.curves.iter().map(|curve| curve.series.smoothed()).collect();
        let number = COLUMNS.min(smooth.iter().map(|s| s.points.len()).max().unwrap_or(0));
        let (w, h) = (plot.inner_width(), plot.inner_height());
        let column = |point: &Point| {
            let share = plot.x.position(plot.along(point));
            ((share * number as f64) as usize).min(number.saturating_sub(1))
        };
        // For every column and curve the last point in it.
        let mut found = vec![vec![None; self.curves.len()]; number];
        for (c, series) in smooth.iter().enumerate() {
            for (i, point) in series.points.iter().enumerate() {
                if plot.place(point).is_some() {
                    found[column(point)][c] = Some(i);
                }
            }
        }
        let filled: Vec<(Point, &Vec<Option<usize>>)> = found
            .iter()
            .filter_map(|row| {
                let first = row.iter().enumerate().find_map(|(c, i)| i.map(|i| smooth[c].points[i]));
                first.map(|point| (point, row))
            })
            .collect();
        let xs: Vec<f64> = filled.iter().map(|(p, _)| plot.x.position(plot.along(p)) * w).collect();
        for (k, (point, row)) in filled.iter().enumerate() {
            let left = if k == 0 { 0.0 } else { (xs[k - 1] + xs[k]) / 2.0 };
            let right = xs.get(k + 1).map_or(w, |next| (xs[k] + next) / 2.0);
            let mut title = format!("step {}", count(point.step as u64));
            if point.epoch.is_finite() {
                title = format!("epoch {}, {title}", short(point.epoch, 4));
            }
            let mut dots = String::new();
            for (c, i) in row.iter().enumerate().filter_map(|(c, i)| i.map(|i| (c, i))) {
                let (curve, mean) = (&self.curves[c], &smooth[c].points[i]);
                let raw = curve.series.points[i].value;
                let _ = write!(title, "\n{}: {}", curve.name, self.value(mean.value));
                if raw != mean.value {
                    let _ = write!(title, " (raw {})", self.value(raw));
                }
                if let Some((x, y)) = plot.place(mean) {
                    let _ = write!(
                        dots,
                        "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/>",
                        curve.colour,
                        LEFT + x,
                        TOP + y
                    );
                }
            }
            let x = LEFT + xs[k];
            let _ = writeln!(
                out,
                "<g class=\"hit\"><title>{}</title>\
                 <rect x=\"{:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{h:.0}\"/>\
                 <line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.0}\"/>{dots}</g>",
                esc(title),
                LEFT + left,
                (right - left).max(0.0),
                TOP + h
            );
        }
    }
}

/// The values without the hundredth at either end: a few outliers don't set the axis.
fn bulk(series: &Series) -> Vec<f64> {
    let mut values: Vec<f64> = series.points.iter().map(|p| p.value).filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 100;
    values[cut..values.len() - cut].to_vec()
}

fn line(plot: &Plot, series: &Series, class: &str, out: &mut String) {
    let mut path = String::new();
    let mut pen = 'M';
    for point in &series.points {
        match plot.place(point) {
            Some((x, y)) => {
                let _ = write!(path, "{pen}{x:.1} {y:.1}");
                pen = 'L';
            }
            None => pen = 'M',
        }
    }
    if !path.is_empty() {
        let _ = writeln!(out, "<path class=\"{class}\" d=\"{path}\"/>");
    }
}
