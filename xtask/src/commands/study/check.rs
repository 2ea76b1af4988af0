//! Whether a cell can run, before any does.

use std::collections::HashMap;

use palimpsest_core::finetune::{self, HeadKind, TaskHeadEntry, find_head};
use palimpsest_core::geometry::Geometry;
use palimpsest_core::interop::Source;
use palimpsest_core::model::Model;
use palimpsest_core::pooling::Pooling;
use palimpsest_core::recipe::{Layers, Recipe};
use palimpsest_core::settings::Section;
use palimpsest_core::{Error, Result};
use palimpsest_datasets::{Draw, RecipeData};
use palimpsest_study::axis::changes;
use palimpsest_study::file::HeadOfStudy;
use palimpsest_study::plan::ImagesOfCell;

use crate::{corruption_check, output};

/// Checks recipes one after the other; what doesn't change from one to the next is looked at once.
pub(super) struct Check<'a> {
    heads: &'a [HeadOfStudy],
    /// What stands for the images of heads and training, by what was looked at.
    images: HashMap<String, String>,
    /// SHA-256 of files that runs start from.
    starts: HashMap<String, String>,
}

impl<'a> Check<'a> {
    pub(super) fn new(heads: &'a [HeadOfStudy]) -> Self {
        Self { heads, images: HashMap::new(), starts: HashMap::new() }
    }

    /// Checks a recipe; what it gives stands for the images and weights that a run of it starts from, and for those of its heads.
    ///
    /// # Errors
    /// A model that can't be built, data that can't be opened, a head that there isn't or that can't look at this encoder.
    pub(super) fn recipe(&mut self, recipe: &Recipe) -> Result<ImagesOfCell> {
        let model = Model::build(recipe)?;
        // Random weights are measured as they are.
        if recipe.train.epochs > 0.0 || recipe.train.steps > 0 {
            corruption_check::check(&model)?;
        }
        let geometry = model.geometry();
        let about = ["data", "eval", "head"].map(|table| recipe.table().get(table).map(ToString::to_string));
        let about = format!("{about:?} {} {}", geometry.depth, geometry.prefix);
        let mut heads = vec![];
        for (number, head) in self.heads.iter().enumerate() {
            let key = format!("{number} {about}");
            let images = match self.images.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let images = check_head(head, recipe, geometry)
                        .map_err(|e| e.at(format!("[[head]] `{}`", head.title())))?;
                    self.images.insert(key, images.clone());
                    images
                }
            };
            heads.push(images);
        }
        let mut training = self.training(recipe)?;
        if !recipe.run.init_from.is_empty() {
            training = format!("{training} {}", self.start(&recipe.run.init_from)?);
        }
        Ok(ImagesOfCell { training, heads })
    }

    fn training(&mut self, recipe: &Recipe) -> Result<String> {
        let key = recipe.table().get("data").map(ToString::to_string).unwrap_or_default();
        if let Some(known) = self.images.get(&key) {
            return Ok(known.clone());
        }
        finetune::check_heads(recipe)?;
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

/// A head's name and keys, the features that it looks at, and its data; what it gives stands for the images that it is fitted and
/// scored on.
fn check_head(head: &HeadOfStudy, recipe: &Recipe, geometry: &Geometry) -> Result<String> {
    let (_, keys) = changes(&head.set)?;
    // As `eval` takes them.
    let (mut data, keys): (Vec<String>, Vec<String>) =
        keys.into_iter().partition(|key| key.starts_with("data."));
    let (entry, _) = find_head(&head.head, Some(&recipe.head), &keys)?;
    let frozen = matches!(entry.build, HeadKind::Frozen(_));
    check_keys(entry, recipe, &keys)?;
    if let Some(blocks) = head.blocks.filter(|&blocks| blocks > geometry.depth) {
        let depth = geometry.depth;
        return Err(Error::user(format!("{blocks} blocks of an encoder that has {depth}"))
            .at("`blocks`")
            .help(format!("choose 1 to {depth}, or 0 for all and the norm")));
    }
    if let Some(features) = &head.features {
        features
            .parse::<Pooling>()
            .and_then(|pooling| pooling.check(geometry))
            .map_err(|e| e.at("`features`"))?;
    }
    if let Some(name) = &head.data {
        data.push(format!("data.name={name}"));
        data.push(format!("data.path={}", toml::Value::String(head.path.clone().unwrap_or_default())));
    } else if let Some(path) = &head.path {
        data.push(format!("data.path={}", toml::Value::String(path.clone())));
    }
    let other = !data.is_empty();
    let mut layers = Layers::text("the cell's recipe", &recipe.to_toml())?;
    layers.overrides(&data)?;
    let recipe = Recipe::resolve(layers)?;
    // Heads that are trained on a stand-in open it themselves.
    if !frozen && !other {
        return Ok(String::new());
    }
    let opened = RecipeData::open_for_scores(&recipe);
    if !frozen {
        // It may have no classes: pixels or objects are what it is for.
        return Ok(opened.map_or_else(|_| String::new(), |data| identities(&data)));
    }
    let opened = opened?;
    if head.shots > 0 {
        let draw = Draw { seed: recipe.run.seed, shots: head.shots, ..Draw::default() };
        opened.labelled(&draw).map_err(|e| e.at("`shots`"))?;
    }
    Ok(identities(&opened))
}

/// Sixteen digits for the names and labels of both parts.
fn identities(data: &RecipeData) -> String {
    data.scored_identity().list.chars().take(16).collect()
}

fn check_keys(entry: &TaskHeadEntry, recipe: &Recipe, keys: &[String]) -> Result<()> {
    let HeadKind::Frozen(build) = &entry.build else { return Ok(()) };
    let mut layers = Layers::default();
    layers.section(&recipe.head.section(entry.name)?);
    layers.overrides(keys)?;
    let (table, _) = layers.finish();
    build(&Section::new(table, format!("head.{}", entry.name), std::sync::Arc::default())).map(|_| ())
}
