//! What a run's folder holds. Nothing here fails: what is missing or half-written is told.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use palimpsest_core::stored::check_regular;
use palimpsest_core::train::RunFolder;
use serde_json::Value;

use super::metrics::{Evaluation, Head, Metrics};
use super::samples::{self, Sample};
use super::{number, recipe};
use crate::output;

/// A run as the report sees it.
pub(super) struct Run {
    /// The folder, as it was given.
    pub(super) folder: String,
    pub(super) name: String,
    pub(super) config: File<String>,
    pub(super) recipe: toml::Table,
    pub(super) hash: Option<String>,
    /// Dotted keys and their values.
    pub(super) environment: File<Vec<(String, String)>>,
    /// The words after the program's name that started it.
    pub(super) command: Vec<String>,
    pub(super) summary: File<Value>,
    pub(super) metrics: Metrics,
    pub(super) samples: Vec<Sample>,
    /// Warnings and errors of the log, with how often each came.
    pub(super) warnings: File<Vec<(String, usize)>>,
    /// Steps that weren't finite.
    pub(super) failures: Vec<u64>,
    /// Whether a process trains it. The folder's files don't tell.
    pub(super) running: bool,
    written: Option<u64>,
}

/// A file's content, or a sentence that says why there is none.
pub(super) type File<T> = Result<T, String>;

impl Run {
    /// Reads a folder.
    pub(super) fn read(folder: &RunFolder) -> Self {
        let config = text(folder, "config.toml");
        let recipe: toml::Table = config.as_deref().unwrap_or_default().parse().unwrap_or_default();
        let file_name = folder.root().file_name().map(|name| name.to_string_lossy().into_owned());
        let name = recipe.get("name").and_then(toml::Value::as_str).map(ToOwned::to_owned);
        let hash = config.as_deref().unwrap_or_default().lines().next().and_then(|line| {
            let hash = line.strip_prefix('#')?.rsplit("hash ").next()?.trim();
            (!hash.is_empty() && hash.chars().all(|c| c.is_ascii_hexdigit())).then(|| hash.to_owned())
        });
        let environment = json(folder, "env.json");
        let words = environment.as_ref().ok().and_then(|value| value["command"].as_array());
        let words = words.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        Self {
            command: words.collect(),
            folder: folder.root().display().to_string(),
            name: name.or(file_name).unwrap_or_else(|| "run".to_owned()),
            recipe,
            hash,
            environment: environment.map(|value| {
                let mut entries = vec![];
                flatten("", &value, &mut entries);
                entries
            }),
            summary: json(folder, "summary.json"),
            metrics: Metrics::new(folder.metrics().unwrap_or_default()),
            samples: samples::list(&folder.path("samples")),
            warnings: text(folder, "train.log").map(|log| warnings(&log)),
            running: false,
            failures: failures(&folder.path("failure")),
            written: modified(&folder.path("config.toml")),
            config,
        }
    }

    /// With whether a process trains it.
    pub(super) fn at_work(self, running: bool) -> Self {
        Self { running, ..self }
    }

    /// The first of `keys` in the environment: a whole key, or the end of one.
    pub(super) fn environment(&self, keys: &[&str]) -> Option<&str> {
        let entries = self.environment.as_deref().unwrap_or_default();
        keys.iter().find_map(|wanted| {
            let ends = |key: &str| key == *wanted || key.ends_with(&format!(".{wanted}"));
            entries.iter().find(|(key, _)| ends(key)).map(|(_, value)| value.as_str())
        })
    }

    /// When the run began.
    pub(super) fn date(&self) -> String {
        let found = self.environment(&["date", "started", "start", "time", "timestamp"]);
        match (found, found.and_then(|text| text.parse::<f64>().ok()), self.written) {
            (_, Some(unix), _) => number::date(unix as u64),
            (Some(text), None, _) => number::plain_date(text),
            (None, None, Some(written)) => number::date(written),
            (None, None, None) => number::UNKNOWN.to_owned(),
        }
    }

    /// A number of the summary, or the median of what the steps logged.
    pub(super) fn measured(&self, name: &str) -> Option<f64> {
        let summary = self.summary.as_ref().ok().and_then(|summary| summary[name].as_f64());
        summary.or_else(|| self.metrics.median(name))
    }

