//! From a study's file to its plan: every cell is resolved, checked and hashed before the first runs.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use palimpsest_core::recipe::{Layers, Recipe};
use palimpsest_core::teacher::pin;
use palimpsest_core::{Error, Result};

use crate::axis::{Axis, Level, changes};
use crate::file::{Grid, StudyFile};
use crate::identity;
use crate::plan::{Cell, EvalOfCell, GridOfPlan, ImagesOfCell, Plan, Trial};

/// What the planner is told from outside.
pub struct Planner<'a> {
    /// The backend's name.
    pub backend: &'a str,
    /// `KEY=VALUE` overrides of every cell, above what the file sets for all; a variant's own keys are above them.
    pub overrides: &'a [String],
    /// Where a recipe that the file names lies.
    pub locate: &'a dyn Fn(&str) -> Result<PathBuf>,
    /// Checks a cell's recipe, and tells what stands for its images: a run on others is another one, and so is a score.
    pub check: &'a mut dyn FnMut(&Recipe) -> Result<ImagesOfCell>,
}

/// More trials than this are a mistake.
const MOST: usize = 100_000;

/// A plan that is being made.
#[derive(Default)]
struct Draft {
    recipes: BTreeMap<String, String>,
    cells: Vec<Cell>,
    trials: Vec<Trial>,
    known: HashMap<String, usize>,
}

