//! The progress of training on stderr: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use palimpsest_core::train::StepReport;

use crate::output;

/// Plain lines come this often, or at every twentieth of the run.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Steps that the shown numbers are smoothed over.
const MEMORY: f64 = 20.0;

/// Shows how a run goes. Nothing of it goes to stdout.
pub(crate) struct Progress {
    total: u64,
    steps_per_epoch: u64,
    recent: Recent,
    display: Display,
}

enum Display {
    Bar(ProgressBar),
    Lines { last: Instant, twentieth: u64 },
    Nothing,
}

impl Progress {
    /// For a run of `total_steps` of which `start_step` are done. Not `visible`, only messages are
    /// shown.
    pub(crate) fn new(total_steps: u64, start_step: u64, steps_per_epoch: u64, visible: bool) -> Self {
        let display = if !visible {
            Display::Nothing
        } else if std::io::stderr().is_terminal() {
            Display::Bar(bar(total_steps, start_step))
        } else {
            Display::Lines { last: Instant::now(), twentieth: twentieth(start_step, total_steps) }
        };
        let recent = Recent { step: start_step, ..Recent::default() };
        Self { total: total_steps, steps_per_epoch: steps_per_epoch.max(1), recent, display }
    }

    /// Shows a step.
    pub(crate) fn step(&mut self, report: &StepReport) {
        self.recent.add(report);
        match &mut self.display {
            Display::Bar(bar) => {
                bar.set_prefix(self.recent.epoch(self.steps_per_epoch, self.total));
                bar.set_message(self.recent.numbers(self.total));
                bar.set_position(report.step);
            }
            Display::Lines { last, twentieth: shown } => {
                let now = twentieth(report.step, self.total);
                if now > *shown || last.elapsed() >= LINE_INTERVAL {
                    (*last, *shown) = (Instant::now(), now);
                    let epoch = self.recent.epoch(self.steps_per_epoch, self.total);
                    output::note(&format!(
                        "{epoch} · step {}/{} · {}",
                        report.step,
                        self.total,
                        self.recent.numbers(self.total)
                    ));
                }
            }
            Display::Nothing => {}
        }
    }

    /// Shows a line, above the bar if there is one.
    pub(crate) fn message(&self, text: &str) {
        match &self.display {
            Display::Bar(bar) => bar.suspend(|| output::note(text)),
            Display::Lines { .. } | Display::Nothing => output::note(text),
        }
    }

    /// Leaves the bar as it stands and ends its line.
    pub(crate) fn finish(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.abandon();
        }
    }
}

impl Drop for Progress {
    /// A run that fails leaves no half-drawn bar under its error.
    fn drop(&mut self) {
        self.finish();
    }
}

fn bar(total: u64, start: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
    bar.set_position(start);
    let template = "{prefix} {bar:16.cyan/black.bright} step {human_pos}/{human_len} · {wide_msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar
}

fn twentieth(step: u64, total: u64) -> u64 {
    step.saturating_mul(20) / total.max(1)
}

/// Averages over the last steps, in which older ones fade.
#[derive(Default)]
struct Recent {
    step: u64,
    lr: f64,
    weight: f64,
    steps: f64,
    loss: f64,
    images: f64,
    seconds: f64,
    waited: f64,
}

impl Recent {
    fn add(&mut self, report: &StepReport) {
        let keep = 1.0 - 1.0 / MEMORY;
        self.step = report.step;
        self.lr = report.lr;
        if report.loss().is_finite() {
            self.weight = self.weight * keep + 1.0;
            self.loss = self.loss * keep + report.loss();
        }
        self.steps = self.steps * keep + 1.0;
        self.images = self.images * keep + report.images as f64;
        self.seconds = self.seconds * keep + report.phases.total();
        self.waited = self.waited * keep + report.phases.data;
    }

    fn epoch(&self, steps_per_epoch: u64, total: u64) -> String {
        let epochs = total.div_ceil(steps_per_epoch).max(1);
        let epoch = self.step.div_ceil(steps_per_epoch).clamp(1, epochs);
        format!("epoch {epoch}/{epochs}")
    }

    fn numbers(&self, total: u64) -> String {
        let seconds = self.seconds.max(1e-9);
        let rate = self.images / seconds;
        let rate = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
        let steps = total.saturating_sub(self.step);
        // A narrow terminal cuts the end off.
        let left = match steps {
            0 => "done".to_owned(),
            _ => format!("{} left", remaining(steps as f64 * seconds / self.steps.max(1.0))),
        };
        format!(
            "{left} · loss {} · {rate} images/s · lr {:.2e} · data {:.0} %",
            output::figure(self.loss / self.weight),
            self.lr,
            100.0 * self.waited / seconds,
        )
    }
}

/// Seconds as a clock that fits a narrow line.
pub(crate) fn remaining(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes}:{:02} min", seconds % 60),
        (0, ..) => format!("{hours}:{minutes:02} h"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use palimpsest_core::train::StepTimes;

    use super::*;

    fn report(step: u64, loss: f64) -> StepReport {
        StepReport {
            step,
            lr: 1.5e-4,
            scalars: vec![("loss".to_owned(), loss)],
            corrupted: None,
            grad_norm: 1.0,
            stop: false,
            culprit: 0,
            images: 64,
            phases: StepTimes { data: 0.1, forward: 0.2, backward: 0.2, ..StepTimes::default() },
        }
    }

    #[test]
    fn a_line_says_it_all() {
        let mut recent = Recent::default();
        for step in 1..=150 {
            recent.add(&report(step, 0.5));
        }
        assert_eq!(recent.epoch(100, 400), "epoch 2/4");
        assert_eq!(
            recent.numbers(400),
            "2:05 min left · loss 0.5000 · 128 images/s · lr 1.50e-4 · data 20 %"
        );
    }

    #[test]
    fn a_loss_that_is_not_finite_leaves_the_average_alone() {
        let mut recent = Recent::default();
        recent.add(&report(1, 2.0));
        recent.add(&report(2, f64::NAN));
        assert!(recent.numbers(2).starts_with("done · loss 2.0000"));
    }

    #[test]
    fn epochs_are_counted_from_one() {
        let at = |step| Recent { step, ..Recent::default() }.epoch(10, 25);
        assert_eq!([at(0), at(10), at(11), at(25)], ["epoch 1/3", "epoch 1/3", "epoch 2/3", "epoch 3/3"]);
    }

    #[test]
    fn what_is_left_fits_its_size() {
        let texts: Vec<String> = [9.0, 75.0, 3_900.0, 100_000.0].map(remaining).into();
        assert_eq!(texts, ["9 s", "1:15 min", "1:05 h", "1 d 3 h"]);
    }
}
