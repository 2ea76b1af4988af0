//! `study report`: what a study shows so far.

use std::path::{Path, PathBuf};

use palimpsest_core::stored::write_atomically;
use palimpsest_core::{Error, Result};
use palimpsest_study::archive::{self, Found};
use palimpsest_study::plan::{Measurement, Plan, Trial};
use palimpsest_study::results::Results;
use palimpsest_study::written::{tables, verdict};

use super::trials_of;
use crate::cli::ReportStudy;
use crate::{output, report};

pub(super) fn run(args: &ReportStudy) -> Result<()> {
    let plan = Plan::read(&args.study)?;
    let trials = trials_of(&args.study, args.trials.as_ref(), Some(&plan));
    let out = args.out.clone().unwrap_or_else(|| args.study.clone());
    let page = write(&plan, &args.study, &trials, &out)?;
    let results = Results::of(&plan, &Found::of(&trials, &args.study)?)?;
    if args.result.json {
        output::json(&results);
        return Ok(());
    }
    let mut rows =
        vec![["comparison", "measure", "n", "shift", "p", "p (Holm)", ""].map(str::to_owned).to_vec()];
    for one in &results.comparisons {
        let test = one.test.as_ref();
        let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), output::figure);
        rows.push(vec![
            one.name.clone(),
            one.measure.clone(),
            one.differences.len().to_string(),
            figure(test.map(|test| test.shift)),
            figure(test.map(|test| test.p)),
            figure(test.map(|test| test.p_holm)),
            verdict(one.verdict).to_owned(),
        ]);
    }
    if rows.len() > 1 {
        output::table(&rows);
    }
    output::line(&page.display().to_string());
    Ok(())
}

/// Writes page, results and tables into `out`, and gives the page's path.
///
/// # Errors
/// A folder that can't be written.
pub(super) fn write(plan: &Plan, study: &Path, trials: &Path, out: &Path) -> Result<PathBuf> {
    let found = Found::of(trials, study)?;
    let results = Results::of(plan, &found)?;
    let write = |name: &str, text: String| write_atomically(&out.join(name), text.as_bytes());
    std::fs::create_dir_all(out.join("tables")).map_err(|e| Error::io(out, &e))?;
    let text = serde_json::to_value(&results).map_err(|e| Error::failure(e.to_string()))?;
    write("results.json", format!("{:#}\n", output::rounded(text)))?;
    write(archive::FILE, archive::lines(plan, &found)?)?;
    for table in tables(&results) {
        write(&format!("tables/{}.csv", table.name), table.csv())?;
        write(&format!("tables/{}.tex", table.name), table.latex())?;
    }
    let measurements = plan.measurements_by_trial();
    let has_all = |(trial, wanted): &(&Trial, &Vec<Measurement<'_>>)| {
        found.summary(&trial.id).is_some() && wanted.iter().all(|m| found.scores(&trial.id, &m.key).is_some())
    };
    let measured = plan.trials.iter().zip(&measurements).filter(has_all).count();
    let page = out.join("report.html");
    report::write_study(
        &page,
        &report::StudyPage { plan, results: &results, trials, folder: study, measured },
    )?;
    Ok(page)
}
