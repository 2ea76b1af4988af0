//! Whether one measure predicts another, over the cells of a study.

use palimpsest_core::Result;
use palimpsest_statistics::{Draws, rank_correlation};
use serde::Serialize;

use crate::plan::Plan;
use crate::scores::{Scores, mean};
use crate::summary::refused;

/// Two measures over the cells.
#[derive(Debug, Clone, Serialize)]
pub struct Relation {
    /// What it claims.
    pub name: String,
    /// The measure that predicts.
    pub x: String,
    /// What it predicts.
    pub y: String,
    /// Cells by their places, with the means of both measures over seeds.
    pub points: Vec<(usize, f64, f64)>,
    /// Spearman's rank correlation, of three cells or more that aren't all alike.
    pub rho: Option<f64>,
    /// p of: the two have nothing to do with each other; cells of one study are no random sample, so it is a guide.
    pub p: Option<f64>,
}

/// Judges every declared relation.
///
/// # Errors
/// Scores that are no numbers.
pub fn relations(plan: &Plan, scores: &Scores) -> Result<Vec<Relation>> {
    plan.relation
        .iter()
        .map(|declared| {
            let cells = plan.selected(&declared.cells)?;
            let value = |cell: usize, name: &str| mean(&scores.by_seed(cell, scores.measure(name)?));
            let mut points: Vec<(usize, f64, f64)> = vec![];
            for cell in cells {
                // One setting counts once, in however many grids it is.
                let same = |point: &&(usize, f64, f64)| plan.cells[point.0].trials == plan.cells[cell].trials;
                if points.iter().find(same).is_some() {
                    continue;
                }
                points.extend(
                    Some(cell)
                        .zip(value(cell, &declared.x))
                        .zip(value(cell, &declared.y))
                        .map(|((c, x), y)| (c, x, y)),
                );
            }
            let [x, y]: [Vec<f64>; 2] =
                [points.iter().map(|point| point.1).collect(), points.iter().map(|point| point.2).collect()];
            let found = match points.len() {
                0..=2 => None,
                _ => rank_correlation(&x, &y, Draws::default()).map_err(refused)?,
            };
            Ok(Relation {
                name: declared.name.clone(),
                x: declared.x.clone(),
                y: declared.y.clone(),
                points,
                rho: found.map(|found| found.rho),
                p: found.map(|found| found.p),
            })
        })
        .collect()
}
