//! What was measured, as lines of one file: small enough to be kept with a paper or moved to another machine, and a folder of
//! trials again where that is needed. Weights are not in it.

use std::path::Path;

use palimpsest_core::stored::write_atomically;
use palimpsest_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::plan::Plan;
use crate::trial::TrialFolder;

/// The file's name in a study's folder.
pub const FILE: &str = "trials.jsonl";

/// A line.
#[derive(Serialize, Deserialize)]
struct Line {
    id: String,
    seed: u64,
    /// The cell in words, for people.
    cell: String,
    /// The summary of its training.
    summary: Value,
    /// What was measured, by the measurement's name.
    scores: Map<String, Value>,
}

/// The lines of the trials that are trained, in the plan's order.
///
/// # Errors
/// What can't be put in words.
pub fn lines(plan: &Plan, trials: &Path) -> Result<String> {
    let mut out = String::new();
    for (trial, measurements) in plan.trials.iter().zip(plan.measurements_by_trial()) {
        let folder = TrialFolder::of(trials, &trial.id);
        let Some(summary) = folder.summary() else { continue };
        let keys = measurements.iter().map(|m| m.key.as_str()).chain(["trained"]);
        let scores = keys.filter_map(|key| Some((key.to_owned(), lean(folder.scores(key)?))));
        let line = Line {
            id: trial.id.clone(),
            seed: trial.seed,
            cell: plan.cell_name(&plan.cells[trial.cell]),
            summary: lean(summary),
            scores: scores.collect(),
        };
        out += &serde_json::to_string(&line).map_err(|e| Error::failure(e.to_string()))?;
        out.push('\n');
    }
    Ok(out)
}

/// Without what belongs to a machine, and without lists of classes that are the same in every line.
fn lean(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept =
                map.into_iter().filter(|(key, _)| !["run", "runs", "by_class"].contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key, lean(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(lean).collect()),
        other => other,
    }
}

/// Puts trials back that the folder `trials` has not; how many.
///
/// # Errors
/// A line that is none, with its number; a folder that can't be written.
pub fn restore(location: &str, text: &str, trials: &Path) -> Result<usize> {
    let mut restored = 0;
    for (number, line) in text.lines().enumerate() {
        let place = || format!("{location}:{}", number + 1);
        let line: Line = serde_json::from_str(line).map_err(|e| {
            Error::user(format!("is no trial: {e}")).at(place()).help("give the file trials.jsonl of a study")
        })?;
        if line.id.len() != 16 || !line.id.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(Error::user(format!("`{}` is no trial's name", line.id))
                .at(place())
                .help("give the file as a study wrote it"));
        }
        if let Some(bad) = line
            .scores
            .keys()
            .find(|key| !key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
        {
            return Err(Error::user(format!("`{bad}` is no measurement's name"))
                .at(place())
                .help("give the file as a study wrote it"));
        }
        let folder = TrialFolder::of(trials, &line.id);
        if folder.is_trained() {
            continue;
        }
        let Some(_claim) = folder.claim()? else { continue };
        for (key, scores) in &line.scores {
            folder.keep_scores(key, scores)?;
        }
        let run = folder.path("run");
        std::fs::create_dir_all(&run).map_err(|e| Error::io(&run, &e))?;
        // Last: with it, the trial is trained.
        write_atomically(&run.join("summary.json"), format!("{:#}\n", line.summary).as_bytes())?;
        restored += 1;
    }
    Ok(restored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "0123456789abcdef";

    #[test]
    fn a_trial_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let line = json!({ "id": ID, "seed": 3, "cell": "x", "summary": { "steps": 5 }, "scores": { "knn-1": { "seconds": 2.0 } } });
        assert_eq!(restore("t", &format!("{line}\n"), folder.path()).expect("room"), 1);
        assert_eq!(restore("t", &format!("{line}\n"), folder.path()).expect("there already"), 0);
        let trial = TrialFolder::of(folder.path(), ID);
        assert_eq!(trial.summary(), Some(json!({ "steps": 5 })));
        assert_eq!(trial.scores("knn-1"), Some(json!({ "seconds": 2.0 })));
        assert!(
            restore("t", "{}\n", folder.path())
                .expect_err("no trial")
                .to_string()
                .starts_with("t:1: is no trial")
        );
        let outside = line.to_string().replace(ID, "../../../outside");
        assert!(restore("t", &outside, folder.path()).is_err());
        let outside = line.to_string().replace("knn-1", "../knn");
        assert!(restore("t", &outside, &folder.path().join("new")).is_err());
    }

    #[test]
    fn lines_have_nothing_of_a_machine() {
        let value = json!({ "run": "/home/x", "eval": { "test": { "images": 5, "by_class": [1] } } });
        assert_eq!(lean(value), json!({ "eval": { "test": { "images": 5 } } }));
    }
}
