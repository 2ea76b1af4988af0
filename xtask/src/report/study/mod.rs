//! The page of a study: what was claimed and what holds, then the cells, then where it comes from.

mod cells;
mod claims;
mod curves;
mod dots;
mod factors;
mod failures;

use std::fs;
use std::path::Path;

use palimpsest_study::plan::Plan;
use palimpsest_study::results::Results;
use palimpsest_study::trial::TrialFolder;
use serde_json::Value;

use super::html::{details, esc, note, page, section};
use super::number::percent;
use super::samples;

/// What the page is made of.
pub(crate) struct StudyPage<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) results: &'a Results,
    /// Where trials lie.
    pub(crate) trials: &'a Path,
    /// The study's folder.
    pub(crate) folder: &'a Path,
    /// Trials that are measured.
    pub(crate) measured: usize,
}

/// Cells whose sample sheets are shown at most.
const SHEETS: usize = 24;

impl StudyPage<'_> {
    /// The whole page.
    pub(crate) fn html(&self) -> String {
        let mut body = self.header();
        let failed = failures::list(self);
        if !failed.is_empty() {
            body.push_str(&section("Trials that failed", &failed));
        }
        body.push_str(&section("Cells", &cells::tables(self)));
        body.push_str(&section("Axes", &dots::axes(self)));
        let factors = factors::interactions(self) + &factors::relations(self.results);
        if !factors.is_empty() {
            body.push_str(&section("Interactions and relations", &factors));
        }
        body.push_str(&section("Comparisons", &claims::details(self)));
        body.push_str(&section("Training", &curves::training(self)));
        if self.plan.analysis.is_some() {
            body.push_str(&section("Spectra", &curves::spectra(self)));
        }
        body.push_str(&section("Samples", &self.sheets()));
        body.push_str(&section("How it was made", &self.foot()));
        page(&self.plan.name, &body)
    }

    fn header(&self) -> String {
        let Self { plan, .. } = self;
        let mut out =
            format!("<header>\n<p class=\"eyebrow\">Palimpsest study</p>\n<h1>{}</h1>\n", esc(&plan.name));
        if !plan.title.is_empty() {
            out.push_str(&format!("<p class=\"title\">{}</p>\n", esc(&plan.title)));
        }
        out.push_str(&claims::verdicts(self));
        let facts = [
            ("Cells", plan.cells.len().to_string()),
            ("Seeds", plan.seeds.len().to_string()),
            ("Trials measured", format!("{} of {}", self.measured, plan.trials.len())),
            ("Backend", plan.backend.clone()),
        ];
        out.push_str("<dl class=\"facts\">\n");
        for (name, value) in facts {
            out.push_str(&format!("<div><dt>{}</dt><dd>{}</dd></div>\n", esc(name), esc(value)));
        }
        out.push_str("</dl>\n</header>\n");
        out
    }

    /// The last sample sheet of each cell's first seed, side by side.
    fn sheets(&self) -> String {
        let mut out = String::new();
        let mut shown = vec![];
        for cell in &self.plan.cells {
            let Some(&trial) = cell.trials.first() else { continue };
            if shown.contains(&trial) || shown.len() == SHEETS {
                continue;
            }
            let folder = TrialFolder::of(self.trials, &self.plan.trials[trial].id).path("run/samples");
            if let Some(sheet) = samples::last(&samples::list(&folder), &self.plan.cell_name(cell)) {
                shown.push(trial);
                out.push_str(&sheet);
            }
        }
        match shown.is_empty() {
            true => note("No sample sheets yet."),
            false => {
                let seed = self.plan.seeds.first().copied().unwrap_or_default();
                format!(
                    "{}<div class=\"strip\">\n{out}</div>\n",
                    note(&format!("The last sheet of seed {seed}, of up to {SHEETS} cells."))
                )
            }
        }
    }

    fn foot(&self) -> String {
        let environment: Value = fs::read(self.folder.join("env.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let words = environment["command"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let command = words.collect::<Vec<_>>().join(" ");
        let mut out = String::new();
        if !command.is_empty() {
            out.push_str(&format!("<p class=\"command\"><code>cargo xtask {}</code></p>\n", esc(command)));
        }
        let text = |key: &str| environment[key].as_str().map(str::to_owned);
        let told =
            [("revision", text("revision")), ("version", text("palimpsest")), ("processor", text("cpu"))];
        for (name, value) in told {
            out.push_str(&value.map_or_else(String::new, |value| note(&format!("{name} {value}"))));
        }
        out.push_str(&note(
            "Tables as CSV and LaTeX are in tables/ beside this page, everything in results.json.",
        ));
        out.push_str(&note(&format!(
            "Intervals of means are Student's over seeds of pre-training, of differences those of the signed-rank statistic \
             (Hodges and Lehmann 1963), both at 95 % where so few seeds allow it; p is that of the exact sign-flip test, corrected \
             after Holm (1979) over all declared comparisons. What other test images would give is Wilson's interval in \
             tables/cells.csv, where all seeds are scored on the same ones, and is never added to that over seeds; where a head takes \
             fewer than there are (test_images), each seed draws its own, and their spread is part of that over seeds. {}",
            claims::declared(self)
        )));
        if let Ok(study) = fs::read_to_string(self.folder.join("study.toml")) {
            out.push_str(&details("The study's file", &format!("<pre><code>{}</code></pre>\n", esc(study))));
        }
        out
    }

    /// A score of a measure as people read it: shares in percent.
    fn score(&self, measure: usize, value: f64) -> String {
        if self.is_share(measure) { percent(value, 1) } else { super::number::significant(value, 3) }
    }

    /// A difference of scores.
    fn difference(&self, measure: usize, value: f64) -> String {
        if self.is_share(measure) {
            return format!("{} points", super::number::points(value));
        }
        let sign = if value < 0.0 { "−" } else { "+" };
        format!("{sign}{}", super::number::significant(value.abs(), 3))
    }

    /// The same without its unit.
    fn plain_difference(&self, measure: usize, value: f64) -> String {
        esc(self.difference(measure, value).trim_end_matches(" points"))
    }

    /// The number of the measure of this name.
    fn measure(&self, name: &str) -> usize {
        self.results.measures.iter().position(|measure| measure == name).unwrap_or_default()
    }

    /// Whether all scores of a measure are shares.
    fn is_share(&self, measure: usize) -> bool {
        let figure = self.results.figures[measure].as_deref();
        let unbounded = ["high frequencies", "effective rank"];
        figure.is_none_or(|figure| !unbounded.contains(&figure))
            && self
                .results
                .rows
                .iter()
                .filter(|row| row.measure == measure)
                .all(|row| (0.0..=1.0).contains(&row.mean))
    }
}
