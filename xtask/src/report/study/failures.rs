//! Trials that ended with an error, so that a mean over fewer seeds has its reason on the page.

use palimpsest_study::trial::TrialFolder;

use super::StudyPage;
use crate::report::html::{esc, note, table};

/// Failures that are shown at most.
const MOST: usize = 30;

/// A row for each; nothing where none failed.
pub(super) fn list(page: &StudyPage<'_>) -> String {
    let failed = page.plan.trials.iter().filter_map(|trial| {
        let failed = TrialFolder::of(page.trials, &trial.id).failed()?;
        let cell = page.plan.cell_name(&page.plan.cells[trial.cell]);
        Some(vec![esc(cell), trial.seed.to_string(), esc(failed.during), esc(failed.why)])
    });
    let rows: Vec<Vec<String>> = failed.collect();
    if rows.is_empty() {
        return String::new();
    }
    let shown = &rows[..rows.len().min(MOST)];
    let mut out = table("plain", &["Cell", "Seed", "During", "Why"].map(str::to_owned), shown);
    if rows.len() > MOST {
        out += &note(&format!("The first {MOST} of {}; `study list --failed` has all.", rows.len()));
    }
    out
}
