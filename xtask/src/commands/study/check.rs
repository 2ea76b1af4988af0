//! Whether a cell can run, before any does.

use std::collections::{HashMap, HashSet};

use palimpsest_core::finetune::{self, HeadKind, find_head};
use palimpsest_core::interop::Source;
use palimpsest_core::model::Model;
use palimpsest_core::recipe::{Layers, Recipe};
use palimpsest_core::settings::Section;
use palimpsest_core::{Error, Result};
use palimpsest_datasets::RecipeData;
use palimpsest_study::axis::changes;
use palimpsest_study::file::HeadOfStudy;

use crate::output;

/// Checks recipes one after the other, and opens the same data once.
pub(super) struct Check<'a> {
    heads: &'a [HeadOfStudy],
    /// What stands for the training images, by the table `[data]`.
    images: HashMap<String, String>,
    /// SHA-256 of files that runs start from.
    starts: HashMap<String, String>,
    /// Tables of heads that were found good.
    tables: HashSet<String>,
}

impl<'a> Check<'a> {
    pub(super) fn new(heads: &'a [HeadOfStudy]) -> Self {
        Self { heads, images: HashMap::new(), starts: HashMap::new(), tables: HashSet::new() }
    }

    /// Checks a recipe; what it gives stands for the images and weights that a run of it starts from.
    ///
    /// # Errors
    /// A model that can't be built, data that can't be opened, a head that there isn't.
    pub(super) fn recipe(&mut self, recipe: &Recipe) -> Result<String> {
        Model::build(recipe)?;
        let table = recipe.head.table().to_string();
        if !self.tables.contains(&table) {
            finetune::check_heads(recipe)?;
            self.heads.iter().try_for_each(|head| check_head(head, recipe))?;
            self.tables.insert(table);
        }
        let mut images = self.images(recipe)?;
        if !recipe.run.init_from.is_empty() {
            images = format!("{images} {}", self.start(&recipe.run.init_from)?);
        }
        Ok(images)
    }

    fn images(&mut self, recipe: &Recipe) -> Result<String> {
        let key = recipe.table().get("data").map(ToString::to_string).unwrap_or_default();
        if let Some(known) = self.images.get(&key) {
            return Ok(known.clone());
        }
        let data = RecipeData::open(recipe)?;
        data.notes().iter().for_each(|note| output::note(&format!("note: {note}")));
        let identity = data.identity().list;
        self.images.insert(key, identity.clone());
        Ok(identity)
    }

    fn start(&mut self, path: &str) -> Result<String> {
        if let Some(known) = self.starts.get(path) {
            return Ok(known.clone());
        }
        let source = Source::read(std::path::Path::new(path)).map_err(|e| e.at("`init_from`"))?;
        self.starts.insert(path.to_owned(), source.sha256.clone());
        Ok(source.sha256)
    }
}

/// A head's name and keys, and the data that it names.
fn check_head(head: &HeadOfStudy, recipe: &Recipe) -> Result<()> {
    let place = |e: Error| e.at(format!("[[head]] `{}`", head.title()));
    let (_, keys) = changes(&head.set).map_err(place)?;
    // As `eval` takes them.
    let (mut data, keys): (Vec<String>, Vec<String>) =
        keys.into_iter().partition(|key| key.starts_with("data."));
    let (entry, _) = find_head(&head.head, Some(&recipe.head), &keys).map_err(place)?;
    if let HeadKind::Frozen(build) = &entry.build {
        let mut layers = Layers::default();
        layers.section(&recipe.head.section(entry.name)?);
        layers.overrides(&keys).map_err(place)?;
        let (table, _) = layers.finish();
        build(&Section::new(table, format!("head.{}", entry.name), std::sync::Arc::default()))
            .map_err(place)?;
    }
    if head.score.as_deref() == Some("") {
        return Err(place(
            Error::user("an empty `score`").help("name a figure, as accuracy, or leave it out"),
        ));
    }
    let mut layers = Layers::text("the cell's recipe", &recipe.to_toml())?;
    if let Some(name) = &head.data {
        data.push(format!("data.name={name}"));
        data.push(format!("data.path={}", toml::Value::String(head.path.clone().unwrap_or_default())));
    } else if let Some(path) = &head.path {
        data.push(format!("data.path={}", toml::Value::String(path.clone())));
    }
    if !data.is_empty() {
        layers.overrides(&data).map_err(place)?;
        RecipeData::open_for_scores(&Recipe::resolve(layers)?).map_err(place)?;
    }
    Ok(())
}