impl Planner<'_> {
    /// The plan of a study's file.
    ///
    /// # Errors
    /// The first cell that can't run, by its levels.
    pub fn plan(&mut self, study: &StudyFile, text: &str) -> Result<Plan> {
        let seeds = study.seeds()?;
        let whole = [Grid::default()];
        let grids = if study.grid.is_empty() { &whole[..] } else { &study.grid[..] };
        let mut draft = Draft::default();
        let mut of_plan = vec![];
        for (number, grid) in grids.iter().enumerate() {
            let place = match grid.name.as_str() {
                "" => "[[grid]]".to_owned(),
                name => format!("[[grid]] `{name}`"),
            };
            let axes = self.axes(grid).map_err(|e| e.at(&place))?;
            let sizes = axes.iter().map(|(_, levels)| levels.len());
            let count = sizes.fold(1usize, usize::saturating_mul);
            if count.saturating_mul(seeds.len()) > MOST {
                return Err(Error::user(format!("{count} cells with {} seeds each", seeds.len()))
                    .at(&place)
                    .help(format!("a study has at most {MOST} trials")));
            }
            let labels = |levels: &Vec<Level>| levels.iter().map(|level| level.label.clone()).collect();
            of_plan.push(GridOfPlan {
                name: grid.name.clone(),
                title: grid.title.clone(),
                axes: axes.iter().map(|(key, levels)| (key.clone(), labels(levels))).collect(),
            });
            // Cells of this grid by what is measured of them.
            let mut same: HashMap<(Vec<usize>, String), usize> = HashMap::new();
            for index in 0..count {
                let levels = chosen(&axes, index);
                let labels: BTreeMap<String, String> =
                    levels.iter().map(|(key, level)| ((*key).clone(), level.label.clone())).collect();
                let told = format!("{place}{}", named_levels(&labels));
                let cell = self
                    .cell(study, (number, grid), labels, &levels, &seeds, &mut draft)
                    .map_err(|e| e.at(&told))?;
                let eval = format!("{:?}", cell.eval);
                if let Some(other) = same.insert((cell.trials.clone(), eval), draft.cells.len()) {
                    return Err(Error::user(format!(
                        "is the same setting as{}",
                        named_levels(&draft.cells[other].levels)
                    ))
                    .at(&told)
                    .help("drop a level, or vary a key that decides weights or scores"));
                }
                draft.cells.push(cell);
            }
        }
        let plan = Plan {
            name: study.name.clone(),
            title: study.title.clone(),
            backend: self.backend.to_owned(),
            recipes: draft.recipes,
            grids: of_plan,
            cells: draft.cells,
            trials: draft.trials,
            seeds,
            heads: study.head.clone(),
            analysis: study.analysis,
            compare: study.compare.clone(),
            interaction: study.interaction.clone(),
            relation: study.relation.clone(),
            declared: vec![],
            dropped: vec![],
            overrides: self.overrides.to_vec(),
            trials_folder: None,
            budget: study.budget,
            checkpoints: study.checkpoints,
            file_sha256: identity::sha256(text),
        };
        plan.check_declared()?;
        Ok(plan)
    }

    /// A cell with its trials; new ones are added to the draft.
    fn cell(
        &mut self,
        study: &StudyFile,
        (number, grid): (usize, &Grid),
        labels: BTreeMap<String, String>,
        levels: &[(&String, &Level)],
        seeds: &[u64],
        draft: &mut Draft,
    ) -> Result<Cell> {
        let (of_all, mut keys) = changes(&study.set).map_err(|e| e.at("[set]"))?;
        let (of_grid, set) = changes(&grid.set)?;
        let of_level = levels.iter().rev().find_map(|(_, level)| level.recipe.clone());
        let named = of_level.or(of_grid).or(of_all).or_else(|| study.recipe.clone());
        let named =
            named.ok_or_else(|| Error::user("no recipe").help("name one: recipe = \"paper-micro\""))?;
        if !draft.recipes.contains_key(&named) {
            let path = (self.locate)(&named)?;
            let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, &e))?;
            draft.recipes.insert(named.clone(), text);
        }
        keys.extend(set);
        keys.extend(self.overrides.iter().cloned());
        keys.extend(levels.iter().flat_map(|(_, level)| level.changes.iter().cloned()));
        let place = draft.cells.len();
        let mut trials = vec![];
        let mut of_first: Option<(ImagesOfCell, EvalOfCell)> = None;
        for &seed in seeds {
            let recipe = resolved(&named, &draft.recipes[&named], &keys, seed)?;
            // Seeds change neither what can be built nor which images there are.
            let (images, eval) = match &of_first {
                Some(known) => known,
                None => of_first.insert(((self.check)(&recipe)?, EvalOfCell::of(&recipe))),
            };
            let id = identity::trial(&recipe, &images.training, self.backend);
            let trial = *draft.known.entry(id.clone()).or_insert_with(|| {
                draft.trials.push(Trial { id, cell: place, seed });
                draft.trials.len() - 1
            });
            // One run can't be read with two sets of keys for its heads.
            let other = draft.cells.get(draft.trials[trial].cell);
            if let Some(other) = other.filter(|other| other.eval.heads != eval.heads) {
                return Err(Error::user(format!(
                    "differs from the cell{} in keys of [head] alone",
                    named_levels(&other.levels)
                ))
                .help("give two tables [[head]] with `set` in place of an axis"));
            }
            trials.push(trial);
        }
        let (images, eval) = of_first.ok_or_else(|| Error::user("the study has no seeds"))?;
        Ok(Cell { grid: number, levels: labels, recipe: named, changes: keys, eval, images, trials })
    }

    /// The levels of a grid's axes.
    fn axes(&self, grid: &Grid) -> Result<Vec<(String, Vec<Level>)>> {
        let levels = |(key, value): (&String, &toml::Value)| -> Result<(String, Vec<Level>)> {
            let axis: Axis = value.clone().try_into().map_err(|_| {
                Error::user("expected a list, a range or named variants").help(
                    "write [1, 2], { from = 0.0, to = 1.0, count = 5 }, or a table of variants with the keys that each sets",
                )
            })?;
            let levels = axis.levels(key)?;
            if matches!(axis, Axis::Variants(_)) {
                return Ok((key.clone(), levels));
            }
            let of_key = |text: &str| text.split_once('=').map_or("", |(key, _)| key.trim()).to_owned();
            let set = levels.iter().flat_map(|level| &level.changes).map(|change| of_key(change));
            let given: Vec<String> = self.overrides.iter().map(|change| of_key(change)).collect();
            if let Some(both) = set.into_iter().find(|key| given.contains(key)) {
                return Err(Error::user(format!("`{both}` is varied here, and set by --set"))
                    .help("leave it out of --set"));
            }
            Ok((key.clone(), levels))
        };
        grid.axes.iter().map(|axis| levels(axis).map_err(|e| e.at(format!("axis `{}`", axis.0)))).collect()
    }
}

/// A cell's recipe with a seed.
///
/// # Errors
/// A text that is no recipe, or keys that none has.
pub(crate) fn resolved(location: &str, text: &str, keys: &[String], seed: u64) -> Result<Recipe> {
    let mut layers = Layers::text(location, text)?;
    // What a study measures it measures itself, unless it says otherwise.
    layers.overrides(&["eval.heads=[]".to_owned(), "eval.baseline=false".to_owned()])?;
    layers.overrides(keys)?;
    layers.overrides(&[format!("seed={seed}")])?;
    // A cell's hash covers the weights of its teachers.
    pin(Recipe::resolve(layers)?)
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
