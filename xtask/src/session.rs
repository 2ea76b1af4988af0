//! From a recipe to what a run needs: backend, data sets, loader and trainer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use palimpsest_core::data::{Batch, Dataset};
use palimpsest_core::head::{HeadKind, Task, TaskData, TaskHeadEntry, TaskSplit};
use palimpsest_core::interop::{Imported, Source, import};
use palimpsest_core::model::Model;
use palimpsest_core::params::Params;
use palimpsest_core::pooling::Pooling;
use palimpsest_core::recipe::{DataSettings, Recipe};
use palimpsest_core::settings::Section;
use palimpsest_core::train::Trainer;
use palimpsest_core::{DType, Error, Place, Result, registry};
use palimpsest_datasets::open::open_with_notes;
use palimpsest_datasets::{
    Augment, Border, Crop, DataSpec, EvalConfig, EvalLoader, Filter, Loader, LoaderConfig, Split,
};
use serde_json::{Map, Value, json};

use crate::commands::fetch;

/// The recipe that `pretrain` runs without one.
pub(crate) const QUICK_START: &str = include_str!("../../recipes/paper-micro.toml");

/// Reads a recipe file, or the quick-start.
pub(crate) fn recipe(path: Option<&Path>, overrides: &[String]) -> Result<Recipe> {
    match path {
        Some(path) => Recipe::load(path, overrides),
        None => Recipe::parse("recipes/paper-micro.toml", QUICK_START, overrides),
    }
}

/// A trainer at its start: from the recipe's seed, or from the file of weights that it names. Also what the
/// user may want to know of that file, one sentence each.
pub(crate) fn trainer(
    mut recipe: Recipe,
    place: Place,
    steps_per_epoch: u64,
) -> Result<(Trainer, Vec<String>)> {
    if recipe.run.init_from.is_empty() {
        return Ok((Trainer::new(recipe, place, steps_per_epoch)?, vec![]));
    }
    let key = |e: Error| e.at("`init_from`");
    let source = Source::read(Path::new(&recipe.run.init_from)).map_err(key)?;
    recipe.pin_init(&source.sha256)?;
    let model = Model::build(&recipe)?;
    let initial = model.specs.initial(recipe.run.seed)?;
    let Imported { values, mut notes } = import(&source, &recipe, &model, initial).map_err(key)?;
    notes.insert(0, format!("starts from {}, as {} names it", source.path.display(), source.layout.owner()));
    Ok((Trainer::with_values(recipe, model, place, steps_per_epoch, values, DType::F32)?, notes))
}

/// A recipe's data.
pub(crate) struct Data {
    settings: DataSettings,
    train: Arc<dyn Dataset>,
    test: Arc<dyn Dataset>,
    pub(crate) notes: Vec<String>,
    /// Images used for evaluation at most, by split; 0 for all.
    limits: [usize; 2],
}

impl Data {
    pub(crate) fn open(recipe: &Recipe) -> Result<Self> {
        let settings = recipe.data.clone();
        let spec = DataSpec {
            name: settings.name.clone(),
            // Without a path, what `data fetch` left in its default place.
            path: match settings.path.as_str() {
                "" => fetch::fetched(&settings.name),
                path => Some(PathBuf::from(path)),
            },
            channels: settings.channels,
            holdout: settings.holdout,
            ..DataSpec::default()
        };
        let place =
            || if settings.path.is_empty() { "`data.name`".to_owned() } else { "`data.path`".to_owned() };
        let train = open_with_notes(&spec, Split::Train).map_err(|e| e.at(place()))?;
        let mut notes = train.notes;
        let test = match open_with_notes(&spec, Split::Test) {
            Ok(test) => {
                notes.extend(test.notes.into_iter().filter(|note| !notes.contains(note)).collect::<Vec<_>>());
                test.dataset
            }
            // Without heads the test part only serves the sample pictures.
            Err(_) if recipe.eval.heads.is_empty() => train.dataset.clone(),
            Err(error) => return Err(error.at(place())),
        };
        let limits = [recipe.eval.train_images, recipe.eval.test_images];
        Ok(Self { settings, train: train.dataset, test, notes, limits })
    }

    /// With at most `shots` training images of each class; all for 0.
    pub(crate) fn few_shot(&self, shots: usize, seed: u64) -> Result<Self> {
        let train = palimpsest_datasets::few_shot::few_shot(self.train.clone(), shots, seed)?;
        let (settings, notes) = (self.settings.clone(), self.notes.clone());
        Ok(Self { settings, train, test: self.test.clone(), notes, limits: self.limits })
    }

