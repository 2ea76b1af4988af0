//! Heads on frozen features of a run's encoder.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use palimpsest_core::collective::Collective;
use palimpsest_core::data::Split;
use palimpsest_core::finetune::{HeadKind, TaskHeadEntry};
use palimpsest_core::head::{Class, Evaluation, FrozenEval, LabelledSplits, broken_messages};
use palimpsest_core::params::Params;
use palimpsest_core::pooling::Pooling;
use palimpsest_core::settings::Section;
use palimpsest_core::train::Trainer;
use palimpsest_core::{DeviceHandle, Error, Result, registry};
use palimpsest_datasets::{Draw, RecipeData};
use serde_json::{Map, Value, json};

/// Refuses heads of a recipe's list that can't be measured while it trains.
pub(crate) fn check_heads(names: &[String]) -> Result<()> {
    for name in names {
        let entry = registry::find::<TaskHeadEntry>("head", name).map_err(|e| e.at("`eval.heads`"))?;
        if let HeadKind::Trained(_) = entry.build {
            return Err(Error::user(format!("`{name}` is trained with the encoder"))
                .at("`eval.heads`")
                .help(format!("use it after the run: cargo xtask eval RUN --head {name}")));
        }
    }
    Ok(())
}

/// The images that a recipe's heads are fitted and scored on; none where it has no heads, or where the data have
/// no classes: then with a sentence that says so.
///
/// # Errors
/// Heads that can't be measured so: features or blocks that the encoder hasn't, too few images.
pub(crate) fn labelled(trainer: &Trainer, data: &RecipeData) -> Result<Labelled> {
    let eval = &trainer.recipe.eval;
    check_heads(&eval.heads)?;
    if eval.heads.is_empty() {
        return Ok(Labelled { splits: None, note: None });
    }
    if let Some(why) = data.without_classes() {
        let note = format!("{why}: eval.heads ({}) are skipped", eval.heads.join(", "));
        return Ok(Labelled { splits: None, note: Some(note) });
    }
    let seed = trainer.recipe.run.seed;
    let draw = Draw { seed, limits: [eval.train_images, eval.test_images], ..Draw::default() };
    let splits = data.labelled(&draw)?;
    let fitting = Fitting { seed, interrupted: &AtomicBool::new(false), collective: None };
    task(trainer, &trainer.params(), &*splits, &fitting)?;
    Ok(Labelled { splits: Some(splits), note: None })
}

/// What heads look at, as `mean of the tokens after block 1 of 4`: a figure says little without.
pub(crate) fn features_told(trainer: &Trainer) -> String {
    let eval = &trainer.recipe.eval;
    let depth = trainer.model.encoder.geometry().depth;
    let what = match eval.features.as_str() {
        "mean" => "mean of the tokens",
        "class" => "class token",
        grid => grid,
    };
    match eval.blocks {
        0 => format!("{what} after all {depth} blocks"),
        blocks => format!("{what} after block {blocks} of {depth}"),
    }
}

/// See [`labelled`].
pub(crate) struct Labelled {
    pub(crate) splits: Option<Box<dyn LabelledSplits<Class>>>,
    pub(crate) note: Option<String>,
}

/// Scores of every head on frozen features, as {head: {figure: value, train: size, test: size}}; `warn` is told of
/// broken files. The processes that train together share the images.
pub(crate) fn evaluate(
    trainer: &Trainer,
    params: &Params,
    data: &dyn LabelledSplits<Class>,
    heads: &[(String, Section)],
    interrupted: &AtomicBool,
    warn: &mut dyn FnMut(&str),
) -> Result<Value> {
    let seed = trainer.recipe.run.seed;
    let fitting = Fitting { seed, interrupted, collective: trainer.collective() };
    let task = task(trainer, params, data, &fitting)?;
    let mut results = Map::new();
    for (name, section) in heads {
        let entry = registry::find::<TaskHeadEntry>("head", name)?;
        let HeadKind::Frozen(build) = entry.build else { continue };
        let Evaluation { scores, notes, .. } = task.evaluate(&*build(section)?)?;
        notes.iter().for_each(|note| warn(note));
        let [train, test] = task.sizes()?;
        let mut scores: Map<String, Value> =
            scores.into_iter().map(|(figure, value)| (figure, json!(value))).collect();
        scores.extend([("train".to_owned(), json!(train)), ("test".to_owned(), json!(test))]);
        scores.insert("features".to_owned(), json!(features_told(trainer)));
        results.insert(name.clone(), Value::Object(scores));
    }
    broken_messages_of(&task)?.iter().for_each(|message| warn(message));
    Ok(Value::Object(results))
}

/// How heads are fitted on frozen features.
pub(crate) struct Fitting<'a> {
    /// Seed of what a head draws.
    pub(crate) seed: u64,
    /// Set when the user wants to stop.
    pub(crate) interrupted: &'a AtomicBool,
    /// Other processes that share the images; none in one alone.
    pub(crate) collective: Option<&'a Arc<dyn Collective>>,
}

/// The frozen features of a trainer's encoder with these weights.
pub(crate) fn task<'a>(
    trainer: &'a Trainer,
    params: &'a Params,
    data: &'a dyn LabelledSplits<Class>,
    fitting: &Fitting<'a>,
) -> Result<FrozenEval<'a>> {
    let pooling: Pooling =
        trainer.recipe.eval.features.parse().map_err(|e: Error| e.at("`eval.features`"))?;
    let blocks = trainer.recipe.eval.blocks;
    let &Fitting { seed, interrupted, collective } = fitting;
    let task = FrozenEval::new(&*trainer.model.encoder, params, data, pooling, blocks, seed)?;
    Ok(task.until(interrupted).among(collective.cloned()))
}

/// What is told of the broken files that were met.
pub(crate) fn broken_messages_of(task: &FrozenEval<'_>) -> Result<Vec<String>> {
    let mut messages = vec![];
    for (split, part) in [(Split::Train, "training"), (Split::Test, "test")] {
        messages.extend(broken_messages(&task.features(split)?.broken, part));
    }
    Ok(messages)
}

/// The weights that a seed starts from.
pub(crate) fn random_params(trainer: &Trainer, device: &DeviceHandle, seed: u64) -> Result<Params> {
    let trained = trainer.params();
    let values = trainer.model.specs.initial(seed)?;
    Params::upload(device, values, trained.dtype(), trained.compute())
}