    /// Steps done.
    pub(super) fn steps(&self) -> Option<u64> {
        let summary = self.summary.as_ref().ok().and_then(|summary| summary["steps"].as_u64());
        summary.or_else(|| self.metrics.end().map(|(step, _)| step))
    }

    /// Epochs done.
    pub(super) fn epochs(&self) -> Option<f64> {
        let summary = self.summary.as_ref().ok().and_then(|summary| summary["epochs"].as_f64());
        summary.or_else(|| self.metrics.end().map(|(_, epoch)| epoch)).filter(|epoch| epoch.is_finite())
    }

    /// Whether the run came to its end.
    pub(super) fn state(&self) -> String {
        if self.summary.is_ok() {
            return "finished".to_owned();
        }
        if let Some(step) = self.failures.last() {
            return format!("stopped: step {} was not finite", number::count(*step));
        }
        let stands = if self.running { "running" } else { "not finished" };
        let wanted = recipe::number(&self.recipe, "train.epochs");
        match (self.epochs(), wanted, recipe::number(&self.recipe, "train.steps")) {
            (Some(done), Some(wanted), Some(0.0) | None) => {
                format!("{stands}: epoch {} of {}", number::short(done, 3), number::short(wanted, 4))
            }
            _ => stands.to_owned(),
        }
    }

    /// The results to report: of the last evaluation, or of the summary.
    pub(super) fn result(&self) -> Option<Evaluation> {
        let mut last = self.metrics.evaluations.last().cloned().or_else(|| {
            let summary = self.summary.as_ref().ok()?;
            summary["eval"].is_object().then(|| {
                Evaluation::new(
                    self.steps().unwrap_or(0),
                    self.epochs().unwrap_or(f64::NAN),
                    &summary["eval"],
                )
            })
        })?;
        if last.random.is_empty() {
            // The random initialisation is the same throughout: it may be measured once only.
            let before = self.metrics.evaluations.iter().rev().map(|e| &e.random).find(|r| !r.is_empty());
            last.random = before.cloned().unwrap_or_default();
        }
        (!last.pretrained.is_empty()).then_some(last)
    }
}

impl Evaluation {
    /// A head's accuracy on the random initialisation.
    pub(super) fn baseline(&self, head: &str) -> Option<f64> {
        accuracy(&self.random, head)
    }
}

/// A head's accuracy.
pub(super) fn accuracy(heads: &[Head], name: &str) -> Option<f64> {
    heads.iter().find(|head| head.name == name).map(|head| head.accuracy).filter(|a| a.is_finite())
}

fn text(folder: &RunFolder, name: &str) -> File<String> {
    let path = folder.path(name);
    check_regular(&path).map_err(|e| format!("{name} {}.", e.message()))?;
    match fs::read(path) {
        Ok(data) => Ok(String::from_utf8_lossy(&data).into_owned()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(format!("{name} is missing.")),
        Err(e) => Err(format!("{name} can't be read: {e}.")),
    }
}

fn json(folder: &RunFolder, name: &str) -> File<Value> {
    let value = serde_json::from_str(&text(folder, name)?);
    value.map_err(|e| format!("{name} is half-written or no JSON: {e}."))
}

fn flatten(prefix: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, out);
            }
        }
        Value::Array(values) => {
            let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            out.push((prefix.to_owned(), values.iter().map(plain).collect::<Vec<_>>().join(", ")));
        }
        Value::String(text) => out.push((prefix.to_owned(), text.clone())),
        Value::Null => out.push((prefix.to_owned(), number::UNKNOWN.to_owned())),
        value => out.push((prefix.to_owned(), output::rounded(value.clone()).to_string())),
    }
}

fn warnings(log: &str) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = vec![];
    for line in log.lines() {
        let lower = line.to_lowercase();
        if !lower.contains("warn") && !lower.contains("error") {
            continue;
        }
        match found.iter_mut().find(|(known, _)| known == line.trim()) {
            Some((_, times)) => *times += 1,
            None => found.push((line.trim().to_owned(), 1)),
        }
    }
    found
}

fn failures(folder: &Path) -> Vec<u64> {
    let names =
        fs::read_dir(folder).into_iter().flatten().filter_map(|e| e.ok()?.file_name().into_string().ok());
    let mut steps: Vec<u64> = names.filter_map(|name| name.strip_prefix("step-")?.parse().ok()).collect();
    steps.sort_unstable();
    steps
}

fn modified(path: &Path) -> Option<u64> {
    let time = fs::metadata(path).ok()?.modified().ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}