    /// The training loader.
    pub(crate) fn loader(&self, recipe: &Recipe) -> Result<Loader> {
        let settings = &self.settings;
        let crop = if settings.pad > 0 {
            Crop::Padded { padding: settings.pad, border: Border::Black }
        } else if let [low, high] = settings.crop_scale[..] {
            let [least, most] = settings.crop_ratio[..] else {
                return Err(Error::user("needs a smallest and a largest value").at("`data.crop_ratio`"));
            };
            Crop::RandomResized { scale: (low, high), ratio: (least, most) }
        } else if settings.crop_scale.is_empty() {
            Crop::Centre { resize: settings.image_size }
        } else {
            return Err(Error::user("needs a smallest and a largest value, or none").at("`data.crop_scale`"));
        };
        let flip = if settings.flip { 0.5 } else { 0.0 };
        let config = LoaderConfig {
            batch: recipe.train.batch,
            workers: settings.workers,
            seed: recipe.run.seed,
            image_size: settings.image_size,
            channels: settings.channels,
            augment: Augment { crop, flip, filter: Filter::Bilinear },
            mean: self.per_channel(&settings.mean),
            std: self.per_channel(&settings.std),
            shuffle: true,
            bad_files_limit: Some(settings.bad_files),
            prefetch: settings.prefetch,
        };
        Loader::new(self.train.clone(), &config).map_err(|e| e.at("`data`"))
    }

    /// One value for each channel.
    pub(crate) fn per_channel(&self, values: &[f64]) -> Vec<f32> {
        let channels = self.settings.channels;
        (0..channels).map(|c| values[c.min(values.len() - 1)] as f32).collect()
    }

    /// Mean and deviation that pixels are normalised with, for each channel.
    pub(crate) fn normalisation(&self) -> (Vec<f32>, Vec<f32>) {
        (self.per_channel(&self.settings.mean), self.per_channel(&self.settings.std))
    }

    fn eval_loader(&self, split: TaskSplit, batch: usize) -> Result<EvalLoader> {
        let settings = &self.settings;
        let (mean, std) = self.normalisation();
        let config = EvalConfig {
            batch,
            workers: settings.workers,
            image_size: settings.image_size,
            channels: settings.channels,
            mean,
            std,
            bad_files_limit: Some(settings.bad_files),
            prefetch: settings.prefetch,
            ..EvalConfig::default()
        };
        let dataset = if split == TaskSplit::Train { &self.train } else { &self.test };
        EvalLoader::new(dataset.clone(), &config)
    }

    /// The first images of the test split, for pictures.
    pub(crate) fn first_test_images(&self, count: usize) -> Result<Batch> {
        self.eval_loader(TaskSplit::Test, count)?
            .next()
            .ok_or_else(|| Error::user("there are no test images").mend("raise data.holdout"))?
    }

    /// How many images there are to train on and to test on.
    pub(crate) fn counts(&self) -> [usize; 2] {
        [self.train.len(), self.test.len()]
    }
}

impl TaskData for Data {
    fn classes(&self) -> &[String] {
        self.train.classes()
    }

    fn batches(&self, split: TaskSplit) -> Result<Box<dyn Iterator<Item = Result<Batch>> + '_>> {
        const BATCH: usize = 64;
        let loader = self.eval_loader(split, BATCH)?;
        match self.limits[split as usize] {
            0 => Ok(Box::new(loader)),
            limit => Ok(Box::new(loader.take(limit.div_ceil(BATCH)))),
        }
    }
}

/// Refuses heads of a recipe's list that can't be measured while it trains.
pub(crate) fn check_heads(names: &[String]) -> Result<()> {
    for name in names {
        let entry = registry::find::<TaskHeadEntry>("head", name).map_err(|e| e.at("`eval.heads`"))?;
        if let HeadKind::Trained(_) = entry.kind {
            return Err(Error::user(format!("`{name}` is trained with the encoder"))
                .at("`eval.heads`")
                .mend(format!("use it after the run: cargo xtask eval RUN --head {name}")));
        }
    }
    Ok(())
}

/// Scores of every head on frozen features, as {head: {figure: value}}.
pub(crate) fn evaluate(
    trainer: &Trainer,
    params: &Params,
    data: &Data,
    heads: &[(String, Section)],
) -> Result<Value> {
    let task = frozen_task(trainer, params, data, trainer.recipe.run.seed)?;
    let mut results = Map::new();
    for (name, section) in heads {
        let entry = registry::find::<TaskHeadEntry>("head", name)?;
        let HeadKind::Frozen(build) = entry.kind else { continue };
        let scores: Map<String, Value> = build(section)?
            .evaluate(&task)?
            .scores
            .into_iter()
            .map(|(figure, v)| (figure, json!(v)))
            .collect();
        results.insert(name.clone(), Value::Object(scores));
    }
    Ok(Value::Object(results))
}

/// The frozen features of a trainer's encoder with these weights.
pub(crate) fn frozen_task<'a>(
    trainer: &'a Trainer,
    params: &'a Params,
    data: &'a Data,
    seed: u64,
) -> Result<Task<'a>> {
    let pooling: Pooling =
        trainer.recipe.eval.features.parse().map_err(|e: Error| e.at("`eval.features`"))?;
    Task::new(&*trainer.model.encoder, params, data, pooling, trainer.recipe.eval.blocks, seed)
}

/// The weights that a seed starts from.
pub(crate) fn random_params(trainer: &Trainer, place: &Place, seed: u64) -> Result<Params> {
    let trained = trainer.params();
    let values = trainer.model.specs.initial(seed)?;
    Params::upload(place, values, trained.dtype(), trained.compute())
}
