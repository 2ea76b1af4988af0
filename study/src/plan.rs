//! From a study's file to cells and trials, all of them resolved and hashed before the first runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use palimpsest_core::corruption::noise::NoiseSettings;
use palimpsest_core::recipe::{Layers, Recipe};
use palimpsest_core::settings::Settings;
use palimpsest_core::stored::write_atomically;
use palimpsest_core::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::axis::{Axis, Level, changes};
use crate::file::{
    Analysis, Budget, Checkpoints, Declared, DeclaredInteraction, DeclaredRelation, Grid, HeadOfStudy,
    StudyFile,
};

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
    /// Its trials, in the order of the seeds.
    pub trials: Vec<usize>,
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
    fn of(recipe: &Recipe) -> Self {
        let eval = &recipe.eval;
        Self {
            blocks: eval.blocks,
            features: eval.features.clone(),
            train_images: eval.train_images,
            test_images: eval.test_images,
            heads: hexadecimal(&Sha256::digest(recipe.head.table().to_string())),
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

/// A comparison, and what was known when it was declared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declaration {
    /// The comparison as it was declared.
    pub comparison: Declared,
    /// When, as ISO 8601.
    pub date: String,
    /// Trials of the study that were measured then.
    pub measured: usize,
}

/// What the planner is told from outside.
pub struct Planner<'a> {
    /// The backend's name.
    pub backend: &'a str,
    /// Where a recipe that the file names lies.
    pub locate: &'a dyn Fn(&str) -> Result<PathBuf>,
    /// Checks a cell's recipe, and tells what stands for its training images: a run on others is another one.
    pub check: &'a mut dyn FnMut(&Recipe) -> Result<String>,
}

/// More trials than this are a mistake.
const MOST: usize = 1_000_000;

