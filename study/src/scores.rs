//! What was measured, by cell, measure and seed.

use palimpsest_core::Result;
use palimpsest_core::error::unknown_name;
use serde_json::Value;
use std::collections::HashMap;

use crate::archive::Found;
use crate::file::ANALYSED;
use crate::plan::{Cell, Measured, Measurement, Plan};

/// The scores of a study, as far as they are there.
#[derive(Debug, Clone)]
pub struct Scores {
    /// The measures, as tables call them.
    pub measures: Vec<String>,
    /// By cell.
    pub cells: Vec<CellScores>,
}

/// The scores of a cell.
#[derive(Debug, Clone)]
pub struct CellScores {
    /// By measure, then by seed of pre-training, in the plan's order: a score for each seed of the head; none where the trial
    /// isn't measured yet.
    pub scores: Vec<Vec<Vec<f64>>>,
    /// The figure of each measure, as `accuracy`; none before the first score.
    pub figures: Vec<Option<String>>,
    /// Test images of each measure, where it counts images.
    pub images: Vec<Option<u64>>,
    /// What training cost, by seed.
    pub costs: Vec<Option<Cost>>,
}

/// What the training of a trial cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Optimiser steps times images in a step.
    pub image_steps: f64,
    /// Seconds of training.
    pub seconds: f64,
    /// Seconds of everything: processes, training, all measurements of the trial.
    pub all_seconds: f64,
}

/// Scores out of the file of a measurement.
struct Read {
    values: Vec<f64>,
    figure: String,
    images: Option<u64>,
}

impl Scores {
    /// Reads what is there of a plan.
    ///
    /// # Errors
    /// A plan that was changed by hand.
    pub fn read(plan: &Plan, found: &Found<'_>) -> Result<Self> {
        let mut files: HashMap<(usize, String), Option<Value>> = HashMap::new();
        let mut cells = Vec::with_capacity(plan.cells.len());
        for cell in &plan.cells {
            cells.push(of_cell(plan, cell, found, &mut files)?);
        }
        Ok(Self { measures: plan.measures(), cells })
    }

    /// The place of a measure.
    pub fn measure(&self, name: &str) -> Option<usize> {
        self.measures.iter().position(|known| known == name)
    }

    /// A cell's score with a seed of pre-training: the mean over the head's seeds.
    pub fn of(&self, cell: usize, measure: usize, seed: usize) -> Option<f64> {
        mean(&self.cells[cell].scores[measure][seed])
    }

    /// A cell's scores by seed, those that are there.
    pub fn by_seed(&self, cell: usize, measure: usize) -> Vec<f64> {
        (0..self.cells[cell].scores[measure].len()).filter_map(|seed| self.of(cell, measure, seed)).collect()
    }
}

impl Plan {
    /// What is measured, as tables call it: the heads, then what an analysis gives.
    pub fn measures(&self) -> Vec<String> {
        let heads = self.heads.iter().map(|head| head.title().to_owned());
        heads.chain(self.analysis.iter().flat_map(|_| ANALYSED.map(str::to_owned))).collect()
    }
}

fn of_cell(
    plan: &Plan,
    cell: &Cell,
    found: &Found<'_>,
    files: &mut HashMap<(usize, String), Option<Value>>,
) -> Result<CellScores> {
    let measurements = plan.measurements(cell);
    let count = plan.measures().len();
    let mut of = CellScores {
        scores: vec![vec![]; count],
        figures: vec![None; count],
        images: vec![None; count],
        costs: vec![],
    };
    let mut batch = None;
    for &trial in &cell.trials {
        let id = &plan.trials[trial].id;
        let mut seconds = found.scores(id, "trained").and_then(|v| v["seconds"].as_f64());
        let mut measure = 0;
        for measurement in &measurements {
            let file = files
                .entry((trial, measurement.key.clone()))
                .or_insert_with(|| found.scores(id, &measurement.key));
            if let (Some(all), Some(file)) = (seconds.as_mut(), file.as_ref()) {
                *all += file["seconds"].as_f64().unwrap_or(0.0);
            }
            for read in read(measurement, file.as_ref()) {
                of.scores[measure].push(read.as_ref().map(|read| read.values.clone()).unwrap_or_default());
                if let Some(read) = read {
                    of.figures[measure] = Some(read.figure);
                    of.images[measure] = read.images;
                }
                measure += 1;
            }
        }
        let summary = found.summary(id);
        let cost =
            summary.and_then(|summary| Some((summary["steps"].as_f64()?, summary["seconds"].as_f64()?)));
        if cost.is_some() && batch.is_none() {
            batch = Some(plan.recipe(&plan.trials[trial])?.train.batch as f64);
        }
        of.costs.push(cost.zip(batch).map(|((steps, training), batch)| Cost {
            image_steps: steps * batch,
            seconds: training,
            all_seconds: seconds.unwrap_or(training).max(training),
        }));
    }
    Ok(of)
}

