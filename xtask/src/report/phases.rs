//! Where the time of a step went.

use std::fmt::Write;

use super::html::{esc, note};
use super::load::Run;
use super::number::{duration, percent};

/// A bar of the phases' shares.
pub(super) fn bar(run: &Run) -> String {
    let phases = run.metrics.phases();
    let total: f64 = phases.iter().map(|(_, seconds)| seconds).sum();
    if total <= 0.0 {
        return note("The metrics hold no times by phase.");
    }
    let mut bar = String::from("<div class=\"phases\">");
    let mut legend = String::from("<p class=\"legend\">");
    for (i, (name, seconds)) in phases.iter().enumerate() {
        let share = seconds / total;
        let _ = write!(
            bar,
            "<span class=\"s{}\" style=\"width:{:.3}%\" title=\"{}: {}\"></span>",
            i % 8,
            100.0 * share,
            esc(name),
            percent(share, 1)
        );
        let _ = write!(
            legend,
            "<span class=\"key s{}\">{} <i>{}</i></span>",
            i % 8,
            esc(name),
            percent(share, 1)
        );
    }
    let note = note(&format!("Over the {} of the steps that were logged.", duration(total)));
    format!("{bar}</div>\n{legend}</p>\n{note}")
}
