//! The pages of runs that are still trained: the report's sections, each with what it is known by, and above them how far
//! the runs are.

use std::hash::{DefaultHasher, Hash, Hasher};

use palimpsest_core::train::RunFolder;

use super::html::{esc, note, page_with, section, table};
use super::load::Run;
use super::number::{UNKNOWN, count, duration, percent, short, significant};
use super::overview::total_steps;
use super::{compare, recipe, single};

/// A part of a page, which is replaced when it has changed.
pub(crate) struct Part {
    pub(crate) id: String,
    /// Another one for another content.
    pub(crate) hash: String,
    pub(crate) html: String,
}

/// A page at one moment.
pub(crate) struct Page {
    pub(crate) title: String,
    /// Whether any of the runs is trained now.
    pub(crate) running: bool,
    pub(crate) parts: Vec<Part>,
}

/// Steps over which the speed is taken, of those that were logged.
const RECENT: usize = 20;

impl Page {
    /// The page of runs, each with whether a process trains it.
    pub(crate) fn of(folders: &[(RunFolder, bool)]) -> Self {
        let read = |(folder, running): &(RunFolder, bool)| Run::read(folder).at_work(*running);
        let runs: Vec<Run> = folders.iter().map(read).collect();
        let (title, mut parts) = match runs.as_slice() {
            [] => ("No runs yet".to_owned(), vec![note("There are no runs in the folder yet.")]),
            [run] => (run.name.clone(), single::sections(run)),
            runs => (compare::title(runs), compare::sections(runs)),
        };
        let stands = match runs.as_slice() {
            [] => None,
            [run] => Some(one(run)),
            runs => Some(section("Progress", &several(runs))),
        };
        // Below the title.
        parts.splice(1..1, stands);
        let part = |(i, html): (usize, String)| {
            let mut hasher = DefaultHasher::new();
            html.hash(&mut hasher);
            // Of other runs it is another part, so that nothing is taken for what it was before.
            Part { id: format!("part-{i}"), hash: format!("{:016x}", hasher.finish()), html }
        };
        let running = runs.iter().any(|run| run.running);
        Self { title, running, parts: parts.into_iter().enumerate().map(part).collect() }
    }

    /// The whole page for a browser.
    pub(crate) fn html(&self) -> String {
        let parts = self
            .parts
            .iter()
            .map(|Part { id, hash, html }| format!("<div id=\"{id}\" data-hash=\"{hash}\">\n{html}</div>\n"));
        let body = format!(
            "<noscript>{}</noscript>\n<div id=\"parts\">\n{}</div>\n<p id=\"told\" role=\"status\"></p>\n",
            note("Without JavaScript this page is as it was when it was loaded."),
            parts.collect::<String>()
        );
        page_with(&self.title, "<script src=\"/live.js\" defer=\"defer\"></script>", &body)
    }
}

/// The seconds that are left of a run, at the speed of its last steps. Evaluations come on top.
fn left(run: &Run) -> Option<f64> {
    let steps = total_steps(run)?.checked_sub(run.steps()?)?;
    let batch = recipe::number(&run.recipe, "train.batch")?;
    let speed = run.metrics.recent("images_per_second", RECENT).filter(|speed| *speed > 0.0)?;
    Some(steps as f64 * batch / speed)
}

/// What is told of each run: names and values.
fn figures(run: &Run) -> Vec<(String, String)> {
    let unknown = || UNKNOWN.to_owned();
    let steps = |steps: Option<u64>| steps.map_or_else(unknown, count);
    let recent = |name: &str| run.metrics.recent(name, RECENT);
    let mut figures = vec![
        ("State".to_owned(), run.state()),
        ("Step".to_owned(), format!("{} of {}", steps(run.steps()), steps(total_steps(run)))),
        ("Epoch".to_owned(), run.epochs().map_or_else(unknown, |epochs| short(epochs, 4))),
        ("Time left".to_owned(), left(run).filter(|_| run.running).map_or_else(unknown, duration)),
        (
            "Loss".to_owned(),
            run.metrics.series("loss").smoothed().last().map_or_else(unknown, |loss| significant(loss, 4)),
        ),
        (
            "Images/s".to_owned(),
            recent("images_per_second").map_or_else(unknown, |rate| significant(rate, 3)),
        ),
        ("Waiting for data".to_owned(), recent("data_wait").map_or_else(unknown, |share| percent(share, 1))),
    ];
    let result = run.result();
    for head in result.iter().flat_map(|result| &result.pretrained) {
        let epoch = result.as_ref().map_or(f64::NAN, |result| result.epoch);
        let at = if epoch.is_finite() { format!(" after epoch {}", short(epoch, 3)) } else { String::new() };
        figures.push((head.name.clone(), format!("{}{at}", percent(head.accuracy, 2))));
    }
    figures
}

fn bar(run: &Run) -> String {
    let Some((done, all)) = run.steps().zip(total_steps(run)).filter(|(_, all)| *all > 0) else {
        return String::new();
    };
    let share = (100.0 * done as f64 / all as f64).min(100.0);
    format!("<div class=\"bar\"><span style=\"width:{share:.2}%\"></span></div>\n")
}

fn one(run: &Run) -> String {
    let figures = figures(run);
    let facts: String = figures
        .iter()
        .map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>\n", esc(name), esc(value)))
        .collect();
    section("Progress", &format!("{}<dl class=\"facts\">\n{facts}</dl>\n", bar(run)))
}

/// A row for each run.
fn several(runs: &[Run]) -> String {
    let all: Vec<Vec<(String, String)>> = runs.iter().map(figures).collect();
    let mut names: Vec<&String> = vec![];
    for (name, _) in all.iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let head: Vec<String> =
        std::iter::once("Run".to_owned()).chain(names.iter().map(|name| esc(*name))).collect();
    let rows: Vec<Vec<String>> = runs
        .iter()
        .zip(&all)
        .map(|(run, figures)| {
            let cell = |name: &&String| {
                let found = figures.iter().find(|(known, _)| known == *name);
                found.map_or_else(|| UNKNOWN.to_owned(), |(_, value)| esc(value))
            };
            std::iter::once(format!("{}{}", esc(&run.folder), bar(run)))
                .chain(names.iter().map(cell))
                .collect()
        })
        .collect();
    table("plain", &head, &rows)
}
