//! What a run can be asked for by a key: facts, scores, tags, and the keys of its recipe.

use std::borrow::Cow;
use std::cmp::Ordering;

use palimpsest_core::error::{listed, nearest};
use palimpsest_core::teacher::AVERAGE;
use palimpsest_core::{Error, Result};
use serde_json::json;

use super::{Listed, Runs};
use crate::output;
use crate::report::{FACTS, date};

/// A run's value of a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Number(f64),
    /// A share, told in per cent.
    Share(f64),
    Text(Cow<'a, str>),
    Words(&'a [String]),
}

/// Keys that are neither scores nor of the recipe, besides the facts of `run show`.
const OWN: [&str; 12] =
    ["run", "name", "recipe", "state", "steps", "total", "epochs", "loss", "size", "changed", "tags", "note"];

impl Runs {
    /// A run's value of a key.
    pub(crate) fn value<'a>(&'a self, run: &'a Listed, key: &str) -> Option<Value<'a>> {
        let overview = &run.overview;
        let text = |text: &'a str| Some(Value::Text(text.into())).filter(|_| !text.is_empty());
        let count = |count: Option<u64>| count.map(|count| Value::Number(count as f64));
        match key {
            "run" => text(&overview.run),
            "name" => text(&overview.name),
            "recipe" => text(&overview.recipe),
            "state" => text(overview.state_word()),
            "steps" => count(overview.steps),
            "total" => count(overview.total),
            "epochs" => overview.epochs.map(Value::Number),
            "loss" => overview.loss.map(Value::Number),
            "size" => Some(Value::Number(overview.bytes as f64)),
            "changed" => Some(Value::Text(date(run.changed).into())),
            "tags" => Some(Value::Words(&run.tags.tags)),
            "note" => text(&run.tags.note),
            key if FACTS.contains(&key) => overview.facts.get(key).map(|fact| Value::Text(fact.into())),
            key => self.score(run, key).or_else(|| self.setting(run, key)),
        }
    }

    /// `knn` and `score.knn`, `random.knn`, what pre-training gained over it; and what `eval` left.
    fn score<'a>(&self, run: &Listed, key: &str) -> Option<Value<'a>> {
        let of = |name: &str| run.overview.scores.iter().find(|score| score.head == name);
        let found = match key.split_once('.') {
            None => of(key)?.pretrained,
            Some(("score", head)) => of(head)?.pretrained,
            Some(("random", head)) => of(head)?.random,
            Some(("gain", head)) => {
                let score = of(head)?;
                score.pretrained.zip(score.random).map(|(own, random)| own - random)
            }
            Some(("eval", figure)) => {
                let value = *run.evaluations.get(figure)?;
                return Some(Value::Number(value));
            }
            Some(_) => None,
        };
        found.map(Value::Share)
    }

    fn setting<'a>(&'a self, run: &Listed, key: &str) -> Option<Value<'a>> {
        let pairs = run.settings.iter().map(|&place| &self.pairs[place as usize]);
        let text = &pairs.into_iter().find(|(known, _)| known == key)?.1;
        Some(match text.parse::<f64>() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::Text(text.into()),
        })
    }

    /// The files that a run's targets name as teachers.
    pub(crate) fn teachers<'a>(&'a self, run: &'a Listed) -> impl Iterator<Item = &'a str> {
        let pairs = run.settings.iter().map(|&place| &self.pairs[place as usize]);
        let teachers =
            pairs.filter(|(key, _)| key.starts_with("objective.") && key.ends_with(".target.teacher"));
        teachers.map(|(_, file)| &**file).filter(|file| *file != AVERAGE)
    }

    /// Every key that a run of these has a value of, or could have.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = OWN.iter().chain(&FACTS).map(|key| (*key).to_owned()).collect();
        for head in self.heads() {
            keys.extend(["score.", "random.", "gain."].map(|side| format!("{side}{head}")));
            keys.push(head);
        }
        let evaluations = self.runs.iter().flat_map(|run| run.evaluations.keys());
        keys.extend(evaluations.map(|figure| format!("eval.{figure}")));
        keys.extend(self.pairs.iter().map(|(key, _)| key.clone()));
        keys.sort();
        keys.dedup();
        keys
    }

    /// The heads that any run has a score of, in the order of their names.
    pub(crate) fn heads(&self) -> Vec<String> {
        let scores = self.runs.iter().flat_map(|run| &run.overview.scores);
        let mut heads: Vec<String> = scores.map(|score| score.head.clone()).collect();
        heads.sort();
        heads.dedup();
        heads
    }

    /// That some run has this key.
    ///
    /// # Errors
    /// None has: the nearest keys.
    pub(crate) fn check(&self, key: &str) -> Result<()> {
        let keys = self.keys();
        if self.runs.is_empty() || keys.iter().any(|known| known == key) {
            return Ok(());
        }
        // `lr` is meant for `optimizer.lr`.
        let called: Vec<&str> = keys
            .iter()
            .filter(|known| known.rsplit_once('.').is_some_and(|(_, last)| last == key))
            .map(String::as_str)
            .collect();
        let near = nearest(key, keys.iter().map(String::as_str));
        let help = match (called.as_slice(), near) {
            ([], Some(near)) => format!("did you mean `{near}`?"),
            ([], None) => format!(
                "there are {}, scores ({}) and the keys of recipes",
                listed(&OWN),
                listed(&self.heads())
            ),
            (called, _) => format!("did you mean `{}`?", called.join("` or `")),
        };
        Err(Error::user(format!("no run has a key `{key}`")).help(help))
    }
}

impl Value<'_> {
    /// The value as a number, where it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) | Self::Share(number) => Some(*number).filter(|number| !number.is_nan()),
            Self::Text(_) | Self::Words(_) => None,
        }
    }

    /// The value as a cell of a table.
    pub(crate) fn shown(&self, key: &str) -> String {
        match self {
            Self::Share(share) if key.starts_with("gain.") => format!("{:+.2} %", 100.0 * share),
            Self::Share(share) => format!("{:.2} %", 100.0 * share),
            Self::Number(bytes) if key == "size" => format!("{:.1} MB", bytes / 1e6),
            Self::Number(number) if key == "loss" => output::figure(*number),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.to_string(),
            Self::Words(words) => words.join(", "),
        }
    }

    /// The value for JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Self::Number(number) | Self::Share(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                json!(*number as i64)
            }
            Self::Number(number) | Self::Share(number) => json!(number),
            Self::Text(text) => json!(text),
            Self::Words(words) => json!(words),
        }
    }

    /// Numbers by their size, before texts by their letters.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.shown("").cmp(&other.shown("")),
        }
    }
}
