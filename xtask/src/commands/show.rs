//! `show`: the fields of a part, or a recipe with every default.

use std::path::Path;

use palimpsest_core::Result;
use palimpsest_core::corruption;
use palimpsest_core::corruption::noise::{NoiseLawEntry, NoiseSettings};
use palimpsest_core::encoder::EncoderEntry;
use palimpsest_core::error::unknown_name;
use palimpsest_core::head::TaskHeadEntry;
use palimpsest_core::model::RestorationSettings;
use palimpsest_core::objective::ObjectiveEntry;
use palimpsest_core::recipe::{
    DataSettings, EvalSettings, OptimizerSettings, Recipe, RunSettings, ScheduleSettings, TrainSettings,
    presets,
};
use palimpsest_core::registry::{self, Registered};
use palimpsest_core::restoration::DecoderEntry;
use palimpsest_core::settings::{Field, Settings};
use palimpsest_core::target::TargetEntry;
use serde_json::json;

use crate::cli::{Show, ShowKind};
use crate::output;

pub(crate) fn run(args: &Show) -> Result<()> {
    let name = args.name.as_str();
    let (summary, fields) = match args.kind {
        ShowKind::Encoder => part::<EncoderEntry>("encoder", name)?,
        ShowKind::Corruption => {
            let kind = corruption::find(name)?;
            (kind.summary().to_owned(), kind.fields()?)
        }
        ShowKind::Noise => part::<NoiseLawEntry>("noise law", name)?,
        ShowKind::Decoder => part::<DecoderEntry>("decoder", name)?,
        ShowKind::Target => part::<TargetEntry>("target", name)?,
        ShowKind::Objective => part::<ObjectiveEntry>("objective", name)?,
        ShowKind::Head => part::<TaskHeadEntry>("head", name)?,
        ShowKind::Table => table(name)?,
        ShowKind::Preset => {
            let preset = presets().iter().find(|p| p.name == name);
            let preset =
                preset.ok_or_else(|| unknown_name("preset", name, presets().iter().map(|p| p.name)))?;
            output::line(preset.text.trim_end());
            return Ok(());
        }
        ShowKind::Recipe => {
            let recipe = Recipe::load(Path::new(name), &args.overrides)?;
            output::line(recipe.to_toml().trim_end());
            return Ok(());
        }
    };
    if args.json {
        output::line(&json!({ "name": name, "summary": summary, "fields": fields }).to_string());
        return Ok(());
    }
    output::line(&format!("{name}: {summary}"));
    let mut rows = vec![["key", "default", "range", "meaning"].map(str::to_owned).to_vec()];
    for field in fields {
        rows.push(vec![field.name.to_owned(), field.default, field.range.unwrap_or_default(), field.doc]);
    }
    output::table(&rows);
    Ok(())
}

fn part<E: Registered>(what: &str, name: &str) -> Result<(String, Vec<Field>)> {
    let entry = registry::find::<E>(what, name)?;
    Ok((entry.summary().to_owned(), entry.fields()))
}

fn table(name: &str) -> Result<(String, Vec<Field>)> {
    let fields = match name {
        "recipe" => RunSettings::fields(),
        "data" => DataSettings::fields(),
        "optimizer" => OptimizerSettings::fields(),
        "schedule" => ScheduleSettings::fields(),
        "train" => TrainSettings::fields(),
        "eval" => EvalSettings::fields(),
        "noise" => NoiseSettings::fields(),
        "restoration" => RestorationSettings::fields(),
        _ => {
            let known = ["recipe", "data", "optimizer", "schedule", "train", "eval", "noise", "restoration"];
            return Err(unknown_name("table", name, known));
        }
    };
    Ok((format!("the keys of [{name}]"), fields))
}