/// The scores of a measurement's file: one for a head, several for an analysis.
fn read(measurement: &Measurement<'_>, file: Option<&Value>) -> Vec<Option<Read>> {
    match measurement.what {
        Measured::Head(head) => vec![file.and_then(|file| of_head(file, head.score.as_deref()))],
        Measured::Analysis(_) => ANALYSED
            .iter()
            .map(|name| {
                let stages = file?["encoders"][0]["stages"].as_array()?;
                // The embedding, the blocks, and the last norm.
                let stage = match measurement.eval.blocks {
                    0 => stages.last()?,
                    blocks => stages.get(blocks)?,
                };
                let value = stage[name.replace(' ', "_")].as_f64()?;
                Some(Read { values: vec![value], figure: (*name).to_owned(), images: None })
            })
            .collect(),
    }
}

fn of_head(file: &Value, figure: Option<&str>) -> Option<Read> {
    let head = file["eval"]["pretrained"].as_object()?.values().next()?;
    let figure = figure.or_else(|| head["compared"].as_str())?;
    let score = |of: &Value| of[figure].as_f64().filter(|value| is_score(figure, *value));
    let values: Vec<f64> = match head["by_seed"].as_array() {
        // A mean over some of the head's seeds is another figure.
        Some(seeds) => seeds.iter().map(score).collect::<Option<_>>()?,
        None => vec![score(&Value::Object(head.as_object()?.clone()))?],
    };
    // Fewer test images than there are were drawn by the trial's seed: they aren't the same for all.
    let test = &head["test"];
    let all = test["images"] == test["of"] || test["of"].is_null();
    let images = (figure == "accuracy" && all).then(|| test["images"].as_u64()).flatten().filter(|n| *n > 0);
    (!values.is_empty()).then(|| Read { values, figure: figure.to_owned(), images })
}

/// Whether a number is a score: COCO's -1 stands for data that have nothing of the kind.
fn is_score(figure: &str, value: f64) -> bool {
    value.is_finite() && value.abs() < 1e12 && !(value == -1.0 && figure.starts_with("AP"))
}

/// Why a measurement's file holds no score, where it doesn't: the figure isn't there.
pub fn lacks(measurement: &Measurement<'_>, file: &Value) -> Option<String> {
    let Measured::Head(head) = measurement.what else { return None };
    let score = head.score.as_deref()?;
    let found = file["eval"]["pretrained"].as_object()?.values().next()?.as_object()?;
    if found.contains_key(score) {
        return None;
    }
    let figures: Vec<&str> =
        found.iter().filter(|(_, value)| value.is_number()).map(|(name, _)| name.as_str()).collect();
    Some(unknown_name("figure", score, figures).to_string())
}

/// A mean with twelve digits that count, as results are written: what is equal there is equal in every test. Of nothing, none.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (!values.is_empty()).then(|| format!("{mean:.11e}").parse().unwrap_or(mean))
}

/// A difference of such means, without what rounding adds.
pub(crate) fn difference(a: f64, b: f64) -> f64 {
    let difference = a - b;
    if difference.abs() <= 1e-11 * (a.abs() + b.abs()) { 0.0 } else { difference }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_head_with_one_seed_or_several() {
        let one = json!({ "eval": { "pretrained": { "knn": {
            "accuracy": 0.5, "top5": 0.9, "compared": "accuracy", "test": { "images": 40 } } } } });
        let read = of_head(&one, None).expect("a score");
        assert_eq!((read.values, read.figure.as_str(), read.images), (vec![0.5], "accuracy", Some(40)));
        assert_eq!(of_head(&one, Some("top5")).expect("a score").values, [0.9]);
        assert!(of_head(&one, Some("mIoU")).is_none());
        let several = json!({ "eval": { "pretrained": { "linear": { "accuracy": 0.5, "compared": "accuracy",
            "by_seed": [{ "seed": 3, "accuracy": 0.4 }, { "seed": 4, "accuracy": 0.6 }] } } } });
        assert_eq!(of_head(&several, None).expect("scores").values, [0.4, 0.6]);
        let mut half = several.clone();
        half["eval"]["pretrained"]["linear"]["by_seed"][0]["accuracy"] = Value::Null;
        assert!(of_head(&half, None).is_none());
        let nothing = json!({ "eval": { "pretrained": { "fcos": { "AP": -1.0, "compared": "AP" } } } });
        assert!(of_head(&nothing, None).is_none());
        // 20 of 40 test images, which every seed draws anew.
        let mut drawn = one.clone();
        drawn["eval"]["pretrained"]["knn"]["test"]["of"] = json!(80);
        assert_eq!(of_head(&drawn, None).expect("a score").images, None);
        assert_eq!((difference(0.3, 0.1 + 0.2), difference(0.5, 0.25)), (0.0, 0.25));
    }
}
