//! The drawing of a chart as inline SVG: axes, lines, marks.

use std::fmt::Write;

use super::chart::{Chart, Stroke};
use super::columns;
use super::html::esc;
use super::scale::Scale;
use super::series::{Point, Series};

pub(super) const TOP: f64 = 24.0;
/// The least room for the labels of the vertical axis.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const BOTTOM: f64 = 36.0;
/// What a letter at an axis takes, about, where letters are largest: the style sheet enlarges them on small screens.
const LETTER: f64 = 8.2;

/// Where things lie.
pub(super) struct Plot {
    pub(super) x: Scale,
    pub(super) y: Scale,
    /// Where the vertical axis stands.
    pub(super) left: f64,
    size: (f64, f64),
    by_epoch: bool,
}

/// The drawing; `shown` are the bold lines. `None` where nothing is finite.
pub(super) fn drawing(chart: &Chart, shown: &[Series]) -> Option<String> {
    let plot = Plot::new(chart, shown)?;
    let (w, h) = plot.inner();
    let mut out = format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
        plot.size.0,
        plot.size.1,
        esc(&chart.title)
    );
    axes(chart, &plot, &mut out);
    // A nested drawing clips what leaves the axes.
    let _ = writeln!(out, "<svg x=\"{:.0}\" y=\"{TOP}\" width=\"{w:.0}\" height=\"{h:.0}\">", plot.left);
    for (curve, series) in chart.curves.iter().zip(shown) {
        if curve.stroke == Stroke::Smoothed && series.points != curve.series.points {
            let limit = if chart.wide { 1200 } else { 500 };
            line(&plot, &curve.series.thinned(limit), &format!("raw {}", curve.colour), &mut out);
        }
    }
    // The first curve lies on top.
    for (curve, series) in chart.curves.iter().zip(shown).rev() {
        let dashed = if curve.stroke == Stroke::Dashed { " dashed" } else { "" };
        line(&plot, &series.sampled(400), &format!("line {}{dashed}", curve.colour), &mut out);
    }
    out.push_str("</svg>\n");
    for (curve, series) in chart.curves.iter().zip(shown) {
        let alone = series.points.len() == 1;
        if curve.stroke == Stroke::Marked || alone {
            for (x, y) in series.points.iter().filter_map(|p| plot.place(p)) {
                let (x, y) = (plot.left + x, TOP + y);
                let class = &curve.colour;
                let _ =
                    writeln!(out, "<circle class=\"mark {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>");
            }
        }
    }
    columns::draw(chart, &plot, shown, &mut out);
    out.push_str("</svg>\n");
    Some(out)
}

impl Plot {
    fn new(chart: &Chart, shown: &[Series]) -> Option<Self> {
        let points = || chart.curves.iter().flat_map(|curve| &curve.series.points);
        let by_epoch = points().all(|p| p.epoch.is_finite()) && points().any(|p| p.epoch >= 1.0);
        let x = Scale::along(points().map(|p| if by_epoch { p.epoch } else { p.step }))?;
        let counted = !by_epoch && chart.across.is_none();
        let x = if counted { x.in_whole_numbers() } else { x };
        let mut values: Vec<f64> = shown.iter().flat_map(|s| &s.points).map(|p| p.value).collect();
        for curve in chart.curves.iter().filter(|curve| curve.stroke == Stroke::Smoothed) {
            values.extend(bulk(&curve.series));
        }
        let y = Scale::fit(values, chart.measure)?;
        let size = if chart.wide { (1032.0, 340.0) } else { (504.0, 236.0) };
        let labels = y.ticks(rows(chart));
        let widest = labels.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
        let left = LEFT.max((widest as f64 * LETTER).ceil() + 10.0);
        Some(Self { x, y, left, size, by_epoch })
    }

    /// Width and height within the axes.
    pub(super) fn inner(&self) -> (f64, f64) {
        (self.size.0 - self.left - RIGHT, self.size.1 - TOP - BOTTOM)
    }

    /// What the horizontal axis counts.
    pub(super) fn along(&self, point: &Point) -> f64 {
        if self.by_epoch { point.epoch } else { point.step }
    }

    /// A point within the axes.
    pub(super) fn place(&self, point: &Point) -> Option<(f64, f64)> {
        let (w, h) = self.inner();
        let x = self.x.position(self.along(point)) * w;
        let y = (1.0 - self.y.position(point.value)) * h;
        (x.is_finite() && y.is_finite() && point.value.is_finite()).then(|| (x, y.clamp(-1e4, 1e4)))
    }
}

/// About how many labels the vertical axis has.
fn rows(chart: &Chart) -> usize {
    if chart.wide { 6 } else { 4 }
}

fn axes(chart: &Chart, plot: &Plot, out: &mut String) {
    let (w, h) = plot.inner();
    let left = plot.left;
    let (right, bottom) = (left + w, TOP + h);
    for (value, label) in plot.y.ticks(rows(chart)) {
        let y = TOP + (1.0 - plot.y.position(value)) * h;
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{left:.0}\" x2=\"{right:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"end\" x=\"{:.0}\" y=\"{:.1}\">{}</text>",
            left - 7.0,
            y + 3.5,
            esc(label)
        );
    }
    let ticks = match chart.names.as_slice() {
        [] => plot.x.ticks(if chart.wide { 10 } else { 5 }),
        names => named_ticks(names, w),
    };
    for (value, label) in ticks {
        let x = left + plot.x.position(value) * w;
        // A name at the right end would leave the drawing.
        let beyond = x + LETTER / 2.0 * label.chars().count() as f64 + 4.0 > plot.size.0;
        let (anchor, at) = if beyond { ("end", plot.size.0) } else { ("middle", x) };
        let _ = writeln!(
            out,
            "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom:.0}\" y2=\"{:.0}\"/>\
             <text class=\"{anchor}\" x=\"{at:.1}\" y=\"{:.0}\">{}</text>",
            bottom + 4.0,
            bottom + 16.0,
            esc(label)
        );
    }
    let log = if plot.y.is_log() { " (log scale)" } else { "" };
    let _ = writeln!(
        out,
        "<line class=\"axis\" x1=\"{left:.0}\" x2=\"{right:.0}\" y1=\"{bottom:.0}\" y2=\"{bottom:.0}\"/>\
         <text class=\"name\" x=\"0\" y=\"11\">{}{log}</text>\
         <text class=\"name end\" x=\"{right:.0}\" y=\"{:.0}\">{}</text>",
        esc(&chart.label),
        bottom + 32.0,
        chart.across.unwrap_or(if plot.by_epoch { "epoch" } else { "step" }),
    );
}

/// Names at 0, 1, …: as many as have room beside each other, the last among them.
fn named_ticks(names: &[String], width: f64) -> Vec<(f64, String)> {
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64 * LETTER + 8.0;
    let room = ((width / widest) as usize).max(2);
    let last = names.len().saturating_sub(1);
    let every = last.div_ceil(room - 1).max(1);
    let shown = names.iter().enumerate().filter(|(i, _)| (last - i).is_multiple_of(every));
    shown.map(|(i, name)| (i as f64, name.clone())).collect()
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

/// The values without the hundredth at either end: a few outliers don't set the axis.
fn bulk(series: &Series) -> Vec<f64> {
    let mut values: Vec<f64> = series.points.iter().map(|p| p.value).filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 100;
    values[cut..values.len() - cut].to_vec()
}