impl Planner<'_> {
    /// The plan of a study's file.
    ///
    /// # Errors
    /// The first cell that can't run, by its levels.
    pub fn plan(&mut self, study: &StudyFile, text: &str) -> Result<Plan> {
        let seeds = study.seeds()?;
        let default_grid = [Grid {
            name: String::new(),
            title: String::new(),
            set: toml::Table::new(),
            axes: toml::Table::new(),
        }];
        let grids = if study.grid.is_empty() { &default_grid[..] } else { &study.grid[..] };
        let (mut recipes, mut of_plan, mut cells) = (BTreeMap::new(), vec![], vec![]);
        let (mut trials, mut known): (Vec<Trial>, HashMap<String, usize>) = (vec![], HashMap::new());
        let (of_all, common) = changes(&study.set).map_err(|e| e.at("[set]"))?;
        for (number, grid) in grids.iter().enumerate() {
            let place = if grid.name.is_empty() {
                "[[grid]]".to_owned()
            } else {
                format!("[[grid]] `{}`", grid.name)
            };
            let axes = axes(grid).map_err(|e| e.at(&place))?;
            let (of_grid, set) = changes(&grid.set).map_err(|e| e.at(&place))?;
            let count: usize = axes
                .iter()
                .map(|(_, levels)| levels.len())
                .try_fold(1usize, usize::checked_mul)
                .unwrap_or(usize::MAX);
            if count.saturating_mul(seeds.len()) > MOST {
                return Err(Error::user(format!("{count} cells with {} seeds each", seeds.len()))
                    .at(&place)
                    .help(format!("a study has at most {MOST} trials")));
            }
            of_plan.push(GridOfPlan {
                name: grid.name.clone(),
                title: grid.title.clone(),
                axes: axes
                    .iter()
                    .map(|(key, levels)| (key.clone(), levels.iter().map(|l| l.label.clone()).collect()))
                    .collect(),
            });
            for index in 0..count {
                let levels = chosen(&axes, index);
                let of_level = levels.iter().rev().find_map(|(_, level)| level.recipe.clone());
                let named = of_level
                    .or_else(|| of_grid.clone())
                    .or_else(|| of_all.clone())
                    .or_else(|| study.recipe.clone());
                let labels: BTreeMap<String, String> =
                    levels.iter().map(|(key, level)| ((*key).clone(), level.label.clone())).collect();
                let told = || format!("{place}{}", named_levels(&labels));
                let named = named.ok_or_else(|| {
                    Error::user("no recipe")
                        .at(told())
                        .help("name one: recipe = \"recipes/paper-micro.toml\"")
                })?;
                if !recipes.contains_key(&named) {
                    let path = (self.locate)(&named).map_err(|e| e.at(told()))?;
                    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, &e))?;
                    recipes.insert(named.clone(), text);
                }
                let mut changes = common.clone();
                changes.extend(set.iter().cloned());
                changes.extend(levels.iter().flat_map(|(_, level)| level.changes.iter().cloned()));
                let cell = cells.len();
                let resolver = Resolver::of(&named, &recipes[&named], &changes).map_err(|e| e.at(told()))?;
                let mut of_cell = vec![];
                let (mut images, mut eval) = (None, None);
                for &seed in &seeds {
                    let recipe = resolver.with_seed(seed).map_err(|e| e.at(told()))?;
                    // Seeds change neither what can be built nor which images there are.
                    let images = match &images {
                        Some(images) => images,
                        None => images.insert((self.check)(&recipe).map_err(|e| e.at(told()))?),
                    };
                    let eval = eval.get_or_insert_with(|| EvalOfCell::of(&recipe));
                    let id = identity(&recipe, images, self.backend);
                    let trial = *known.entry(id.clone()).or_insert_with(|| {
                        trials.push(Trial { id, cell, seed });
                        trials.len() - 1
                    });
                    // One run can't be read with two sets of keys for its heads.
                    if let Some(other) =
                        cells.get(trials[trial].cell).filter(|other: &&Cell| other.eval.heads != eval.heads)
                    {
                        return Err(Error::user(format!(
                            "differs from the cell{} in keys of [head] alone",
                            named_levels(&other.levels)
                        ))
                        .at(told())
                        .help("give two tables [[head]] with `set` in place of an axis"));
                    }
                    of_cell.push(trial);
                }
                let Some(eval) = eval else { continue };
                cells.push(Cell {
                    grid: number,
                    levels: labels,
                    recipe: named,
                    changes,
                    eval,
                    trials: of_cell,
                });
            }
        }
        let plan = Plan {
            name: study.name.clone(),
            title: study.title.clone(),
            backend: self.backend.to_owned(),
            recipes,
            grids: of_plan,
            cells,
            trials,
            seeds,
            heads: study.head.clone(),
            analysis: study.analysis,
            compare: study.compare.clone(),
            interaction: study.interaction.clone(),
            relation: study.relation.clone(),
            declared: vec![],
            budget: study.budget,
            checkpoints: study.checkpoints,
            file_sha256: hexadecimal(&Sha256::digest(text)),
        };
        plan.check_declared()?;
        Ok(plan)
    }
}

/// A cell's recipe, but for its seed.
struct Resolver<'a> {
    location: &'a str,
    text: &'a str,
    changes: &'a [String],
}

impl<'a> Resolver<'a> {
    fn of(location: &'a str, text: &'a str, changes: &'a [String]) -> Result<Self> {
        Ok(Self { location, text, changes })
    }

    fn with_seed(&self, seed: u64) -> Result<Recipe> {
        let mut layers = Layers::text(self.location, self.text)?;
        // What a study measures it measures itself, unless it says otherwise.
        layers.overrides(&["eval.heads=[]".to_owned(), "eval.baseline=false".to_owned()])?;
        layers.overrides(self.changes)?;
        layers.overrides(&[format!("seed={seed}")])?;
        Recipe::resolve(layers)
    }
}

