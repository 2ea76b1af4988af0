//! `run tag`: tags and a note of runs.

use std::path::Path;

use palimpsest_core::train::RunFolder;
use palimpsest_core::{Error, Result};
use serde_json::{Value, json};

use crate::output;
use crate::runs::Tags;

pub(super) fn run(words: &[String], as_json: bool) -> Result<()> {
    // Since `-TAG` may begin as an option does, clap leaves the options behind the first word here.
    let (options, words): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| word.starts_with("--"));
    if let Some(option) = options.iter().find(|option| **option != "--json") {
        return Err(Error::user(format!("unknown option `{option}`")).help("put it before the runs"));
    }
    let as_json = as_json || !options.is_empty();
    let (changes, runs): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| Tags::is_change(word));
    if runs.is_empty() {
        return Err(Error::user("no run is named").help("as in: cargo xtask run tag runs/mae +keep"));
    }
    // All are looked at before the first is written.
    let mut tagged = vec![];
    for run in runs {
        let folder = RunFolder::open(Path::new(run))?;
        let before = Tags::of(folder.root())?;
        let mut tags = before.clone();
        changes.iter().try_for_each(|change| tags.change(change))?;
        tagged.push((folder, before, tags));
    }
    for (folder, before, tags) in &tagged {
        if tags != before {
            tags.write(folder.root())?;
        }
    }
    let shown = tagged.iter().map(|(folder, _, tags)| (folder.root().display().to_string(), tags));
    if as_json {
        let lines: Vec<Value> =
            shown.map(|(run, tags)| json!({ "run": run, "tags": tags.tags, "note": tags.note })).collect();
        output::json(&lines);
        return Ok(());
    }
    let rows: Vec<Vec<String>> =
        shown.map(|(run, tags)| vec![run, tags.tags.join(", "), tags.note.clone()]).collect();
    output::table(&rows);
    Ok(())
}
