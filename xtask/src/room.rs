//! Whether a run's checkpoints have room on the disk.

use std::path::Path;

use palimpsest_core::train::Trainer;

/// What checkpoints will take, and what is free.
pub(crate) struct Room {
    /// Bytes of a checkpoint.
    each: u64,
    /// Files at a time; while one is written, the one that it replaces is still there.
    files: u64,
    /// Bytes that are free where the folder will be; `None` where the system does not tell.
    free: Option<u64>,
}

impl Room {
    /// For a run in the folder `root`, which need not be there yet.
    pub(crate) fn of(trainer: &Trainer, root: &Path) -> Self {
        let train = &trainer.recipe.train;
        let values: usize = trainer.model.specs.specs().iter().map(|spec| spec.shape.count()).sum();
        // Weights, two moments and the average, in f32.
        let each = 4 * values as u64 * if train.ema > 0.0 { 4 } else { 3 };
        let interval = (train.checkpoint_every * trainer.steps_per_epoch as f64).round().max(1.0) as u64;
        let due = if train.checkpoint_every > 0.0 { trainer.total_steps / interval } else { 0 };
        // The start's and the end's come to those that are due.
        let files = (train.keep_last as u64).min(due + 2) + 1;
        let there = root.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
        Self { each, files, free: fs4::available_space(there).ok() }
    }

    /// Whether it is known to be too little.
    pub(crate) fn lacks(&self) -> bool {
        self.free.is_some_and(|free| free < self.each * self.files)
    }

    /// In words.
    pub(crate) fn told(&self) -> String {
        let free = self.free.map_or_else(String::new, |free| format!("; {} are free", size(free)));
        let [all, each] = [self.each * self.files, self.each].map(size);
        let help = if self.lacks() {
            ": lower train.keep_last, free some space, or choose another --out"
        } else {
            ""
        };
        format!("checkpoints take up to {all} ({} files of {each}){free}{help}", self.files)
    }
}

fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}
