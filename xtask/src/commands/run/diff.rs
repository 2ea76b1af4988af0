//! `run diff`: in what runs differ.

use std::path::PathBuf;

use palimpsest_core::Result;
use palimpsest_core::train::RunFolder;

use crate::output;
use crate::report::Differences;

pub(super) fn run(runs: &[PathBuf], as_json: bool) -> Result<()> {
    let folders = runs.iter().map(|run| RunFolder::open(run)).collect::<Result<Vec<_>>>()?;
    let found = Differences::of(&folders);
    if as_json {
        output::json(&found);
        return Ok(());
    }
    let table = |title: &str, rows: Vec<Vec<String>>| {
        if rows.is_empty() {
            return;
        }
        let mut all = vec![std::iter::once(title.to_owned()).chain(found.runs.iter().cloned()).collect()];
        all.extend(rows);
        output::table(&all);
        output::line("");
    };
    let rows = |rows: &[crate::report::Row]| -> Vec<Vec<String>> {
        rows.iter().map(|row| std::iter::once(&row.key).chain(&row.values).cloned().collect()).collect()
    };
    if found.decisive.is_empty() {
        output::line("the recipes decide the same weights");
        output::line("");
    }
    table("recipe, what decides the weights", rows(&found.decisive));
    table("recipe, what leaves them alone", rows(&found.other));
    table("program, machine and data", rows(&found.environment));
    let percent =
        |score: &Option<f64>| score.map_or("-".to_owned(), |score| format!("{:.2} %", 100.0 * score));
    let mut scores = vec![];
    for head in &found.scores {
        for (name, values) in
            [(head.head.clone(), &head.pretrained), ("  random weights".to_owned(), &head.random)]
        {
            if values.iter().any(Option::is_some) {
                scores.push(std::iter::once(name).chain(values.iter().map(percent)).collect());
            }
        }
    }
    table("scores", scores);
    let losses = found.loss.iter().map(|at| {
        std::iter::once(format!("step {}", at.step))
            .chain(at.values.iter().map(|loss| output::figure(*loss)))
            .collect()
    });
    table("loss", losses.collect());
    output::note(&format!("curves and images side by side: cargo xtask report {}", found.runs.join(" ")));
    Ok(())
}
