//! `show`: the fields of a part, or a recipe with every default.

use std::path::Path;

use palimpsest_core::Result;
use palimpsest_core::corruption;
use palimpsest_core::corruption::noise::{NoiseLawEntry, NoiseSettings};
use palimpsest_core::encoder::EncoderEntry;
use palimpsest_core::error::unknown_name;
use palimpsest_core::model::RestorationSettings;
use palimpsest_core::objective::ObjectiveEntry;
use palimpsest_core::recipe::{
    DataSettings, EvalSettings, OptimizerSettings, RunSettings, ScheduleSettings, TrainSettings, presets,
};
use palimpsest_core::registry::{self, Registered};
use palimpsest_core::restoration::DecoderEntry;
use palimpsest_core::settings::{Field, Settings};
use palimpsest_core::target::TargetEntry;
use palimpsest_core::tune::{HeadKind, find_head};
use palimpsest_datasets::ReaderEntry;
use serde_json::json;

use crate::cli::{Show, ShowKind};
use crate::{output, session};

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
        ShowKind::Dataset => part::<ReaderEntry>("data set", name)?,
        ShowKind::Head => return head(name, args.json),
        ShowKind::Table => table(name)?,
        ShowKind::Preset => {
            let preset = presets().iter().find(|p| p.name == name);
            let preset =
                preset.ok_or_else(|| unknown_name("preset", name, presets().iter().map(|p| p.name)))?;
            output::line(preset.text.trim_end());
            return Ok(());
        }
        ShowKind::Recipe => {
            let recipe = session::recipe(Some(Path::new(name)), &args.overrides)?;
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

/// A head's own keys, and the tables of its training with the defaults that it gives them.
fn head(name: &str, as_json: bool) -> Result<()> {
    let (entry, note) = find_head(name, None, &[])?;
    note.iter().for_each(|note| output::note(&format!("note: {note}")));
    let name = entry.name;
    let mut tables = vec![(String::new(), (entry.fields)())];
    if let HeadKind::Trained(trained) = &entry.build {
        let own: toml::Table = trained.training.parse().unwrap_or_default();
        let augment = ("augment", (trained.augment)()?);
        for (table, mut fields) in palimpsest_core::tune::tables().into_iter().chain([augment]) {
            // The pictures are the run's, unless an override says otherwise.
            if table == "data" {
                continue;
            }
            for field in &mut fields {
                if let Some(value) = own.get(table).and_then(|inner| inner.get(field.name)) {
                    field.default = value.to_string();
                }
            }
            tables.push((format!("{table}."), fields));
        }
    }
    if as_json {
        let fields: Vec<_> = tables
            .into_iter()
            .flat_map(|(table, fields)| fields.into_iter().map(move |f| (format!("{table}{}", f.name), f)))
            .map(|(key, f)| json!({ "name": key, "doc": f.doc, "default": f.default, "range": f.range }))
            .collect();
        output::line(&json!({ "name": name, "summary": entry.summary, "fields": fields }).to_string());
        return Ok(());
    }
    output::line(&format!("{name}: {}", entry.summary));
    let mut rows = vec![["key", "default", "range", "meaning"].map(str::to_owned).to_vec()];
    for (table, fields) in tables {
        for field in fields {
            let key = format!("{table}{}", field.name);
            rows.push(vec![key, field.default, field.range.unwrap_or_default(), field.doc]);
        }
    }
    output::table(&rows);
    Ok(())
}

fn part<E: Registered>(what: &str, name: &str) -> Result<(String, Vec<Field>)> {
    let entry = registry::find::<E>(what, name)?;
    Ok((entry.summary().to_owned(), entry.fields()))
}

/// The keys of `[data]`, with the names of all readers that are linked.
fn data_fields() -> Vec<Field> {
    let mut fields = DataSettings::fields();
    let names: Vec<&str> = registry::all::<ReaderEntry>().iter().map(|reader| reader.name).collect();
    for field in fields.iter_mut().filter(|field| field.name == "name") {
        field.range = Some(names.join(", "));
    }
    fields
}

fn table(name: &str) -> Result<(String, Vec<Field>)> {
    let fields = match name {
        "recipe" => RunSettings::fields(),
        "data" => data_fields(),
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
