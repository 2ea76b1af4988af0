//! A study's plan: cells and trials, frozen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use palimpsest_core::recipe::Recipe;
use palimpsest_core::stored::write_atomically;
use palimpsest_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::declaration::Declaration;
use crate::file::{
    Analysis, Budget, Checkpoints, Declared, DeclaredInteraction, DeclaredRelation, HeadOfStudy,
};
use crate::identity::{measurement as key, sha256};
use crate::planner::resolved;

/// The name of the plan in a study's folder.
pub const FILE: &str = "plan.json";

/// A study, frozen: what is changed afterwards in the files that it was made from doesn't reach it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// The study's name.
    pub name: String,
    /// What it asks.
    pub title: String,
    /// The backend that trains.
    pub backend: String,
    /// The recipe files that cells change: path and text.
    pub recipes: BTreeMap<String, String>,
    /// Name and question of each grid.
    pub grids: Vec<GridOfPlan>,
    /// Every setting that is studied.
    pub cells: Vec<Cell>,
    /// Every cell with every seed; cells of two grids that are the same setting share their trials.
    pub trials: Vec<Trial>,
    /// Seeds of pre-training.
    pub seeds: Vec<u64>,
    /// What is measured.
    pub heads: Vec<HeadOfStudy>,
    /// Whether features are analysed.
    pub analysis: Option<Analysis>,
    /// What is compared.
    pub compare: Vec<Declared>,
    /// Interactions.
    pub interaction: Vec<DeclaredInteraction>,
    /// Relations.
    pub relation: Vec<DeclaredRelation>,
    /// When each comparison was declared.
    #[serde(default)]
    pub declared: Vec<Declaration>,
    /// Comparisons that were declared once, and are no longer.
    #[serde(default)]
    pub dropped: Vec<Declaration>,
    /// Overrides of all cells that were given on the command line.
    #[serde(default)]
    pub overrides: Vec<String>,
    /// Where trials lie, where that isn't beside the study's folder.
    #[serde(default)]
    pub trials_folder: Option<PathBuf>,
    /// What it may take.
    pub budget: Budget,
    /// Which checkpoints stay.
    pub checkpoints: Checkpoints,
    /// SHA-256 of the study's file.
    pub file_sha256: String,
}

/// A grid's name and question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GridOfPlan {
    /// Its name.
    pub name: String,
    /// What it asks.
    pub title: String,
    /// Its axes, with their levels' labels in the file's order.
    pub axes: Vec<(String, Vec<String>)>,
}

/// A setting that is studied: a level on each axis of its grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Its grid's place among the grids.
    pub grid: usize,
    /// Axis and level.
    pub levels: BTreeMap<String, String>,
    /// The recipe file.
    pub recipe: String,
    /// What it changes of that.
    pub changes: Vec<String>,
    /// What its scores stand on.
    pub eval: EvalOfCell,
    /// What stands for the images that it is trained on, and for those of each measurement.
    pub images: ImagesOfCell,
    /// Its trials, in the order of the seeds.
    pub trials: Vec<usize>,
}

/// What stands for a cell's images: names and labels of their files, hashed. What is in the files isn't looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImagesOfCell {
    /// Of those that it is trained on, and of weights that it starts from.
    pub training: String,
    /// Of those that each head is fitted and scored on, in the heads' order.
    pub heads: Vec<String>,
}

/// What of a cell's recipe decides scores but not weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvalOfCell {
    /// `eval.blocks`
    pub blocks: usize,
    /// `eval.features`
    pub features: String,
    /// `eval.train_images`
    pub train_images: usize,
    /// `eval.test_images`
    pub test_images: usize,
    /// SHA-256 of the table `[head]`.
    pub heads: String,
}

impl EvalOfCell {
    pub(crate) fn of(recipe: &Recipe) -> Self {
        let eval = &recipe.eval;
        Self {
            blocks: eval.blocks,
            features: eval.features.clone(),
            train_images: eval.train_images,
            test_images: eval.test_images,
            heads: sha256(&recipe.head.table().to_string()),
        }
    }
}

/// Something that is measured of a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement<'a> {
    /// The name of its file: the same question has the same name in every study.
    pub key: String,
    /// What is measured.
    pub what: Measured<'a>,
    /// On which features.
    pub eval: &'a EvalOfCell,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measured<'a> {
    /// A head's score.
    Head(&'a HeadOfStudy),
    /// What features are like.
    Analysis(Analysis),
}

/// A cell with a seed: one run and its measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its folder's name: of the recipe's hash, the training images and the backend.
    pub id: String,
    /// A cell that it belongs to.
    pub cell: usize,
    /// The seed of pre-training.
    pub seed: u64,
}

