//! `run list`: the runs in a folder.

use std::path::Path;

use palimpsest_core::Result;
use serde_json::{Map, Value, json};

use crate::cli::ListRuns;
use crate::output;
use crate::runs::{Listed, Runs, select};

pub(super) fn run(args: &ListRuns) -> Result<()> {
    let runs = Runs::of(&args.folder)?;
    let mut chosen = select(&runs, &args.conditions.all, &args.sort)?;
    args.columns.iter().try_for_each(|key| runs.check(key))?;
    chosen.truncate(args.limit.unwrap_or(usize::MAX));
    if args.result.json {
        let lines: Vec<Value> = chosen.iter().map(|run| line(&runs, run, &args.columns)).collect();
        output::json(&lines);
        return Ok(());
    }
    if chosen.is_empty() {
        none(&args.folder, runs.runs.len());
        return Ok(());
    }
    let columns = if args.columns.is_empty() { usual(&runs, &chosen) } else { args.columns.clone() };
    let mut rows = vec![columns.iter().map(|key| heading(key).to_owned()).collect::<Vec<_>>()];
    rows.extend(chosen.iter().map(|run| columns.iter().map(|key| cell(&runs, run, key)).collect()));
    output::table(&rows);
    Ok(())
}

/// Says that there is nothing to show.
pub(super) fn none(folder: &Path, all: usize) {
    let folder = folder.display();
    match all {
        0 => output::note(&format!("no runs in {folder}; start one: cargo xtask pretrain")),
        all => output::note(&format!("none of the {all} runs in {folder} is like that")),
    }
}

/// Where runs stand, with the scores and tags that any of them has.
fn usual(runs: &Runs, chosen: &[&Listed]) -> Vec<String> {
    let heads = runs.heads();
    let scored = heads.iter().filter(|head| chosen.iter().any(|run| runs.value(run, head).is_some()));
    let mut columns: Vec<String> = ["run", "name", "steps", "loss"].map(str::to_owned).to_vec();
    columns.extend(scored.cloned());
    columns.extend(["state", "size"].map(str::to_owned));
    for (key, has) in [
        ("tags", chosen.iter().any(|run| !run.tags.tags.is_empty())),
        ("note", chosen.iter().any(|run| !run.tags.note.is_empty())),
    ] {
        if has {
            columns.push(key.to_owned());
        }
    }
    columns
}

fn heading(key: &str) -> &str {
    if key == "name" { "recipe" } else { key }
}

fn cell(runs: &Runs, run: &Listed, key: &str) -> String {
    match key {
        // In words, with the details.
        "state" => run.overview.state.clone(),
        "steps" => run.overview.progress(),
        "loss" => run.overview.loss_text(),
        key => runs.value(run, key).map_or_else(|| "-".to_owned(), |value| value.shown(key)),
    }
}

/// All that `run show` tells, or the columns alone.
fn line(runs: &Runs, run: &Listed, columns: &[String]) -> Value {
    if columns.is_empty() {
        let mut line = json!(run.overview);
        line["tags"] = json!(run.tags.tags);
        line["note"] = json!(run.tags.note);
        line["changed"] = json!(run.changed);
        return line;
    }
    let mut line = Map::new();
    line.insert("run".to_owned(), json!(run.overview.run));
    for key in columns {
        line.insert(key.clone(), runs.value(run, key).map_or(Value::Null, |value| value.json()));
    }
    Value::Object(line)
}
