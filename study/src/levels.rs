//! The levels of an axis, over everything else that a grid varies.

use palimpsest_core::Result;
use palimpsest_statistics::{Bootstrap, Draws, interquartile_mean};
use serde::Serialize;

use crate::plan::Plan;
use crate::scores::Scores;
use crate::summary::{LEVEL, Range, refused};

/// A level of an axis by one measure, over all cells of its grid that have it.
#[derive(Debug, Clone, Serialize)]
pub struct LevelRow {
    /// The grid's place.
    pub grid: usize,
    /// The axis.
    pub axis: String,
    /// The level.
    pub level: String,
    /// The measure's place.
    pub measure: usize,
    /// Scores, by cell and seed.
    pub scores: Vec<f64>,
    /// The mean of the middle half of them (Agarwal et al. 2021).
    pub interquartile_mean: f64,
    /// Its interval, by a bootstrap within cells: seeds vary, the cells are those of the study.
    pub interval: Option<Range>,
}

/// The rows of every axis of every grid.
///
/// # Errors
/// Scores that are no numbers.
pub fn levels(plan: &Plan, scores: &Scores) -> Result<Vec<LevelRow>> {
    let mut rows = vec![];
    for (number, grid) in plan.grids.iter().enumerate() {
        for (axis, names) in &grid.axes {
            for level in names {
                for measure in 0..scores.measures.len() {
                    let has = |i: &usize| {
                        let cell = &plan.cells[*i];
                        cell.grid == number && cell.levels.get(axis) == Some(level)
                    };
                    let strata: Vec<Vec<f64>> = (0..plan.cells.len())
                        .filter(has)
                        .map(|cell| scores.by_seed(cell, measure))
                        .filter(|of_cell| !of_cell.is_empty())
                        .collect();
                    if strata.is_empty() {
                        continue;
                    }
                    let middle =
                        |strata: &[Vec<f64>]| interquartile_mean(&strata.concat()).unwrap_or(f64::NAN);
                    let bootstrap =
                        Bootstrap { draws: Draws { count: 2000, ..Draws::default() }, level: LEVEL };
                    let several = strata.iter().any(|of_cell| of_cell.len() > 1);
                    let interval = match several {
                        true => Some(bootstrap.interval(&strata, middle).map_err(refused)?.interval.into()),
                        false => None,
                    };
                    rows.push(LevelRow {
                        grid: number,
                        axis: axis.clone(),
                        level: level.clone(),
                        measure,
                        interquartile_mean: middle(&strata),
                        scores: strata.concat(),
                        interval,
                    });
                }
            }
        }
    }
    Ok(rows)
}
