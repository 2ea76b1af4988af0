//! Charts of curves: what they show, their titles and legends.

use std::fmt::Write;

use super::html::{esc, note};
use super::number::{percent, significant};
use super::plot;
use super::scale::Measure;
use super::series::Series;

/// A chart of one or more curves.
#[derive(Default)]
pub(super) struct Chart {
    pub(super) title: String,
    /// What the values are, above the axis.
    pub(super) label: String,
    pub(super) measure: Measure,
    pub(super) wide: bool,
    /// What the horizontal axis counts, where it is neither steps nor epochs.
    pub(super) across: Option<&'static str>,
    /// Names of 0, 1, … on the horizontal axis, where it counts things that have names.
    pub(super) names: Vec<String>,
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
    /// The running mean alone, where the raw lines of many curves would hide each other.
    Mean,
    /// Few measurements, each with its mark.
    Marked,
    /// A dashed line to compare with.
    Dashed,
}

/// The colour class of the `i`-th curve.
pub(super) fn colour(i: usize) -> String {
    format!("s{}", i % 8)
}

impl Curve {
    /// What is drawn boldly.
    pub(super) fn shown(&self) -> Series {
        match self.stroke {
            Stroke::Smoothed | Stroke::Mean => self.series.smoothed(),
            Stroke::Marked | Stroke::Dashed => self.series.clone(),
        }
    }
}

impl Chart {
    /// The chart with its title and legend.
    pub(super) fn figure(&self) -> String {
        let shown: Vec<Series> = self.curves.iter().map(Curve::shown).collect();
        let class = if self.wide { "chart wide" } else { "chart" };
        let mut out = format!("<figure class=\"{class}\">\n<figcaption><b>{}</b>", esc(&self.title));
        out.push_str(&self.legend(&shown));
        out.push_str("</figcaption>\n");
        out.push_str(&plot::drawing(self, &shown).unwrap_or_else(|| note("No finite values.")));
        let broken: usize = self.curves.iter().map(|curve| curve.series.broken()).sum();
        if broken > 0 {
            let plural = if broken == 1 { "value is" } else { "values are" };
            out.push_str(&note(&format!("{broken} {plural} not finite and left out.")));
        }
        out.push_str("</figure>\n");
        out
    }

    /// Each curve's name and last value; of a single curve the value alone.
    fn legend(&self, shown: &[Series]) -> String {
        let mut out = String::from("<span class=\"legend\">");
        // Where a rate or a speed ends tells little.
        let tell = self.measure != Measure::Amount;
        for (curve, series) in self.curves.iter().zip(shown) {
            let last = series
                .last()
                .filter(|_| tell)
                .map(|v| format!(" <i>{}</i>", self.value(v)))
                .unwrap_or_default();
            let _ = match (self.curves.len(), curve.stroke) {
                (1, _) if last.is_empty() => Ok(()),
                (1, _) => write!(out, "<span>at the end{last}</span>"),
                (_, Stroke::Dashed) => {
                    let name = esc(&curve.name);
                    write!(out, "<span class=\"key {} dashed\">{name}{last}</span>", curve.colour)
                }
                _ => write!(out, "<span class=\"key {}\">{}{last}</span>", curve.colour, esc(&curve.name)),
            };
        }
        out + "</span>"
    }

    /// A value as the legend and the columns show it.
    pub(super) fn value(&self, value: f64) -> String {
        if self.measure == Measure::Share { percent(value, 1) } else { significant(value, 4) }
    }
}
