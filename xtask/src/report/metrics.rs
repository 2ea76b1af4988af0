//! The lines of `metrics.jsonl`: curves, evaluations, and where the time went.

use palimpsest_core::head::PartSize;
use serde_json::Value;

use super::number::short;
use super::series::{Point, Series};

/// What a run logged, ordered by step.
#[derive(Default)]
pub(super) struct Metrics {
    training: Vec<Value>,
    pub(super) evaluations: Vec<Evaluation>,
}

/// One evaluation of the frozen features.
#[derive(Debug, Clone)]
pub(super) struct Evaluation {
    pub(super) step: u64,
    pub(super) epoch: f64,
    pub(super) pretrained: Vec<Head>,
    pub(super) random: Vec<Head>,
}

/// What a head reached.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) accuracy: f64,
    /// Its other numbers and settings, `key value` each.
    pub(super) rest: Vec<String>,
}

impl Metrics {
    /// From the lines of the file. A step that comes again replaces what came after it: the run was
    /// resumed there.
    pub(super) fn new(lines: Vec<Value>) -> Self {
        let mut metrics = Self::default();
        for line in lines {
            let Some(step) = line["step"].as_u64() else { continue };
            if line["eval"].is_object() {
                while metrics.evaluations.last().is_some_and(|last| last.step >= step) {
                    metrics.evaluations.pop();
                }
                let epoch = number(&line["epoch"]).unwrap_or(f64::NAN);
                metrics.evaluations.push(Evaluation::new(step, epoch, &line["eval"]));
            } else {
                while metrics.training.last().is_some_and(|last| last["step"].as_u64() >= Some(step)) {
                    metrics.training.pop();
                }
                metrics.training.push(line);
            }
        }
        metrics
    }

    /// Whether nothing of the training was logged.
    pub(super) fn is_empty(&self) -> bool {
        self.training.is_empty()
    }

    /// The last logged step and epoch.
    pub(super) fn end(&self) -> Option<(u64, f64)> {
        let line = self.training.last()?;
        Some((line["step"].as_u64()?, number(&line["epoch"]).unwrap_or(f64::NAN)))
    }

    /// The names of everything that has a curve, in the order in which they came.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = vec![];
        for line in self.training.iter().filter_map(Value::as_object) {
            for (name, value) in line {
                let known = matches!(name.as_str(), "step" | "epoch") || names.contains(name);
                if !known && (value.is_number() || value.is_null()) {
                    names.push(name.clone());
                }
            }
        }
        names
    }

    /// The curve of a name. JSON has no numbers that aren't finite; they are logged as null.
    pub(super) fn series(&self, name: &str) -> Series {
        let point = |line: &Value| {
            Some(Point {
                step: line["step"].as_f64()?,
                epoch: number(&line["epoch"]).unwrap_or(f64::NAN),
                value: number(line.get(name)?)?,
            })
        };
        Series { points: self.training.iter().filter_map(point).collect() }
    }

    /// The median of a metric.
    pub(super) fn median(&self, name: &str) -> Option<f64> {
        self.recent(name, usize::MAX)
    }

    /// The median of a metric over its last values.
    pub(super) fn recent(&self, name: &str, last: usize) -> Option<f64> {
        let points = self.series(name).points;
        let mut values: Vec<f64> = points.iter().rev().take(last).map(|p| p.value).collect();
        values.retain(|v| v.is_finite());
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// Seconds by phase over the logged steps, from `"phases": {NAME: SECONDS}` or `"phase/NAME"`.
    pub(super) fn phases(&self) -> Vec<(String, f64)> {
        let mut sums: Vec<(String, f64)> = vec![];
        let mut add = |name: &str, value: &Value| {
            let Some(seconds) = value.as_f64().filter(|s| s.is_finite() && *s >= 0.0) else { return };
            match sums.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += seconds,
                None => sums.push((name.to_owned(), seconds)),
            }
        };
        for line in self.training.iter().filter_map(Value::as_object) {
            for (name, value) in line {
                if let Some(name) = name.strip_prefix("phase/") {
                    add(name, value);
                } else if name == "phases" {
                    value.as_object().into_iter().flatten().for_each(|(name, value)| add(name, value));
                }
            }
        }
        // In the order of a step; JSON's objects are sorted by name.
        let order = ["data", "corruption", "forward", "backward", "optimiser"];
        sums.sort_by_key(|(name, _)| order.iter().position(|known| known == name).unwrap_or(order.len()));
        sums.retain(|(_, seconds)| *seconds > 0.0);
        sums
    }
}

impl Metrics {
    /// How many lines tell the phases.
    pub(super) fn steps_with_phases(&self) -> usize {
        let tells = |line: &&Value| {
            line.as_object().is_some_and(|line| line.keys().any(|k| k == "phases" || k.starts_with("phase/")))
        };
        self.training.iter().filter(tells).count().max(1)
    }
}

impl Evaluation {
    /// From `{"pretrained": {HEAD: {"accuracy": …, …}}, "random": {…}}`.
    pub(super) fn new(step: u64, epoch: f64, value: &Value) -> Self {
        let side = |name: &str| {
            let heads = value[name].as_object().into_iter().flatten();
            heads.map(|(name, value)| Head::new(name, value)).collect()
        };
        Self { step, epoch, pretrained: side("pretrained"), random: side("random") }
    }
}

/// What a head was fitted or scored on. Runs of older versions don't tell how many images the part has.
fn part_size(value: &Value) -> Option<PartSize> {
    value["images"].as_u64()?;
    let size: PartSize = serde_json::from_value(value.clone()).ok()?;
    Some(PartSize { of: size.of.max(size.images), ..size })
}

impl Head {
    fn new(name: &str, value: &Value) -> Self {
        let accuracy = number(value).or_else(|| number(&value["accuracy"])).unwrap_or(f64::NAN);
        let rest = value.as_object().into_iter().flatten().filter(|(key, _)| *key != "accuracy");
        let rest = rest.map(|(key, value)| match (value.as_str(), part_size(value)) {
            (Some(text), _) => format!("{key} {text}"),
            (None, Some(size)) => format!("{key} {size}"),
            _ => format!("{key} {}", plain(value)),
        });
        Self { name: name.to_owned(), accuracy, rest: rest.collect() }
    }
}

/// A value as people read it: numbers with four digits that count, lists and tables of them.
fn plain(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(String::new, |v| short(v, 4)),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            map.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect::<Vec<_>>().join(", ")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Null => Some(f64::NAN),
        _ => None,
    }
}
