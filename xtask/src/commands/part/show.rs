//! `part show`: the keys of a part.

use palimpsest_core::Result;
use palimpsest_core::corruption;
use palimpsest_core::corruption::noise::{NoiseScheduleEntry, NoiseSettings};
use palimpsest_core::encoder::EncoderEntry;
use palimpsest_core::error::unknown_name;
use palimpsest_core::finetune::{HeadKind, find_head};
use palimpsest_core::model::RestorationSettings;
use palimpsest_core::objective::ObjectiveEntry;
use palimpsest_core::recipe::{
    DataSettings, EvalSettings, OptimizerSettings, Preset, RunSettings, ScheduleSettings, TrainSettings,
    head_presets, presets,
};
use palimpsest_core::registry::{self, Registered};
use palimpsest_core::restoration::DecoderEntry;
use palimpsest_core::settings::{Field, Settings};
use palimpsest_core::target::TargetEntry;
use palimpsest_datasets::ReaderEntry;
use serde_json::json;

use crate::cli::PartKind;
use crate::output;

/// The tables of a recipe beside its parts.
pub(super) const TABLES: [&str; 8] =
    ["recipe", "data", "optimizer", "schedule", "train", "eval", "noise", "restoration"];

pub(super) fn run(kind: PartKind, name: &str, as_json: bool) -> Result<()> {
    let (summary, fields) = match kind {
        PartKind::Encoder => part::<EncoderEntry>("encoder", name)?,
        PartKind::Corruption => {
            let kind = corruption::find(name)?;
            (kind.summary().to_owned(), kind.fields()?)
        }
        PartKind::Noise => part::<NoiseScheduleEntry>("noise law", name)?,
        PartKind::Decoder => part::<DecoderEntry>("decoder", name)?,
        PartKind::Target => part::<TargetEntry>("target", name)?,
        PartKind::Objective => part::<ObjectiveEntry>("objective", name)?,
        PartKind::Head => return head(name, as_json),
        PartKind::Reader => reader(name)?,
        PartKind::Table => table(name)?,
        PartKind::Preset => return preset("preset", presets(), name, as_json),
        PartKind::HeadPreset => return preset("head preset", head_presets(), name, as_json),
    };
    if as_json {
        output::json(&json!({ "name": name, "summary": summary, "fields": fields }));
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
    let mut about = "";
    if let HeadKind::Trained(trained) = &entry.build {
        about = trained.about;
        let own: toml::Table = trained.training.parse().unwrap_or_default();
        let augment = ("augment", (trained.augment)()?);
        for (table, mut fields) in palimpsest_core::finetune::tables().into_iter().chain([augment]) {
            // The images are the run's, unless an override says otherwise.
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
        output::json(&json!({ "name": name, "summary": entry.summary, "about": about, "fields": fields }));
        return Ok(());
    }
    output::line(&format!("{name}: {}", entry.summary));
    if !about.is_empty() {
        output::line(&format!("\n{about}\n"));
    }
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

/// A preset as it is written, with its comments.
fn preset(what: &str, presets: &[Preset], name: &str, as_json: bool) -> Result<()> {
    let known = presets.iter().map(|preset| preset.name);
    let preset =
        presets.iter().find(|preset| preset.name == name).ok_or_else(|| unknown_name(what, name, known))?;
    if as_json {
        let Preset { name, summary, text } = preset;
        output::json(&json!({ "name": name, "summary": summary, "text": text }));
    } else {
        output::line(preset.text.trim_end());
    }
    Ok(())
}

/// A reader of data sets: the layout that it expects, and its own keys, of `[data.reader]`.
fn reader(name: &str) -> Result<(String, Vec<Field>)> {
    let (summary, fields) = part::<ReaderEntry>("reader", name)?;
    let layout = registry::find::<ReaderEntry>("reader", name)?.layout;
    Ok((format!("{summary}; {layout}"), fields))
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
            return Err(unknown_name("table", name, TABLES));
        }
    };
    Ok((format!("the keys of [{name}]"), fields))
}
