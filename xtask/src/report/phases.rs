//! Where the time of a step went.

use std::fmt::Write;

use super::html::{esc, note};
use super::load::Run;
use super::number::{count, duration, percent, significant};

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
    let steps = run.metrics.steps_with_phases();
    let note = note(&format!(
        "{} for a step on average, over the {} steps that were logged.",
        milliseconds(total / steps as f64),
        count(steps as u64)
    ));
    format!("{bar}</div>\n{legend}</p>\n{note}")
}

fn milliseconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{} ms", significant(1000.0 * seconds, 3)) } else { duration(seconds) }
}