impl Plan {
    /// What is measured of a cell's trials, in the order of [`Plan::heads`], then the analysis.
    pub fn measurements<'a>(&'a self, cell: &'a Cell) -> Vec<Measurement<'a>> {
        let images = |head: usize| cell.images.heads.get(head).map_or("", String::as_str);
        let heads = self.heads.iter().enumerate().map(|(i, head)| (Measured::Head(head), images(i)));
        let all = heads.chain(self.analysis.map(|analysis| (Measured::Analysis(analysis), "")));
        all.map(|(what, images)| Measurement { key: key(what, &cell.eval, images), what, eval: &cell.eval })
            .collect()
    }

    /// What is measured of each trial, once, for all cells that it belongs to.
    pub fn measurements_by_trial(&self) -> Vec<Vec<Measurement<'_>>> {
        let mut all: Vec<Vec<Measurement<'_>>> = vec![vec![]; self.trials.len()];
        for cell in &self.cells {
            let of_cell = self.measurements(cell);
            for &trial in &cell.trials {
                for measurement in &of_cell {
                    if all[trial].iter().all(|known| known.key != measurement.key) {
                        all[trial].push(measurement.clone());
                    }
                }
            }
        }
        all
    }

    /// A trial's recipe, resolved.
    ///
    /// # Errors
    /// A plan that was changed by hand.
    pub fn recipe(&self, trial: &Trial) -> Result<Recipe> {
        let cell = &self.cells[trial.cell];
        let text = self.recipes.get(&cell.recipe).map(String::as_str).unwrap_or_default();
        resolved(&cell.recipe, text, &cell.changes, trial.seed)
    }

    /// A cell in words: its levels.
    pub fn cell_name(&self, cell: &Cell) -> String {
        let levels: Vec<String> = cell.levels.iter().map(|(axis, level)| format!("{axis} {level}")).collect();
        if levels.is_empty() { "the recipe as it is".to_owned() } else { levels.join(", ") }
    }

    /// Reads the plan of a study's folder.
    ///
    /// # Errors
    /// No plan there, or one that is broken.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::user("holds no study (there is no plan.json)")
                .at(folder.display())
                .help("give the folder that `cargo xtask study run` made, or start one: cargo xtask study run STUDY.toml"),
            _ => Error::io(&path, &e),
        })?;
        let broken = |why: String| {
            Error::user(format!("is no plan: {why}"))
                .at(path.display())
                .help("run the study's file again: it is planned anew")
        };
        let plan: Self = serde_json::from_str(&text).map_err(|e| broken(e.to_string()))?;
        let whole = plan.cells.iter().all(|cell| {
            cell.grid < plan.grids.len()
                && cell.trials.len() == plan.seeds.len()
                && cell.trials.iter().all(|&trial| trial < plan.trials.len())
        }) && plan.trials.iter().all(|trial| trial.cell < plan.cells.len());
        if whole { Ok(plan) } else { Err(broken("its cells and trials don't belong together".to_owned())) }
    }

    /// Writes the plan into a study's folder.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
        let text = serde_json::to_string(self).map_err(|e| Error::failure(e.to_string()))?;
        write_atomically(&folder.join(FILE), text.as_bytes())
    }

    /// How another plan of the same study differs from this one, in sentences.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let ids = |plan: &Self| plan.trials.iter().map(|trial| trial.id.clone()).collect::<BTreeSet<_>>();
        let (now, then) = (ids(self), ids(before));
        let (new, gone) = (now.difference(&then).count(), then.difference(&now).count());
        let mut out = vec![];
        if new + gone > 0 {
            out.push(format!("{new} trials are new, {gone} of before are no longer of the study"));
        }
        if self.heads != before.heads || self.analysis != before.analysis {
            out.push("what is measured has changed".to_owned());
        }
        if self.compare != before.compare {
            out.push("the declared comparisons have changed".to_owned());
        }
        out
    }

    /// Every comparison means cells, and pairs of them.
    pub(crate) fn check_declared(&self) -> Result<()> {
        for declared in &self.compare {
            self.pairs(&declared.a, &declared.b)
                .map_err(|e| e.at(format!("[[compare]] `{}`", declared.name)))?;
        }
        for interaction in &self.interaction {
            self.squares(interaction).map_err(|e| e.at(format!("[[interaction]] `{}`", interaction.name)))?;
        }
        for relation in &self.relation {
            self.selected(&relation.cells).map_err(|e| e.at(format!("[[relation]] `{}`", relation.name)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
