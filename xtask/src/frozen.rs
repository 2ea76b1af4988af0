//! Heads on frozen features of a run's encoder.

use std::sync::atomic::AtomicBool;

use palimpsest_core::finetune::{HeadKind, TaskHeadEntry};
use palimpsest_core::head::{Class, FrozenEval, LabelledSplits};
use palimpsest_core::params::Params;
use palimpsest_core::pooling::Pooling;
use palimpsest_core::settings::Section;
use palimpsest_core::train::Trainer;
use palimpsest_core::{DeviceHandle, Error, Result, registry};
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

/// Scores of every head on frozen features, as {head: {figure: value, train: size, test: size}}.
pub(crate) fn evaluate(
    trainer: &Trainer,
    params: &Params,
    data: &dyn LabelledSplits<Class>,
    heads: &[(String, Section)],
    interrupted: &AtomicBool,
) -> Result<Value> {
    let task = task(trainer, params, data, trainer.recipe.run.seed, interrupted)?;
    let mut results = Map::new();
    for (name, section) in heads {
        let entry = registry::find::<TaskHeadEntry>("head", name)?;
        let HeadKind::Frozen(build) = entry.build else { continue };
        let scores = build(section)?.evaluate(&task)?.scores;
        let [train, test] = task.sizes()?;
        let mut scores: Map<String, Value> =
            scores.into_iter().map(|(figure, value)| (figure, json!(value))).collect();
        scores.extend([("train".to_owned(), json!(train)), ("test".to_owned(), json!(test))]);
        results.insert(name.clone(), Value::Object(scores));
    }
    Ok(Value::Object(results))
}

/// The frozen features of a trainer's encoder with these weights.
pub(crate) fn task<'a>(
    trainer: &'a Trainer,
    params: &'a Params,
    data: &'a dyn LabelledSplits<Class>,
    seed: u64,
    interrupted: &'a AtomicBool,
) -> Result<FrozenEval<'a>> {
    let pooling: Pooling =
        trainer.recipe.eval.features.parse().map_err(|e: Error| e.at("`eval.features`"))?;
    let blocks = trainer.recipe.eval.blocks;
    Ok(FrozenEval::new(&*trainer.model.encoder, params, data, pooling, blocks, seed)?.until(interrupted))
}

/// The weights that a seed starts from.
pub(crate) fn random_params(trainer: &Trainer, device: &DeviceHandle, seed: u64) -> Result<Params> {
    let trained = trainer.params();
    let values = trainer.model.specs.initial(seed)?;
    Params::upload(device, values, trained.dtype(), trained.compute())
}
