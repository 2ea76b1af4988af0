//! Whether one factor changes the effect of another: the difference of differences, by seed.

use palimpsest_core::Result;
use palimpsest_statistics::{Cells, Draws, hodges_lehmann, sign_flip};
use serde::Serialize;

use crate::comparison::measures;
use crate::file::DeclaredInteraction;
use crate::plan::Plan;
use crate::scores::Scores;
use crate::selection::told;
use crate::summary::{LEVEL, Range, refused};

/// An interaction by one measure.
#[derive(Debug, Clone, Serialize)]
pub struct Interaction {
    /// What it claims.
    pub name: String,
    /// The levels of the one factor, in words.
    pub first: [String; 2],
    /// The levels of the other.
    pub second: [String; 2],
    /// The measure.
    pub measure: String,
    /// Means of the four cells: neither factor changed, the first, the second, both.
    pub means: Option<[f64; 4]>,
    /// Differences of differences by seed.
    pub differences: Vec<f64>,
    /// Hodges' and Lehmann's shift of them.
    pub shift: Option<f64>,
    /// Its interval.
    pub interval: Option<Range>,
    /// p of the sign-flip test, two-sided. Interactions are no part of the declared comparisons' correction.
    pub p: Option<f64>,
}

/// Judges every declared interaction.
///
/// # Errors
/// Scores that are no numbers.
pub fn interactions(plan: &Plan, scores: &Scores) -> Result<Vec<Interaction>> {
    let mut out = vec![];
    for declared in &plan.interaction {
        let squares = plan.squares(declared)?;
        for measure in measures(&declared.heads, scores) {
            out.push(one(declared, &squares, scores, measure)?);
        }
    }
    Ok(out)
}

fn one(
    declared: &DeclaredInteraction,
    squares: &[[usize; 4]],
    scores: &Scores,
    measure: usize,
) -> Result<Interaction> {
    let seeds = scores.cells.first().map_or(0, |cell| cell.scores[measure].len());
    let corners = |square: &[usize; 4], seed: usize| -> Option<[f64; 4]> {
        let [a, b, c, d] = square.map(|cell| scores.of(cell, measure, seed));
        Some([a?, b?, c?, d?])
    };
    // By seed: the four corners, each the mean over the squares.
    let by_seed: Vec<[f64; 4]> = (0..seeds)
        .filter_map(|seed| {
            let all = squares.iter().map(|square| corners(square, seed)).collect::<Option<Vec<_>>>()?;
            Some([0, 1, 2, 3].map(|corner| all.iter().map(|c| c[corner]).sum::<f64>() / all.len() as f64))
        })
        .collect();
    let column = |corner: usize| by_seed.iter().map(|c| c[corner]).collect::<Vec<f64>>();
    let mut out = Interaction {
        name: declared.name.clone(),
        first: declared.first.each_ref().map(told),
        second: declared.second.each_ref().map(told),
        measure: scores.measures[measure].clone(),
        means: None,
        differences: vec![],
        shift: None,
        interval: None,
        p: None,
    };
    if by_seed.is_empty() {
        return Ok(out);
    }
    let columns = [column(0), column(1), column(2), column(3)];
    let cells = Cells { neither: &columns[0], first: &columns[1], second: &columns[2], both: &columns[3] };
    // What rounding leaves of equal differences is no difference.
    let clean = |d: f64| if d.abs() < 1e-11 { 0.0 } else { d };
    out.differences = cells.interaction().map_err(refused)?.into_iter().map(clean).collect();
    let found = hodges_lehmann(&out.differences, LEVEL).map_err(refused)?;
    out.means = Some([0, 1, 2, 3].map(|corner| columns[corner].iter().sum::<f64>() / by_seed.len() as f64));
    out.shift = Some(found.shift);
    out.interval = found.interval.map(|found| found.interval.into());
    out.p = Some(sign_flip(&out.differences, Draws::default()).map_err(refused)?.two_sided);
    Ok(out)
}
