//! `run show`: what a run is and where it stands.

use std::path::Path;

use palimpsest_core::Result;
use palimpsest_core::train::{RunFolder, Use};
use serde_json::json;

use crate::output;
use crate::report::{FACTS, Overview};
use crate::runs::Tags;

pub(super) fn run(folder: &Path, as_json: bool) -> Result<()> {
    let mut run = Overview::of(&RunFolder::open(folder)?);
    run.set_running(RunFolder::in_use(folder) == Use::Taken);
    let tags = Tags::of(folder)?;
    if as_json {
        let mut line = json!(run);
        line["tags"] = json!(tags.tags);
        line["note"] = json!(tags.note);
        output::json(&line);
        return Ok(());
    }
    output::line(&format!("{}: {}", run.name, run.recipe));
    let mut rows: Vec<Vec<String>> = vec![];
    let mut row = |name: &str, text: String| rows.push(vec![name.to_owned(), text]);
    row("state", run.state.clone());
    row("steps", run.progress());
    row("loss", run.loss_text());
    for (name, text) in FACTS.iter().filter_map(|name| Some((name, run.facts.get(*name)?))) {
        row(name, text.clone());
    }
    for (name, text) in [("tags", tags.tags.join(", ")), ("note", tags.note)] {
        if !text.is_empty() {
            row(name, text);
        }
    }
    let list = |steps: &[u64]| steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !run.checkpoints.is_empty() {
        row("checkpoints", format!("steps {}", list(&run.checkpoints)));
    }
    if !run.failures.is_empty() {
        row("not finite", format!("steps {}; cargo xtask run replay {}", list(&run.failures), run.run));
    }
    row("size", run.size());
    output::table(&rows);
    if !run.scores.is_empty() {
        let mut rows = vec![["accuracy", "pre-trained", "random initialisation"].map(str::to_owned).to_vec()];
        let percent = |score: Option<f64>| score.map_or("-".to_owned(), |s| format!("{:.2} %", 100.0 * s));
        for score in &run.scores {
            rows.push(vec![score.head.clone(), percent(score.pretrained), percent(score.random)]);
        }
        output::line("");
        output::table(&rows);
    }
    Ok(())
}
