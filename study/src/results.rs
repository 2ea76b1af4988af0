//! Everything that a study shows, together.

use palimpsest_core::Result;
use serde::Serialize;

use crate::archive::Found;
use crate::comparison::{Judged, judge};
use crate::interaction::{Interaction, interactions};
use crate::levels::{LevelRow, levels};
use crate::plan::Plan;
use crate::relation::{Relation, relations};
use crate::scores::{Cost, Scores};
use crate::summary::{Row, rows};

/// What a study shows.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    /// The study's name.
    pub study: String,
    /// What it asks.
    pub title: String,
    /// The measures.
    pub measures: Vec<String>,
    /// The figure of each measure, as `accuracy`.
    pub figures: Vec<Option<String>>,
    /// Cells in words, with their grids.
    pub cells: Vec<CellName>,
    /// Seeds of pre-training.
    pub seeds: Vec<u64>,
    /// Mean cost of a trial of each cell.
    pub costs: Vec<Option<MeanCost>>,
    /// A row for each cell and measure.
    pub rows: Vec<Row>,
    /// A row for each level of each axis and measure.
    pub levels: Vec<LevelRow>,
    /// The declared comparisons.
    pub comparisons: Vec<Judged>,
    /// The declared interactions.
    pub interactions: Vec<Interaction>,
    /// The declared relations.
    pub relations: Vec<Relation>,
}

/// A cell in words.
#[derive(Debug, Clone, Serialize)]
pub struct CellName {
    /// Its grid.
    pub grid: String,
    /// Its levels by axis.
    pub levels: std::collections::BTreeMap<String, String>,
    /// Both together.
    pub name: String,
}

/// What a trial of a cell cost, on the average.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MeanCost {
    /// Images that were trained on, each as often as it came.
    pub image_steps: f64,
    /// Seconds of training.
    pub seconds: f64,
    /// Seconds with processes and measurements.
    pub all_seconds: f64,
}

impl Results {
    /// Judges what is there of a plan.
    ///
    /// # Errors
    /// A plan or scores that were changed by hand.
    pub fn of(plan: &Plan, found: &Found<'_>) -> Result<Self> {
        let scores = Scores::read(plan, found)?;
        let figure = |measure: usize| scores.cells.iter().find_map(|cell| cell.figures[measure].clone());
        let name = |cell: &crate::plan::Cell| CellName {
            grid: plan.grids[cell.grid].name.clone(),
            levels: cell.levels.clone(),
            name: plan.cell_name(cell),
        };
        Ok(Self {
            study: plan.name.clone(),
            title: plan.title.clone(),
            figures: (0..scores.measures.len()).map(figure).collect(),
            cells: plan.cells.iter().map(name).collect(),
            seeds: plan.seeds.clone(),
            costs: scores.cells.iter().map(|cell| cost(&cell.costs)).collect(),
            rows: rows(plan, &scores)?,
            levels: levels(plan, &scores)?,
            comparisons: judge(plan, &scores)?,
            interactions: interactions(plan, &scores)?,
            relations: relations(plan, &scores)?,
            measures: scores.measures,
        })
    }

    /// The row of a cell and measure.
    pub fn row(&self, cell: usize, measure: usize) -> Option<&Row> {
        // They are made cell by cell, and measure by measure.
        let found = self.rows.binary_search_by_key(&(cell, measure), |row| (row.cell, row.measure));
        found.ok().map(|at| &self.rows[at])
    }
}

fn cost(of_seeds: &[Option<Cost>]) -> Option<MeanCost> {
    let known: Vec<&Cost> = of_seeds.iter().flatten().collect();
    let mean = |pick: fn(&Cost) -> f64| known.iter().map(|cost| pick(cost)).sum::<f64>() / known.len() as f64;
    (!known.is_empty()).then(|| MeanCost {
        image_steps: mean(|cost| cost.image_steps),
        seconds: mean(|cost| cost.seconds),
        all_seconds: mean(|cost| cost.all_seconds),
    })
}
