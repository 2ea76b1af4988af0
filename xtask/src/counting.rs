//! The progress of work that is counted in images or files, on stderr: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;
use crate::progress::remaining;

/// Plain lines come this often.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Shows how far a piece of work is.
pub(crate) struct Counting {
    /// What is done to what, as `images looked at`.
    what: &'static str,
    state: Mutex<State>,
}

struct State {
    /// When the first news came, and how much was done by then.
    start: Option<(Instant, usize)>,
    last: Instant,
    bar: Option<ProgressBar>,
}

impl Counting {
    pub(crate) fn new(what: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(8));
            let template = "{bar:16.cyan/black.bright} {human_pos}/{human_len} {wide_msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar
        });
        Self { what, state: Mutex::new(State { start: None, last: Instant::now(), bar }) }
    }

    /// So much of so much is done.
    pub(crate) fn at(&self, done: usize, all: usize) {
        // A thread that panicked while it counted has spoilt nothing.
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (begun, before) = *state.start.get_or_insert((Instant::now(), done));
        let told = told(done - before.min(done), all - done.min(all), begun.elapsed().as_secs_f64());
        if let Some(bar) = &state.bar {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            bar.set_message(format!("{}{told}", self.what));
            if done == all {
                bar.finish_and_clear();
            }
        } else if state.last.elapsed() >= LINE_INTERVAL {
            state.last = Instant::now();
            output::note(&format!("{done}/{all} {}{told}", self.what));
        }
    }
}

impl Drop for Counting {
    /// Work that fails leaves no half-drawn bar under its error.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(bar) = &state.bar {
            bar.finish_and_clear();
        }
    }
}

/// How fast `done` were done, and the time for those that are left.
fn told(done: usize, left: usize, seconds: f64) -> String {
    if done == 0 || seconds <= 0.0 {
        return String::new();
    }
    let rate = done as f64 / seconds;
    let speed = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    let left = if left == 0 { "done".to_owned() } else { format!("{} left", remaining(left as f64 / rate)) };
    format!(" · {speed}/s · {left}")
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn speed_and_time_that_is_left() {
        assert_eq!(told(0, 10, 1.0), "");
        assert_eq!(told(50, 100, 100.0), " · 0.5/s · 3:20 min left");
        assert_eq!(told(1000, 0, 10.0), " · 100/s · done");
    }
}
