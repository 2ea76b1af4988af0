//! Which runs start from the weights of others, or learn from them.

use std::fs;
use std::path::{Path, PathBuf};

use palimpsest_core::Result;

use crate::runs::{Runs, Value};

/// The files that runs start from (`init_from`) or have as teachers, each with the run and what it does.
pub(super) struct Starts {
    files: Vec<(PathBuf, String)>,
}

impl Starts {
    /// Those of the runs in a folder; of all runs in `runs`, where the folder lies there.
    ///
    /// # Errors
    /// A folder that can't be read.
    pub(super) fn of(folder: &Path, runs: &Runs) -> Result<Self> {
        let mut files = vec![];
        add(runs, &mut files);
        let home = fs::canonicalize("runs").ok();
        let inside = |home: &PathBuf| {
            fs::canonicalize(folder).is_ok_and(|folder| folder != *home && folder.starts_with(home))
        };
        if home.as_ref().is_some_and(inside) {
            add(&Runs::of(Path::new("runs"))?, &mut files);
        }
        Ok(Self { files })
    }

    /// Which run starts from weights in the folder of `run`.
    pub(super) fn from(&self, run: &Path) -> Option<String> {
        let run = fs::canonicalize(run).ok()?;
        let (_, by) = self.files.iter().find(|(file, _)| file.starts_with(&run))?;
        Some(format!("{by} its weights"))
    }
}

fn add(runs: &Runs, files: &mut Vec<(PathBuf, String)>) {
    for run in &runs.runs {
        let start = match runs.value(run, "init_from") {
            Some(Value::Text(file)) => Some((file.into_owned(), "starts from")),
            _ => None,
        };
        let teachers = runs.teachers(run).map(|file| (file.to_owned(), "is taught by"));
        let named: Vec<(String, &'static str)> = start.into_iter().chain(teachers).collect();
        // A path that was given from another folder is looked for from those above the run too.
        let above = run.path.canonicalize().unwrap_or_else(|_| run.path.clone());
        let places = std::iter::once(PathBuf::from(".")).chain(above.ancestors().map(Path::to_path_buf));
        for place in places {
            for (file, does) in &named {
                if let Ok(found) = fs::canonicalize(place.join(file)) {
                    files.push((found, format!("{} {does}", run.overview.run)));
                }
            }
        }
    }
}
