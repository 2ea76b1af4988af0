//! `part list`: names, with what each is.

use clap::ValueEnum;
use palimpsest_core::corruption;
use palimpsest_core::corruption::noise::NoiseScheduleEntry;
use palimpsest_core::encoder::EncoderEntry;
use palimpsest_core::finetune::TaskHeadEntry;
use palimpsest_core::objective::ObjectiveEntry;
use palimpsest_core::recipe::{Preset, head_presets, presets};
use palimpsest_core::registry::{self, Registered};
use palimpsest_core::restoration::DecoderEntry;
use palimpsest_core::target::TargetEntry;
use palimpsest_datasets::ReaderEntry;
use serde_json::{Map, Value, json};

use super::show::TABLES;
use crate::cli::PartKind;
use crate::output;

fn entries<E: Registered>() -> Vec<(String, String)> {
    registry::all::<E>().iter().map(|e| (e.name().to_owned(), e.summary().to_owned())).collect()
}

/// What presets there are.
fn summaries(presets: &[Preset]) -> Vec<(String, String)> {
    presets.iter().map(|p| (p.name.to_owned(), p.summary.to_owned())).collect()
}

fn items(kind: PartKind) -> Vec<(String, String)> {
    match kind {
        PartKind::Encoder => entries::<EncoderEntry>(),
        PartKind::Corruption => corruption::kinds()
            .iter()
            .map(|kind| (kind.name().to_owned(), kind.summary().to_owned()))
            .collect(),
        PartKind::Noise => entries::<NoiseScheduleEntry>(),
        PartKind::Decoder => entries::<DecoderEntry>(),
        PartKind::Target => entries::<TargetEntry>(),
        PartKind::Objective => entries::<ObjectiveEntry>(),
        PartKind::Head => entries::<TaskHeadEntry>(),
        PartKind::Reader => entries::<ReaderEntry>(),
        PartKind::Preset => summaries(presets()),
        PartKind::HeadPreset => summaries(head_presets()),
        PartKind::Table => {
            TABLES.iter().map(|name| (name.to_string(), format!("the keys of [{name}]"))).collect()
        }
    }
}

/// The parts of a kind.
pub(super) fn of_kind(kind: PartKind, as_json: bool) {
    output::named(&items(kind), as_json);
}

/// The names of every kind's parts.
pub(super) fn all(as_json: bool) {
    let kinds = PartKind::value_variants().iter().map(|&kind| {
        let name = kind.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        (name, items(kind).into_iter().map(|(name, _)| name).collect::<Vec<_>>())
    });
    if as_json {
        let kinds: Map<String, Value> = kinds.map(|(kind, names)| (kind, json!(names))).collect();
        output::json(&kinds);
    } else {
        output::table(&kinds.map(|(kind, names)| vec![kind, names.join(", ")]).collect::<Vec<_>>());
    }
}
