//! What was measured, as lines of one file: small enough to be kept with a paper or moved to another machine, and a folder of
//! trials again where that is needed. Weights are not in it.

use std::collections::HashMap;
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
#[derive(Debug, Serialize, Deserialize)]
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

/// What was measured of trials: in their folders, and where those have nothing, in a study's archive.
#[derive(Debug)]
pub struct Found<'a> {
    trials: &'a Path,
    archived: HashMap<String, Line>,
}

impl<'a> Found<'a> {
    /// What lies in the folder `trials`, and in the archive of the study's folder `study`.
    ///
    /// # Errors
    /// A line of the archive that is none, with its number.
    pub fn of(trials: &'a Path, study: &Path) -> Result<Self> {
        let path = study.join(FILE);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let archived = read(&path.display().to_string(), &text)?;
        Ok(Self { trials, archived: archived.into_iter().map(|line| (line.id.clone(), line)).collect() })
    }

    /// The folder of a trial.
    pub fn folder(&self, id: &str) -> TrialFolder {
        TrialFolder::of(self.trials, id)
    }

    /// The summary of a trial's training.
    pub fn summary(&self, id: &str) -> Option<Value> {
        let archived = || self.archived.get(id).map(|line| line.summary.clone());
        self.folder(id).summary().or_else(archived)
    }

    /// What was measured of a trial.
    pub fn scores(&self, id: &str, measurement: &str) -> Option<Value> {
        let archived = || self.archived.get(id)?.scores.get(measurement).cloned();
        self.folder(id).scores(measurement).or_else(archived)
    }
}

/// The lines of the trials that are trained, in the plan's order; then those that the archive had before and that are no longer
/// of the plan. Nothing that was there is lost.
///
/// # Errors
/// What can't be put in words.
pub fn lines(plan: &Plan, found: &Found<'_>) -> Result<String> {
    let mut out = String::new();
    let mut add = |line: &Line| -> Result<()> {
        out += &serde_json::to_string(line).map_err(|e| Error::failure(e.to_string()))?;
        out.push('\n');
        Ok(())
    };
    for (trial, measurements) in plan.trials.iter().zip(plan.measurements_by_trial()) {
        let Some(summary) = found.summary(&trial.id) else { continue };
        let before = found.archived.get(&trial.id).map(|line| line.scores.clone());
        let mut scores = before.unwrap_or_default();
        for key in measurements.iter().map(|m| m.key.as_str()).chain(["trained"]) {
            scores.extend(found.scores(&trial.id, key).map(|value| (key.to_owned(), lean(value))));
        }
        add(&Line {
            id: trial.id.clone(),
            seed: trial.seed,
            cell: plan.cell_name(&plan.cells[trial.cell]),
            summary: lean(summary),
            scores,
        })?;
    }
    let mut others: Vec<&Line> =
        found.archived.values().filter(|line| plan.trials.iter().all(|trial| trial.id != line.id)).collect();
    others.sort_by(|a, b| a.id.cmp(&b.id));
    others.into_iter().try_for_each(add)?;
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

/// The lines of an archive.
///
/// # Errors
/// A line that is none, with its number.
fn read(location: &str, text: &str) -> Result<Vec<Line>> {
    let mut lines = vec![];
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let refused = |why: String| {
            Error::user(why)
                .at(format!("{location}:{}", number + 1))
                .help("give the file trials.jsonl as a study wrote it")
        };
        let line: Line = serde_json::from_str(line).map_err(|e| refused(format!("is no trial: {e}")))?;
        if line.id.len() != 16 || !line.id.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(refused(format!("`{}` is no trial's name", line.id)));
        }
        let plain = |key: &&String| key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if let Some(bad) = line.scores.keys().find(|key| !plain(key)) {
            return Err(refused(format!("`{bad}` is no measurement's name")));
        }
        if line.summary["steps"].as_u64().is_none() {
            return Err(refused("the trial has no summary".to_owned()));
        }
        lines.push(line);
    }
    Ok(lines)
}

/// Puts back what the folder `trials` has not: trials, and measurements of those that are trained there. A trial that was begun
/// there is left alone: its weights are others. How many trials got something.
///
/// # Errors
/// A line that is none, with its number, before anything is written; a folder that can't be written.
pub fn restore(location: &str, text: &str, trials: &Path) -> Result<usize> {
    let mut restored = 0;
    for line in read(location, text)? {
        let folder = TrialFolder::of(trials, &line.id);
        let begun = folder.path("run/config.toml").exists() && !folder.is_trained();
        let lacks = |key: &&String| folder.scores(key).is_none();
        if begun || (folder.is_trained() && !line.scores.keys().any(|key| lacks(&key))) {
            continue;
        }
        let Some(_claim) = folder.claim()? else { continue };
        for (key, scores) in &line.scores {
            if lacks(&key) {
                folder.keep_scores(key, scores)?;
            }
        }
        if !folder.is_trained() {
            let run = folder.path("run");
            std::fs::create_dir_all(&run).map_err(|e| Error::io(&run, &e))?;
            // Last: with it, the trial is trained.
            write_atomically(&run.join("summary.json"), format!("{:#}\n", line.summary).as_bytes())?;
        }
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
