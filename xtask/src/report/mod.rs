//! The report of one run or several: one HTML file that needs nothing else, not even a network.

pub(crate) mod analysis;
mod backends;
mod bars;
mod chart;
mod columns;
mod compare;
mod curves;
pub(crate) mod data;
pub(crate) mod data_words;
mod differences;
mod heads;
mod heatmap;
mod html;
pub(crate) mod live;
mod load;
mod metrics;
mod number;
mod overview;
mod phases;
mod plot;
mod recipe;
mod results;
mod samples;
mod scale;
mod series;
mod single;
mod study;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use palimpsest_core::stored::write_atomically;
use palimpsest_core::train::RunFolder;
use palimpsest_core::{Error, Result};

pub(crate) use self::differences::{Differences, Row};
use self::load::Run;
pub(crate) use self::number::date;
pub(crate) use self::overview::{FACTS, Overview, Settings, folder_size};
pub(crate) use self::study::StudyPage;
use crate::comparison::Comparison;

/// Writes the report of `runs` to `out`: of one run all that is known, of several a comparison.
/// What a folder lacks is told in its place and is no error.
///
/// # Errors
/// No run, or a file that can't be written.
pub(crate) fn write(runs: &[RunFolder], out: &Path) -> Result<()> {
    let runs: Vec<Run> = runs.iter().map(Run::read).collect();
    let page = match runs.as_slice() {
        [] => return Err(Error::user("no run to report").help("give the folder of at least one run")),
        [run] => single::report(run),
        runs => compare::report(runs),
    };
    if let Some(folder) = out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
    }
    write_page(out, &page)
}

/// What a command line, as `env.json` has it, changed of a recipe.
pub(crate) fn overrides(command: &serde_json::Value) -> String {
    let words = command.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    recipe::overrides(words).join(" ")
}

/// Writes the page of a comparison of backends.
///
/// # Errors
/// A file that can't be written.
pub(crate) fn write_comparison(out: &Path, comparison: &Comparison) -> Result<()> {
    write_page(out, &backends::report(comparison))
}

/// Writes the page of a study.
///
/// # Errors
/// A file that can't be written.
pub(crate) fn write_study(out: &Path, page: &StudyPage<'_>) -> Result<()> {
    write_page(out, &page.html())
}

/// Writes a page, whole or not at all.
///
/// # Errors
/// A file that can't be written.
pub(crate) fn write_page(out: &Path, page: &str) -> Result<()> {
    // A browser that reloads meanwhile sees a whole page.
    write_atomically(out, page.as_bytes())
}
