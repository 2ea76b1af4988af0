//! Keys that messages and documents name exist: advice can be followed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use palimpsest_core::corruption::noise::{NoiseScheduleEntry, NoiseSettings};
use palimpsest_core::encoder::EncoderEntry;
use palimpsest_core::finetune::{HeadKind, TaskHeadEntry, tables};
use palimpsest_core::model::RestorationSettings;
use palimpsest_core::recipe::{
    DataSettings, EvalSettings, OptimizerSettings, ScheduleSettings, TrainSettings,
};
use palimpsest_core::registry::{self, Registered};
use palimpsest_core::restoration::DecoderEntry;
use palimpsest_core::settings::{Field, Settings};
use palimpsest_datasets::ReaderEntry;

/// Every `table.key` that a recipe or a head's recipe may have.
fn keys() -> BTreeSet<String> {
    palimpsest_datasets::link();
    palimpsest_heads::link();
    let mut keys = BTreeSet::new();
    let mut add = |table: &str, fields: Vec<Field>| {
        keys.extend(fields.iter().map(|field| format!("{table}.{}", field.name)));
    };
    add("data", DataSettings::fields());
    add("optimizer", OptimizerSettings::fields());
    add("schedule", ScheduleSettings::fields());
    add("train", TrainSettings::fields());
    add("eval", EvalSettings::fields());
    add("noise", NoiseSettings::fields());
    add("restoration", RestorationSettings::fields());
    tables().into_iter().for_each(|(table, fields)| add(table, fields));
    for reader in registry::all::<ReaderEntry>() {
        add("data.reader", reader.fields());
    }
    for (table, fields) in [("encoder", fields::<EncoderEntry>()), ("noise", fields::<NoiseScheduleEntry>())]
    {
        add(table, fields);
    }
    add("decoder", fields::<DecoderEntry>());
    add("restoration.decoder", fields::<DecoderEntry>());
    for head in registry::all::<TaskHeadEntry>() {
        add("head", (head.fields)());
        if let HeadKind::Trained(trained) = &head.build {
            add("augment", (trained.augment)().expect("has a loader"));
        }
    }
    keys
}

fn fields<E: Registered>() -> Vec<Field> {
    registry::all::<E>().into_iter().flat_map(Registered::fields).collect()
}

/// Files below a folder of the workspace, by ending.
fn files(folder: &Path, ending: &str, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("reads") {
        let path = entry.expect("reads").path();
        if path.is_dir() {
            files(&path, ending, out);
        } else if path.extension().is_some_and(|e| e == ending) {
            out.push(path);
        }
    }
}

/// The string literals of a source, without those of its comments.
fn literals(source: &str) -> String {
    let mut out = String::new();
    for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for (i, piece) in line.replace("\\\"", "'").split('"').enumerate() {
            if i % 2 == 1 {
                out.push_str(piece);
                out.push('\n');
            }
        }
    }
    out
}

/// The words `table.key` of a text that look like keys of a recipe.
fn named(text: &str) -> BTreeSet<String> {
    const TABLES: [&str; 8] =
        ["data", "optimizer", "schedule", "train", "eval", "noise", "restoration", "encoder"];
    // Files and tensors that are called so.
    const NO_KEYS: [&str; 21] = [
        "csv",
        "txt",
        "yaml",
        "json",
        "bin",
        "log",
        "features",
        "labels",
        "indices",
        "rs",
        "toml",
        "py",
        "npz",
        "md",
        "onnx",
        "layer",
        "pretrained_cfg",
        "layers",
        "yml",
        "m",
        "v",
    ];
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let mut names = BTreeSet::new();
    for token in text.split(|c: char| !word(c)) {
        let mut parts = token.trim_matches('.').split('.');
        let (Some(table), Some(key)) = (parts.next(), parts.next()) else { continue };
        let (table, key) = match (table, key, parts.next()) {
            ("data", "reader", Some(key)) => ("data.reader", key),
            (_, _, None) if TABLES.contains(&table) => (table, key),
            _ => continue,
        };
        let lower = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
        if !key.is_empty() && key.chars().all(lower) && !NO_KEYS.contains(&key) {
            names.insert(format!("{table}.{key}"));
        }
    }
    names
}

#[test]
fn keys_that_are_named_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let keys = keys();
    let mut wrong = vec![];
    let mut look = |path: &Path, text: &str| {
        for name in named(text).difference(&keys) {
            // Kinds, tables, and a key of the reader that docs/data.md builds.
            const KINDS: [&str; 5] =
                ["data.reader", "noise.law", "encoder.kind", "restoration.decoder", "data.reader.side"];
            if !KINDS.contains(&name.as_str()) {
                wrong.push(format!("{}: {name}", path.display()));
            }
        }
    };
    let mut sources = vec![];
    for folder in ["core/src", "datasets/src", "datasets/targets/src", "heads/src", "xtask/src"] {
        files(&root.join(folder), "rs", &mut sources);
    }
    assert!(sources.len() > 300, "the sources are there");
    for path in sources {
        look(&path, &literals(&std::fs::read_to_string(&path).expect("reads")));
    }
    let mut documents = vec![root.join("README.md")];
    files(&root.join("docs"), "md", &mut documents);
    for path in documents {
        look(&path, &std::fs::read_to_string(&path).expect("reads"));
    }
    assert!(wrong.is_empty(), "these keys don't exist:\n{}", wrong.join("\n"));
}
