//! How a study goes, on standard error: a bar on a terminal, a line a trial elsewhere.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use palimpsest_study::trial::Failed;

use crate::output;

/// What workers of this process tell, and what they have done.
pub(super) struct StudyProgress {
    total: usize,
    workers: usize,
    began: Instant,
    state: Mutex<State>,
    bar: Option<ProgressBar>,
}

#[derive(Default)]
struct State {
    /// Measured before, or by others.
    done: usize,
    /// Measured by this process.
    own: usize,
    failed: usize,
    begun_again: HashSet<usize>,
}

impl StudyProgress {
    /// Of `total` trials `done` are measured.
    pub(super) fn new(total: usize, done: usize, workers: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr_with_hz(4));
            if let Ok(style) =
                ProgressStyle::with_template("{bar:24.cyan/black.bright} {pos}/{len} trials · {wide_msg}")
            {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.set_position(done as u64);
            bar.enable_steady_tick(Duration::from_secs(1));
            bar
        });
        let state = Mutex::new(State { done, ..State::default() });
        Self { total, workers, began: Instant::now(), state, bar }
    }

    /// A trial is measured.
    pub(super) fn measured(&self, name: &str) {
        let mut state = self.locked();
        state.done += 1;
        state.own += 1;
        let left = self.total.saturating_sub(state.done + state.failed);
        // Trials are much alike, and others may work on them too: this process alone is reckoned with.
        let each = self.began.elapsed().as_secs_f64() / state.own as f64;
        let left = HumanDuration(Duration::from_secs_f64(each * left as f64));
        let text = format!("{name} · about {left} left for {} at a time", self.workers);
        match &self.bar {
            Some(bar) => {
                bar.set_position(state.done.min(self.total) as u64);
                bar.set_message(text);
            }
            None => output::note(&format!("{}/{} trials: {text}", state.done.min(self.total), self.total)),
        }
    }

    /// A trial failed; the others go on.
    pub(super) fn failed(&self, name: &str, failed: &Failed) {
        self.locked().failed += 1;
        let first = failed.why.lines().next().unwrap_or_default();
        let text = format!("failed: {name}, {}: {first}", failed.during);
        match &self.bar {
            Some(bar) => bar.suspend(|| output::note(&text)),
            None => output::note(&text),
        }
    }

    /// Whether a failed trial has not been begun again by this process yet.
    pub(super) fn first_time(&self, index: usize) -> bool {
        self.locked().begun_again.insert(index)
    }

    /// Ends the bar.
    pub(super) fn finish(&self) {
        self.bar.iter().for_each(ProgressBar::abandon);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