/// The levels of a grid's axes.
fn axes(grid: &Grid) -> Result<Vec<(String, Vec<Level>)>> {
    grid.axes
        .iter()
        .map(|(key, value)| {
            let axis: Axis = value.clone().try_into().map_err(|_| {
                Error::user("expected a list, a range or named variants").at(format!("axis `{key}`")).help(
                    "write [1, 2], { from = 0.0, to = 1.0, count = 5 }, or a table of variants with the keys that each sets",
                )
            })?;
            Ok((key.clone(), axis.levels(key).map_err(|e| e.at(format!("axis `{key}`")))?))
        })
        .collect()
}

/// The levels of cell `index`; the last axis varies fastest.
fn chosen(axes: &[(String, Vec<Level>)], mut index: usize) -> Vec<(&String, &Level)> {
    let mut levels: Vec<(&String, &Level)> = axes
        .iter()
        .rev()
        .map(|(key, levels)| {
            let level = &levels[index % levels.len()];
            index /= levels.len();
            (key, level)
        })
        .collect();
    levels.reverse();
    levels
}

/// Levels in words, for an error; nothing for a cell without axes.
fn named_levels(levels: &BTreeMap<String, String>) -> String {
    levels.iter().map(|(axis, level)| format!(", {axis} = {level}")).collect()
}

/// What a trial's folder is called: sixteen hexadecimal digits of what decides its weights.
fn identity(recipe: &Recipe, images: &str, backend: &str) -> String {
    let mut table = recipe.table().clone();
    // A key of [noise] at its default is the same setting as none, which a recipe's own hash tells apart.
    if let Some(noise) = table.get_mut("noise").and_then(toml::Value::as_table_mut) {
        let fields = NoiseSettings::fields();
        noise.retain(|key, value| {
            fields
                .iter()
                .find(|field| field.name == key)
                .is_none_or(|field| field.default != value.to_string())
        });
    }
    let mut sha = Sha256::new();
    sha.update(Recipe::difference(&toml::Table::new(), &table).join("\n"));
    sha.update(format!("\n{images}\n{backend}\n"));
    hexadecimal(&sha.finalize())[..16].to_owned()
}

/// A measurement's name: the head's, and twelve hexadecimal digits of what decides its scores. What tables call it, and which
/// of its figures they take, decides nothing.
fn key(what: Measured<'_>, eval: &EvalOfCell) -> String {
    match what {
        Measured::Analysis(analysis) => format!("analysis-{}", analysis.images),
        Measured::Head(head) => {
            let asked = HeadOfStudy { name: String::new(), score: None, ..head.clone() };
            let text = serde_json::to_string(&(asked, eval)).unwrap_or_default();
            format!("{}-{}", head.head, &hexadecimal(&Sha256::digest(text))[..12])
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Plan {
    /// What is measured of a cell's trials, in the order of [`Plan::heads`], then the analysis.
    pub fn measurements<'a>(&'a self, cell: &'a Cell) -> Vec<Measurement<'a>> {
        let heads = self.heads.iter().map(Measured::Head);
        let all = heads.chain(self.analysis.map(Measured::Analysis));
        all.map(|what| Measurement { key: key(what, &cell.eval), what, eval: &cell.eval }).collect()
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
        Resolver::of(&cell.recipe, text, &cell.changes)?.with_seed(trial.seed)
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
        serde_json::from_str(&text).map_err(|e| {
            Error::user(format!("is no plan: {e}"))
                .at(path.display())
                .help("run the study's file again: it is planned anew")
        })
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

    /// Notes which comparisons were declared when: those that the plan before knew keep their date.
    pub fn declare(&mut self, before: Option<&Self>, date: &str, measured: usize) {
        let known = |comparison: &Declared| {
            before?.declared.iter().find(|declaration| declaration.comparison == *comparison).cloned()
        };
        self.declared = self
            .compare
            .iter()
            .map(|comparison| {
                known(comparison).unwrap_or_else(|| Declaration {
                    comparison: comparison.clone(),
                    date: date.to_owned(),
                    measured,
                })
            })
            .collect();
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
    fn check_declared(&self) -> Result<()> {
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
