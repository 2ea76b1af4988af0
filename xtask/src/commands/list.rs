//! `list`: what recipes are made of.

use palimpsest_core::Result;
use palimpsest_core::corruption;
use palimpsest_core::corruption::noise::NoiseLawEntry;
use palimpsest_core::encoder::EncoderEntry;
use palimpsest_core::objective::ObjectiveEntry;
use palimpsest_core::recipe::presets;
use palimpsest_core::registry::{self, Registered};
use palimpsest_core::restoration::DecoderEntry;
use palimpsest_core::target::TargetEntry;
use palimpsest_core::tune::TaskHeadEntry;
use palimpsest_datasets::ReaderEntry;
use serde_json::json;

use crate::cli::{List, ListKind};
use crate::{backends, output};

fn entries<E: Registered>() -> Vec<(String, String)> {
    registry::all::<E>().iter().map(|e| (e.name().to_owned(), e.summary().to_owned())).collect()
}

pub(crate) fn run(args: &List) -> Result<()> {
    let items = match args.kind {
        ListKind::Backends => {
            backends::KNOWN.iter().map(|b| (b.name.to_owned(), b.summary.to_owned())).collect()
        }
        ListKind::Recipes => recipes(),
        ListKind::Presets => presets().iter().map(|p| (p.name.to_owned(), p.summary.to_owned())).collect(),
        ListKind::Encoders => entries::<EncoderEntry>(),
        ListKind::Corruptions => corruption::kinds()
            .iter()
            .map(|kind| (kind.name().to_owned(), kind.summary().to_owned()))
            .collect(),
        ListKind::Noise => entries::<NoiseLawEntry>(),
        ListKind::Decoders => entries::<DecoderEntry>(),
        ListKind::Targets => entries::<TargetEntry>(),
        ListKind::Objectives => entries::<ObjectiveEntry>(),
        ListKind::Heads => entries::<TaskHeadEntry>(),
        ListKind::Datasets => entries::<ReaderEntry>(),
    };
    if args.json {
        let items: Vec<_> =
            items.iter().map(|(name, summary)| json!({ "name": name, "summary": summary })).collect();
        output::line(&json!(items).to_string());
    } else {
        output::table(&items.into_iter().map(|(name, summary)| vec![name, summary]).collect::<Vec<_>>());
    }
    Ok(())
}

/// The recipe files of the checkout, with the first line of each.
fn recipes() -> Vec<(String, String)> {
    let folder = std::path::Path::new("recipes");
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "toml") {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned();
            found.push((path.display().to_string(), first));
        }
    }
    found.sort();
    found
}
