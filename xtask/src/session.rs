//! From a recipe to a trainer at its start.

use std::path::{Path, PathBuf};

use palimpsest_core::finetune;
use palimpsest_core::interop::{Imported, Source, import};
use palimpsest_core::model::Model;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::teacher::pin;
use palimpsest_core::train::{Checkpoint, Newest, RunFolder, Trainer};
use palimpsest_core::{DType, DeviceHandle, Error, Result};

use crate::{output, recipes};

/// The recipe that `pretrain` runs without one.
pub(crate) const QUICK_START: &str = include_str!("../../recipes/paper-micro.toml");

/// Reads a recipe file, or the quick-start, and checks its heads too, which are fitted long after. What it says of its
/// teachers is filled in.
pub(crate) fn recipe(path: Option<&Path>, overrides: &[String]) -> Result<Recipe> {
    let recipe = match path {
        Some(path) => Recipe::load(&recipes::locate(path)?, overrides),
        None => Recipe::parse("recipes/paper-micro.toml", QUICK_START, overrides),
    }?;
    finetune::check_heads(&recipe)?;
    pin(recipe)
}

/// A run's newest checkpoint that is whole, and its file; newer ones that are not are told.
pub(crate) fn newest(folder: &RunFolder) -> Result<(PathBuf, Checkpoint)> {
    let Newest { path, checkpoint, damaged } = folder.newest_checkpoint()?;
    tell_damaged(&damaged, &path);
    Ok((path, checkpoint))
}

/// Says which checkpoints were passed over.
pub(crate) fn tell_damaged(damaged: &[(PathBuf, Error)], path: &Path) {
    for (_, error) in damaged {
        output::note(&format!(
            "note: {}{}; {} is taken",
            error.location().map_or_else(String::new, |place| format!("{place}: ")),
            error.message(),
            path.display()
        ));
    }
}

/// A trainer at its start: from the recipe's seed, or from the file of weights that it names; and its
/// teachers. Also what the user may want to know of those files, one sentence each.
pub(crate) fn trainer(
    mut recipe: Recipe,
    device: DeviceHandle,
    steps_per_epoch: u64,
) -> Result<(Trainer, Vec<String>)> {
    if recipe.run.init_from.is_empty() {
        let mut trainer = Trainer::new(recipe, device, steps_per_epoch)?;
        let notes = trainer.load_teachers()?;
        return Ok((trainer, notes));
    }
    let key = |e: Error| e.at("`init_from`");
    let source = Source::read(Path::new(&recipe.run.init_from)).map_err(key)?;
    recipe.pin_init(&source.sha256)?;
    let model = Model::build(&recipe)?;
    let initial = model.specs.initial(recipe.run.seed)?;
    let Imported { values, mut notes } = import(&source, &recipe, &model, initial).map_err(key)?;
    notes.insert(0, format!("starts from {}, as {} names it", source.path.display(), source.layout.owner()));
    let mut trainer = Trainer::with_values(recipe, model, device, steps_per_epoch, values, DType::F32)?;
    notes.extend(trainer.load_teachers()?);
    Ok((trainer, notes))
}
