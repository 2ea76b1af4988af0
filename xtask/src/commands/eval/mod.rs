//! `eval`: measures a run's encoder with heads, on frozen features or trained with it.

mod data_choice;
mod encoder;
mod frozen;
mod measured;
mod saved;
mod trained;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use palimpsest_core::collective::Identity;
use palimpsest_core::finetune::{HeadKind, TaskHeadEntry, find_head};
use palimpsest_core::recipe::{Layers, Recipe};
use palimpsest_core::settings::Section;
use palimpsest_core::{Error, Result};
use palimpsest_datasets::RecipeData;
use serde_json::{Map, Value, json};

use self::data_choice::Given;
use self::encoder::Measurable;
use self::measured::{Compared, spread_table};
use crate::cli::Eval;
use crate::ranks::Ranks;
use crate::{interrupt, output};

pub(crate) fn run(args: &Eval) -> Result<()> {
    let ranks = Ranks::meet(&args.ranks, &args.on)?;
    ranks.through(|| eval(args, &ranks))
}

fn eval(args: &Eval, ranks: &Ranks) -> Result<()> {
    let run = Measurable::open(args, ranks)?;
    let (weights, step) = (run.trainer.parameters_fingerprint()?, run.step);
    let identity = Identity::default().with("the checkpoint", step).with("the weights", weights);
    ranks.same(identity.with_instructions(run.trainer.instructions()))?;
    let heads = if args.head.is_empty() { run.trainer.recipe.eval.heads.clone() } else { args.head.clone() };
    let heads = heads
        .iter()
        .map(|name| {
            let (head, note) = find_head(name, Some(&run.trainer.recipe.head), &args.overrides)
                .map_err(|e| e.at("--head"))?;
            note.iter().filter(|_| run.leads()).for_each(|note| output::note(&format!("note: {note}")));
            Ok(head)
        })
        .collect::<Result<Vec<_>>>()?;
    let Given { sets, of_run, of_head } = Given::of(args)?;
    let seeds = if args.seeds.is_empty() { vec![run.trainer.recipe.run.seed] } else { args.seeds.clone() };
    let interrupted = interrupt::flag()?;
    let sets = match sets.fallback(&run, &heads)? {
        Some(set) => vec![set],
        None => sets.chosen(&run.trainer.recipe)?,
    };
    let mut results = Map::new();
    let mut table = vec![];
    // Every seed and head opens the data again, and would say the same.
    let told = RefCell::new(BTreeSet::new());
    let warn = |text: &str| {
        if run.leads() && told.borrow_mut().insert(text.to_owned()) {
            output::note(text);
        }
    };
    // What can't be measured is told before anything is.
    let rounds: &[bool] =
        if heads.len() * sets.len() > 1 && !args.dry_run { &[true, false] } else { &[false] };
    // Every frozen head of a set sees the same images.
    let mut opened: BTreeMap<&str, RecipeData> = BTreeMap::new();
    for (&check, set) in rounds.iter().flat_map(|check| sets.iter().map(move |set| (check, set))) {
        let recipe = run.folder.recipe(&[&set.changes[..], &of_run[..]].concat())?;
        let limits = [
            args.train_images.unwrap_or(recipe.eval.train_images),
            args.test_images.unwrap_or(recipe.eval.test_images),
        ];
        let mut of_set = vec![];
        for head in &heads {
            let (run, recipe, set, warn) = (&run, &recipe, set.name.as_str(), &warn);
            let measured = match &head.build {
                HeadKind::Frozen(build) => {
                    let built = build(&head_section(head, recipe, &of_head)?);
                    let head_of_run = &*built.map_err(|e| one_head_at_a_time(e, &heads))?;
                    let data = match opened.entry(set) {
                        Entry::Occupied(known) => &*known.into_mut(),
                        Entry::Vacant(place) => &*place.insert(RecipeData::open_for_scores(recipe)?),
                    };
                    data.notes().iter().for_each(|note| warn(&format!("note: {note}")));
                    let (name, head) = (head.name, head_of_run);
                    let task =
                        frozen::HeadRun { args, run, data, limits, name, head, set, interrupted, warn };
                    if check { task.check(seeds[0]).map(|()| None) } else { task.measure(&seeds).map(Some) }
                }
                HeadKind::Trained(trained) => {
                    let task = trained::HeadRun { args, run, recipe, limits, head, trained, set, warn };
                    let measured = match check {
                        true => task.check(interrupted).map(|()| None),
                        false => task.measure(&seeds, interrupted).map(Some),
                    };
                    measured.map_err(|e| one_head_at_a_time(e, &heads))
                }
            };
            of_set.extend(measured?.map(|compared| (head.name, compared)));
        }
        if check {
            continue;
        }
        results.insert(set.name.clone(), eval_json(&of_set));
        table.extend(of_set.into_iter().map(|(head, compared)| (set.name.clone(), head, compared)));
    }
    if !run.leads() {
        return Ok(());
    }
    if args.dry_run {
        if args.result.json {
            output::json(&json!({ "run": args.run.display().to_string(), "plan": results }));
        } else {
            output::note("dry run: heads and data fit; the steps that were tried are not kept");
        }
        return Ok(());
    }
    if args.result.json {
        let path = args.run.display().to_string();
        let line = match sets.as_slice() {
            [set] => json!({ "run": path, "step": run.step, "data": set.name, "eval": results[&set.name] }),
            _ => json!({ "run": path, "step": run.step, "sets": results }),
        };
        output::json(&line);
        return Ok(());
    }
    let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
    output::line(&format!("{} at step {}, on {}", args.run.display(), run.step, names.join(", ")));
    spread_table(&table);
    if heads.iter().any(|head| matches!(head.build, HeadKind::Frozen(_))) {
        output::line(&format!("frozen features: {}", crate::frozen::features_told(&run.trainer)));
    }
    Ok(())
}

/// A key that one of several heads hasn't: keys on the command line are given to each.
fn one_head_at_a_time(error: Error, heads: &[&TaskHeadEntry]) -> Error {
    if heads.len() < 2 || !error.message().starts_with("unknown key") {
        return error;
    }
    let place = error.location().unwrap_or_default().to_owned();
    Error::user(error.message()).at(place).help(
        "keys are given to every head: measure one at a time, or write them to [head.NAME] in the recipe",
    )
}

/// {pretrained: {head: {figure: value}}, random: …}
fn eval_json(heads: &[(&'static str, Compared)]) -> Value {
    let mut eval = Map::new();
    for (name, compared) in heads {
        for (weights, json) in compared.to_json() {
            let of_weights = eval.entry(weights).or_insert_with(|| json!({}));
            of_weights[*name] = json;
        }
    }
    Value::Object(eval)
}

/// A frozen head's table: the recipe's, then `KEY=VALUE` overrides.
fn head_section(head: &TaskHeadEntry, recipe: &Recipe, overrides: &[String]) -> Result<Section> {
    let mut layers = Layers::default();
    layers.section(&recipe.head.section(head.name)?);
    layers.overrides(overrides)?;
    let (table, _) = layers.finish();
    Ok(Section::new(table, format!("head.{}", head.name), std::sync::Arc::default()))
}
