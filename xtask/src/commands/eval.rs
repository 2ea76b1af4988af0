//! `eval`: measures a run's encoder.

use palimpsest_core::recipe::Layers;
use palimpsest_core::settings::Section;
use palimpsest_core::train::{Checkpoint, RunFolder, Trainer};
use palimpsest_core::{Result, recipe::Recipe};
use serde_json::json;

use super::pretrain::print_results;
use crate::cli::Eval;
use crate::session::{self, Data};
use crate::{backends, output};

pub(crate) fn run(args: &Eval) -> Result<()> {
    let folder = RunFolder::open(&args.run)?;
    let blocks = args.blocks.iter().map(|blocks| format!("eval.blocks={blocks}"));
    let features = args.features.iter().map(|features| format!("eval.features={features}"));
    let stored = folder.recipe(&blocks.chain(features).collect::<Vec<_>>())?;
    let path = match &args.checkpoint {
        Some(path) => path.clone(),
        None => folder.newest_checkpoint()?,
    };
    let checkpoint = Checkpoint::read(&path)?;
    let place = backends::place(&args.place.backend, args.place.device)?;
    let mut changes = vec![];
    if let Some(name) = &args.data {
        changes.push(format!("data.name={name}"));
        changes.push("data.path=\"\"".to_owned());
    }
    if let Some(path) = &args.data_path {
        changes.push(format!("data.path={}", toml::Value::String(path.display().to_string())));
    }
    let measured: Recipe = folder.recipe(&changes)?;
    let heads = if args.head.is_empty() { stored.eval.heads.clone() } else { args.head.clone() };
    session::check_heads(&heads)?;
    let heads = heads
        .into_iter()
        .map(|name| Ok((name.clone(), head_section(&name, &args.overrides)?)))
        .collect::<Result<Vec<_>>>()?;
    let data = Data::open(&measured)?;
    let mut trainer = Trainer::new(stored, place, 1)?;
    let step = checkpoint.state.step;
    trainer.restore(checkpoint)?;
    let mut results =
        json!({ "pretrained": session::evaluate(&trainer, &trainer.evaluated_params(), &data, &heads)? });
    if !args.no_baseline {
        let random = session::random_params(&trainer, &trainer.place)?;
        results["random"] = session::evaluate(&trainer, &random, &data, &heads)?;
    }
    if args.json {
        output::line(
            &json!({ "run": args.run, "step": step, "data": measured.data.name, "eval": results })
                .to_string(),
        );
    } else {
        output::line(&format!("{} at step {step}, on {}", args.run.display(), measured.data.name));
        print_results(&results);
    }
    Ok(())
}

/// A head's table from `KEY=VALUE` overrides.
fn head_section(name: &str, overrides: &[String]) -> Result<Section> {
    let mut layers = Layers::default();
    layers.overrides(overrides)?;
    let (table, _) = layers.finish();
    Ok(Section::new(table, format!("head.{name}"), std::sync::Arc::default()))
}
