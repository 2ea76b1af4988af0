//! A row for each cell and measure: how good it is, and how sure that is.

use palimpsest_core::{Error, Result};
use palimpsest_statistics::{
    Accuracy, Bootstrap, Interval, VarianceComponents, interquartile_mean, mean_interval, variance_components,
};
use serde::Serialize;

use crate::plan::Plan;
use crate::scores::Scores;

/// The coverage of intervals.
pub const LEVEL: f64 = 0.95;

/// A measure of a cell, over seeds of pre-training.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The cell's place in the plan.
    pub cell: usize,
    /// The measure's place.
    pub measure: usize,
    /// Scores by seed of pre-training, each the mean over the head's seeds; null where there is none yet.
    pub by_seed: Vec<Option<f64>>,
    /// How many seeds of pre-training are measured.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, of two or more.
    pub deviation: Option<f64>,
    /// Student's interval of the mean over seeds of pre-training: what another set of seeds would give. It says nothing about
    /// other test images.
    pub interval: Option<Range>,
    /// The mean of the middle half of the scores, of four or more seeds.
    pub interquartile_mean: Option<f64>,
    /// Its bootstrap interval.
    pub interquartile_interval: Option<Range>,
    /// Wilson's interval of the mean accuracy over the test images: what other test images would give the same weights. It is no
    /// part of the interval over seeds, and the two are never added.
    pub test_interval: Option<Range>,
    /// Test images.
    pub images: Option<u64>,
    /// Variance of pre-training's seeds and of the head's, where the head has several.
    pub variance: Option<Variance>,
}

/// Two ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Range {
    /// The lower.
    pub low: f64,
    /// The upper.
    pub high: f64,
}

impl From<Interval> for Range {
    fn from(interval: Interval) -> Self {
        Self { low: interval.low, high: interval.high }
    }
}

/// Where the spread of scores comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Variance {
    /// Variance between seeds of pre-training.
    pub pretraining: f64,
    /// Variance between seeds of the head, of one pre-training.
    pub head: f64,
    /// The share of pre-training.
    pub share: Option<f64>,
    /// Whether the estimate of pre-training's was below zero, and was cut there.
    pub cut: bool,
}

impl From<VarianceComponents> for Variance {
    fn from(found: VarianceComponents) -> Self {
        Self {
            pretraining: found.between,
            head: found.within,
            share: found.share_between,
            cut: found.between_uncut < 0.0,
        }
    }
}

/// An error of a statistic.
pub(crate) fn refused(error: palimpsest_statistics::Error) -> Error {
    Error::failure(error.to_string())
}

/// The rows of a study: of each cell, each measure that has a score.
///
/// # Errors
/// Scores that are no numbers.
pub fn rows(plan: &Plan, scores: &Scores) -> Result<Vec<Row>> {
    let mut rows = vec![];
    for cell in 0..plan.cells.len() {
        for measure in 0..scores.measures.len() {
            rows.extend(row(scores, cell, measure).map_err(refused)?);
        }
    }
    Ok(rows)
}

fn row(scores: &Scores, cell: usize, measure: usize) -> Result<Option<Row>, palimpsest_statistics::Error> {
    let of_cell = &scores.cells[cell];
    let values = scores.by_seed(cell, measure);
    if values.is_empty() {
        return Ok(None);
    }
    let mean = mean_interval(&values, LEVEL)?;
    let (mut middle, mut middle_interval) = (None, None);
    if values.len() >= 4 {
        let bootstrap = Bootstrap { draws: palimpsest_statistics::Draws::default(), level: LEVEL };
        let found =
            bootstrap.interval(&[&values], |strata| interquartile_mean(&strata[0]).unwrap_or(f64::NAN))?;
        (middle, middle_interval) = (Some(found.estimate), Some(found.interval.into()));
    }
    let images = of_cell.images[measure].filter(|images| *images > 0);
    let test_interval = match images {
        Some(images) if (0.0..=1.0).contains(&mean.mean) => {
            let correct = (mean.mean * images as f64).round() as u64;
            Some(Accuracy { correct, images }.interval(LEVEL)?.into())
        }
        _ => None,
    };
    let groups: Vec<&Vec<f64>> = of_cell.scores[measure].iter().filter(|group| !group.is_empty()).collect();
    let several = groups.len() >= 2 && groups.iter().any(|group| group.len() >= 2);
    let variance = if several { Some(variance_components(&groups)?.into()) } else { None };
    let seeds = of_cell.scores[measure].len();
    Ok(Some(Row {
        cell,
        measure,
        by_seed: (0..seeds).map(|seed| scores.of(cell, measure, seed)).collect(),
        n: mean.n,
        mean: mean.mean,
        deviation: mean.deviation,
        interval: mean.interval.map(Range::from),
        interquartile_mean: middle,
        interquartile_interval: middle_interval,
        test_interval,
        images,
        variance,
    }))
}
