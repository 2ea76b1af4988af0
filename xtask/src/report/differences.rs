//! In what runs differ, for the terminal.

use palimpsest_core::recipe::ignored_by_hash;
use palimpsest_core::train::RunFolder;
use serde::Serialize;

use super::load::{Run, accuracy};
use super::{number, recipe};

/// What differs among runs, and what they reached. Each list has a value for every run, in their order.
#[derive(Debug, Serialize)]
pub(crate) struct Differences {
    /// The runs' folders.
    pub(crate) runs: Vec<String>,
    /// Keys of the recipe that decide the weights.
    pub(crate) decisive: Vec<Row>,
    /// Keys that leave the weights alone.
    pub(crate) other: Vec<Row>,
    /// Program, machine and data.
    pub(crate) environment: Vec<Row>,
    pub(crate) scores: Vec<HeadScores>,
    /// The logged loss at steps that all runs have, the last one among them.
    pub(crate) loss: Vec<LossAt>,
}

/// A key and its values; `–` where a run has none.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

/// A head's accuracies, of the trained and of random weights.
#[derive(Debug, Serialize)]
pub(crate) struct HeadScores {
    pub(crate) head: String,
    pub(crate) pretrained: Vec<Option<f64>>,
    pub(crate) random: Vec<Option<f64>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct LossAt {
    pub(crate) step: u64,
    pub(crate) values: Vec<f64>,
}

/// Steps at which the losses are told.
const TOLD: usize = 8;

/// What is another one in every run and makes no difference.
const OF_EACH: [&str; 4] = ["started", "command", "resumed", "processes.agent"];

impl Differences {
    pub(crate) fn of(folders: &[RunFolder]) -> Self {
        let runs: Vec<Run> = folders.iter().map(Run::read).collect();
        let recipes: Vec<Vec<(String, String)>> =
            runs.iter().map(|run| recipe::flatten(&run.recipe)).collect();
        let (other, decisive) = differing(&recipes).into_iter().partition(|row| ignored_by_hash(&row.key));
        let environments: Vec<Vec<(String, String)>> =
            runs.iter().map(|run| run.environment.clone().unwrap_or_default()).collect();
        let mut environment = differing(&environments);
        environment.retain(|row| !OF_EACH.contains(&row.key.as_str()));
        Self {
            decisive,
            other,
            environment,
            scores: scores(&runs),
            loss: losses(&runs),
            runs: runs.into_iter().map(|run| run.folder).collect(),
        }
    }
}

/// The keys whose values are not the same in all.
fn differing(all: &[Vec<(String, String)>]) -> Vec<Row> {
    let mut keys: Vec<&String> = all.iter().flatten().map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys.dedup();
    let row = |key: &String| {
        let of = |pairs: &Vec<(String, String)>| {
            let found = pairs.iter().find(|(known, _)| known == key);
            found.map_or_else(|| number::UNKNOWN.to_owned(), |(_, value)| value.clone())
        };
        Row { key: key.clone(), values: all.iter().map(of).collect() }
    };
    keys.into_iter().map(row).filter(|row| row.values.iter().any(|value| *value != row.values[0])).collect()
}

fn scores(runs: &[Run]) -> Vec<HeadScores> {
    let results: Vec<_> = runs.iter().map(Run::result).collect();
    let mut heads: Vec<String> = vec![];
    for head in results.iter().flatten().flat_map(|result| &result.pretrained) {
        if !heads.contains(&head.name) {
            heads.push(head.name.clone());
        }
    }
    let of = |head: String| HeadScores {
        pretrained: results.iter().map(|r| accuracy(&r.as_ref()?.pretrained, &head)).collect(),
        random: results.iter().map(|r| r.as_ref()?.baseline(&head)).collect(),
        head,
    };
    heads.into_iter().map(of).collect()
}

fn losses(runs: &[Run]) -> Vec<LossAt> {
    let series: Vec<Vec<(u64, f64)>> = runs
        .iter()
        .map(|run| {
            let points = run.metrics.series("loss").points;
            points.iter().filter(|p| p.value.is_finite()).map(|p| (p.step as u64, p.value)).collect()
        })
        .collect();
    let at = |points: &Vec<(u64, f64)>, step: u64| {
        points.binary_search_by_key(&step, |(step, _)| *step).ok().map(|i| points[i].1)
    };
    let Some(first) = series.first() else { return vec![] };
    let common: Vec<LossAt> = first
        .iter()
        .filter_map(|(step, _)| {
            let values: Option<Vec<f64>> = series.iter().map(|points| at(points, *step)).collect();
            Some(LossAt { step: *step, values: values? })
        })
        .collect();
    // Evenly, and the last one.
    let every = common.len().div_ceil(TOLD).max(1);
    let last = common.len().saturating_sub(1);
    common.into_iter().enumerate().filter(|(i, _)| (last - i).is_multiple_of(every)).map(|(_, l)| l).collect()
}
