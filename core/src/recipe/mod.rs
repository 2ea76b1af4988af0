//! Recipes: TOML over a preset, with `KEY=VALUE` overrides, checked before anything runs.

mod layers;
mod preset;
mod reader_keys;
mod samples;
mod schema;

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use layers::Layers;
pub use preset::{Preset, head_presets, presets};
pub use reader_keys::ReaderKeys;
pub use schema::{
    DataSettings, EmaShape, EvalSettings, Filter, GraphMode, InitPositions, OptimizerSettings, PadMode,
    Precision, ScheduleKind, ScheduleSettings, TrainSettings,
};

use crate::corruption;
use crate::corruption::noise::NoiseScheduleEntry;
use crate::encoder::EncoderEntry;
use crate::error::unknown_name;
use crate::objective::ObjectiveEntry;
use crate::registry::{self, Registered};
use crate::restoration::DecoderEntry;
use crate::settings::{Field, Section, Settings, Sources};
use crate::target::TargetEntry;
use crate::{Error, Result};

crate::settings! {
    /// The keys of a recipe outside its tables.
    pub struct RunSettings {
        /// The run's name.
        name: String = "run".to_owned();
        /// Seed of everything random.
        seed: u64 = 0;
        /// f32, or bf16 for matrix products and attention over f32 weights.
        precision: Precision = Precision::F32;
        /// Weights to start from, in place of the seed's: an export, a checkpoint or a run of this program, or what timm,
        /// Hugging Face or MAE published; a .safetensors file, its folder, or the index of its shards.
        init_from: String = String::new();
        /// SHA-256 of those weights; filled in where it is read, and compared where it is given.
        init_sha256: String = String::new();
        /// Positions of that file for another grid of patches: exact refuses them, resample fits them.
        init_positions: InitPositions = InitPositions::Exact;
    }
}

/// The tables of a recipe.
const TABLES: [&str; 11] = [
    "data",
    "encoder",
    "restoration",
    "corruption",
    "noise",
    "objective",
    "optimizer",
    "schedule",
    "train",
    "eval",
    "head",
];

/// A resolved recipe.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Keys outside the tables.
    pub run: RunSettings,
    /// `[data]`
    pub data: DataSettings,
    /// `[data.reader]`: the reader's own keys, which it describes; they are checked when the data are opened
    pub reader: Section,
    /// `[optimizer]`
    pub optimizer: OptimizerSettings,
    /// `[schedule]`
    pub schedule: ScheduleSettings,
    /// `[train]`
    pub train: TrainSettings,
    /// `[eval]`
    pub eval: EvalSettings,
    /// `[encoder]`
    pub encoder: Section,
    /// `[restoration]`, with the table `decoder`
    pub restoration: Section,
    /// `[corruption]`
    pub corruption: Section,
    /// `[noise]`, with the table `law`; absent without noise
    pub noise: Option<Section>,
    /// `[objective]`, one table for each objective
    pub objective: Section,
    /// `[head]`, one table for each head: how it is fitted where that differs from its defaults. `preset` is
    /// resolved: its keys stand here.
    pub head: Section,
    table: toml::Table,
}

impl Recipe {
    /// Reads a recipe file and overrides.
    ///
    /// # Errors
    /// A file that can't be read or is no recipe; see [`Layers`].
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self> {
        let mut layers = Layers::file(path)?;
        layers.overrides(overrides)?;
        Self::resolve(layers)
    }

    /// A recipe from TOML text; `place` stands for the file's name.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn parse(location: &str, text: &str, overrides: &[String]) -> Result<Self> {
        let mut layers = Layers::text(location, text)?;
        layers.overrides(overrides)?;
        Self::resolve(layers)
    }

    /// Checks keys and types, and fills in every default.
    ///
    /// # Errors
    /// The first mistake, with its location and help.
    pub fn resolve(layers: Layers) -> Result<Self> {
        let (mut table, sources) = layers.head_preset()?.finish();
        let sources = Arc::new(sources);
        let keys: Vec<&str> =
            TABLES.into_iter().chain(RunSettings::fields().iter().map(|field| field.name)).collect();
        for key in table.keys() {
            if !keys.contains(&key.as_str()) {
                return Err(unknown_key(key, &keys, &keys_called(key, &table)).at(sources.location(key)));
            }
        }
        for (name, fields) in described() {
            let inner = table.get(name).and_then(toml::Value::as_table);
            for key in inner.into_iter().flat_map(toml::Table::keys) {
                let known = fields.iter().map(|field| field.name).chain((name == "data").then_some("reader"));
                let known: Vec<&str> = known.collect();
                if !known.contains(&key.as_str()) {
                    let path = format!("{name}.{key}");
                    let mut elsewhere = keys_called(key, &table);
                    elsewhere.retain(|other| *other != path);
                    let mut error = unknown_key(key, &known, &elsewhere);
                    if let Some(data) = inner.filter(|_| name == "data" && elsewhere.is_empty()) {
                        error = DataSettings::or_the_readers(error, key, data);
                    }
                    return Err(error.at(sources.location(&path)));
                }
            }
        }
        fill_kinds(&mut table, &sources)?;
        let section = |name: &str| Section::new(subtable(&table, name), name, sources.clone());
        let present = |name: &str| table.get(name).is_some_and(toml::Value::is_table);
        for name in TABLES {
            if table.get(name).is_some_and(|value| !value.is_table()) {
                return Err(Error::user(format!("expected a table, found {}", table[name]))
                    .at(sources.location(name))
                    .help(format!("write a table [{name}], or {name} = false to drop the preset's")));
            }
        }
        let top: toml::Table =
            table.iter().filter(|(_, v)| !v.is_table()).map(|(k, v)| (k.clone(), v.clone())).collect();
        let top = Section::new(top, "", sources.clone());
        let recipe = Self {
            run: top.read()?,
            data: DataSettings::of(section("data"))?,
            reader: section("data").section("reader")?,
            optimizer: section("optimizer").read()?,
            schedule: section("schedule").read()?,
            train: section("train").read()?,
            eval: section("eval").read()?,
            encoder: section("encoder"),
            restoration: section("restoration"),
            corruption: section("corruption"),
            noise: present("noise").then(|| section("noise")),
            objective: section("objective"),
            head: section("head"),
            table: toml::Table::new(),
        };
        recipe.check(&sources)?;
        let mut full = table.clone();
        full.extend(as_table(&recipe.run));
        if recipe.run.init_from.is_empty() {
            // A recipe that starts from its seed has none of them, nor do they count in its hash.
            full.retain(|key, _| !key.starts_with("init_"));
        }
        full.insert("data".into(), recipe.data.with_reader(&recipe.reader)?.into());
        full.insert("optimizer".into(), as_table(&recipe.optimizer).into());
        full.insert("schedule".into(), as_table(&recipe.schedule).into());
        full.insert("train".into(), recipe.train.table()?.into());
        full.insert("eval".into(), as_table(&recipe.eval).into());
        Ok(Self { table: full, ..recipe })
    }

    /// Checks across keys.
    fn check(&self, sources: &Sources) -> Result<()> {
        let (batch, accumulate) = (self.train.batch, self.train.accumulate);
        if batch % accumulate != 0 {
            return Err(Error::user(format!(
                "a batch of {batch} can't be split in {accumulate} equal parts"
            ))
            .at(sources.location("train.accumulate"))
            .help("choose a divisor of train.batch"));
        }
        if self.objective.table().is_empty() {
            return Err(Error::user("the recipe has no objective")
                .at(sources.location("objective"))
                .help("add a table [objective.NAME] with kind = \"reconstruction\""));
        }
        if let Some(bad) = self.schedule.milestones.iter().find(|m| !(0.0..=1.0).contains(*m)) {
            return Err(Error::user(format!("the milestone {bad} is outside the run"))
                .at(sources.location("schedule.milestones"))
                .help("give shares of the run, as [0.75]"));
        }
        for (key, range) in [("crop_scale", &self.data.crop_scale), ("crop_ratio", &self.data.crop_ratio)] {
            let ordered = match range.as_slice() {
                [] => key == "crop_scale",
                [low, high] => *low > 0.0 && low <= high && high.is_finite(),
                _ => false,
            };
            if !ordered {
                return Err(Error::user(format!("{range:?} is no range"))
                    .at(sources.location(&format!("data.{key}")))
                    .help("give the smallest and the largest value, as [0.67, 1.0]"));
            }
        }
        self.data.check_samples(sources)?;
        let channels = self.data.channels;
        for (key, values) in [("mean", &self.data.mean), ("std", &self.data.std)] {
            if values.len() != channels && values.len() != 1 {
                return Err(Error::user(format!("{} values for {channels} channels", values.len()))
                    .at(sources.location(&format!("data.{key}")))
                    .help("give one value, or one for each channel"));
            }
        }
        if self.data.std.iter().any(|v| !v.is_finite() || *v <= 0.0) {
            return Err(Error::user("a standard deviation must be above 0").at(sources.location("data.std")));
        }
        Ok(())
    }

    /// The resolved recipe with every default, as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.table).unwrap_or_default()
    }

    /// The resolved recipe.
    pub fn table(&self) -> &toml::Table {
        &self.table
    }

    /// Notes the SHA-256 of the file of weights that the run starts from, so that the recipe's hash covers
    /// what was in it.
    ///
    /// # Errors
    /// The recipe gives another one.
    pub fn pin_init(&mut self, sha256: &str) -> Result<()> {
        let given = &self.run.init_sha256;
        if !given.is_empty() && given != sha256 {
            return Err(Error::user(format!("the file's SHA-256 is {sha256}, not {given}"))
                .at("`init_sha256`")
                .help("give the file that the recipe was written for, or drop init_sha256"));
        }
        self.run.init_sha256 = sha256.to_owned();
        self.table.insert("init_sha256".to_owned(), sha256.to_owned().into());
        Ok(())
    }

    /// Puts a table in the place of an objective's target.
    pub(crate) fn set_target(&mut self, objective: &str, target: toml::Table) {
        let mut objectives = self.objective.table().clone();
        if let Some(table) = objectives.get_mut(objective).and_then(toml::Value::as_table_mut) {
            table.insert("target".to_owned(), target.into());
        }
        self.objective = self.objective.with_table(objectives.clone());
        self.table.insert("objective".to_owned(), objectives.into());
    }

    /// SHA-256 of what decides the weights: the resolved recipe without the keys of [`ignored_by_hash`].
    pub fn hash(&self) -> String {
        let decisive: Vec<(String, String)> =
            flatten(&self.table).into_iter().filter(|(key, _)| !ignored_by_hash(key)).collect();
        let mut sha = Sha256::new();
        for (key, value) in decisive {
            sha.update(format!("{key} = {value}\n"));
        }
        sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What has changed since a resolved recipe, as TOML.
    pub fn changes_since(&self, before: &str) -> Changes {
        let before: toml::Table = before.parse().unwrap_or_default();
        let may = |change: &String| {
            let key = change.split_once(": ").map_or("", |(key, _)| key);
            CHANGED_ON_RESUME.contains(&key)
        };
        let (allowed, refused) = Self::difference(&before, &self.table).into_iter().partition(may);
        Changes { allowed, refused }
    }

    /// The keys that decide the weights and differ between two resolved recipes, as
    /// `key: before -> after`.
    pub fn difference(before: &toml::Table, after: &toml::Table) -> Vec<String> {
        let (before, after) = (flatten(before), flatten(after));
        let find = |list: &[(String, String)], key: &str| {
            list.iter().find(|(k, _)| k == key).map_or_else(|| "unset".to_owned(), |(_, v)| v.clone())
        };
        let mut keys: Vec<&String> = before.iter().chain(&after).map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter()
            .filter(|key| !ignored_by_hash(key))
            .map(|key| (key, find(&before, key), find(&after, key)))
            .filter(|(_, a, b)| a != b)
            .map(|(key, a, b)| format!("{key}: {a} -> {b}"))
            .collect()
    }
}

/// The tables whose keys are the same in every recipe.
fn described() -> [(&'static str, Vec<Field>); 5] {
    [
        ("data", DataSettings::fields()),
        ("optimizer", OptimizerSettings::fields()),
        ("schedule", ScheduleSettings::fields()),
        ("train", TrainSettings::fields()),
        ("eval", EvalSettings::fields()),
    ]
}

/// The keys of a recipe whose last part is `name`, as `optimizer.lr` for `lr`, in the order of their names.
pub fn keys_called(name: &str, recipe: &toml::Table) -> Vec<String> {
    let mut filled = recipe.clone();
    // What can't be filled has no keys to offer.
    drop(fill_kinds(&mut filled, &Sources::default()));
    let fixed = described().into_iter().flat_map(|(table, fields)| {
        fields.into_iter().map(move |field| format!("{table}.{}", field.name)).collect::<Vec<_>>()
    });
    let mut keys: Vec<String> = flatten(&filled).into_iter().map(|(key, _)| key).chain(fixed).collect();
    // How heads are fitted is seldom meant, and told where heads are.
    keys.retain(|key| {
        key.rsplit_once('.').is_some_and(|(_, last)| last == name) && !key.starts_with("head.")
    });
    keys.sort();
    keys.dedup();
    keys
}

/// An unknown key, with the keys of other tables that are called so, or the nearest of the `known` ones.
pub(crate) fn unknown_key(key: &str, known: &[&str], elsewhere: &[String]) -> Error {
    if elsewhere.is_empty() {
        return unknown_name("key", key, known.iter().copied());
    }
    let keys: Vec<String> = elsewhere.iter().take(3).map(|key| format!("`{key}`")).collect();
    Error::user(format!("unknown key `{key}`")).help(format!("did you mean {}?", keys.join(" or ")))
}

/// What decides the weights and differs between two recipes, as `key: before -> after`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// What a run may change on its way: the keys that help where a step was not finite.
    pub allowed: Vec<String>,
    /// The rest.
    pub refused: Vec<String>,
}

/// Keys that decide the weights and that a resumed run may change all the same.
pub const CHANGED_ON_RESUME: [&str; 2] = ["optimizer.lr", "optimizer.clip"];

/// Whether a key leaves the trained weights alone, so that a resumed run may change it.
pub fn ignored_by_hash(key: &str) -> bool {
    const KEYS: &[&str] = &[
        "name",
        // Its SHA-256 counts.
        "init_from",
        "data.path",
        "data.workers",
        "data.prefetch",
        "data.cache",
        "data.shown",
        "train.checkpoint_every",
        "train.keep_last",
        "train.log_every",
        "train.log_samples",
        "train.samples_every",
        "train.checkpoint_blocks",
        "train.graph",
        // How the same sums are made, to the last bit or not.
        "train.deterministic",
        "train.shard_optimizer",
    ];
    // The SHA-256 of a teacher's weights counts.
    let teacher = key.starts_with("objective.") && key.ends_with(".target.teacher");
    teacher || key.starts_with("eval.") || key.starts_with("head.") || KEYS.contains(&key)
}

fn as_table<S: serde::Serialize>(settings: &S) -> toml::Table {
    toml::Table::try_from(settings).unwrap_or_default()
}

fn subtable(table: &toml::Table, name: &str) -> toml::Table {
    table.get(name).and_then(toml::Value::as_table).cloned().unwrap_or_default()
}

/// Dotted keys and their values as TOML, sorted.
fn flatten(table: &toml::Table) -> Vec<(String, String)> {
    fn walk(prefix: &str, table: &toml::Table, out: &mut Vec<(String, String)>) {
        for (key, value) in table {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                toml::Value::Table(inner) => walk(&path, inner, out),
                value => out.push((path, value.to_string())),
            }
        }
    }
    let mut out = vec![];
    walk("", table, &mut out);
    out.sort();
    out
}

/// Fills the defaults of every table with a `kind` from the registry.
fn fill_kinds(table: &mut toml::Table, sources: &Sources) -> Result<()> {
    fn fill<E: Registered>(what: &str, table: &mut toml::Table, path: &str, sources: &Sources) -> Result<()> {
        let fields = |kind: &str| Ok(registry::find::<E>(what, kind)?.fields());
        fill_fields(fields, table, path, sources)
    }
    fn fill_fields(
        fields: impl Fn(&str) -> Result<Vec<Field>>,
        table: &mut toml::Table,
        path: &str,
        sources: &Sources,
    ) -> Result<()> {
        let Some(toml::Value::String(kind)) = table.get("kind").cloned() else { return Ok(()) };
        let fields = fields(&kind).map_err(|e| e.at(sources.location(&format!("{path}.kind"))))?;
        for field in fields {
            if !table.contains_key(field.name)
                && let Ok(default) = format!("value = {}", field.default).parse::<toml::Table>()
            {
                table.insert(field.name.to_owned(), default["value"].clone());
            }
        }
        Ok(())
    }
    fn inner<'a>(table: &'a mut toml::Table, key: &str) -> Option<&'a mut toml::Table> {
        table.get_mut(key).and_then(toml::Value::as_table_mut)
    }
    if let Some(encoder) = inner(table, "encoder") {
        fill::<EncoderEntry>("encoder", encoder, "encoder", sources)?;
    }
    if let Some(table) = inner(table, "corruption") {
        fill_fields(|kind| corruption::find(kind)?.fields(), table, "corruption", sources)?;
        // A plug-in's short name becomes its id, which stays unambiguous.
        if let Some(Ok(kind)) = table.get("kind").and_then(toml::Value::as_str).map(corruption::find) {
            table.insert("kind".to_owned(), kind.name().to_owned().into());
        }
    }
    if let Some(law) = inner(table, "noise").and_then(|noise| inner(noise, "law")) {
        fill::<NoiseScheduleEntry>("noise law", law, "noise.law", sources)?;
    }
    if let Some(decoder) = inner(table, "restoration").and_then(|restoration| inner(restoration, "decoder")) {
        fill::<DecoderEntry>("decoder", decoder, "restoration.decoder", sources)?;
    }
    if let Some(objectives) = inner(table, "objective") {
        for (name, objective) in objectives.iter_mut() {
            let path = format!("objective.{name}");
            if let Some(objective) = objective.as_table_mut() {
                fill::<ObjectiveEntry>("objective", objective, &path, sources)?;
                if let Some(target) = inner(objective, "target") {
                    fill::<TargetEntry>("target", target, &format!("{path}.target"), sources)?;
                    // That of a teacher.
                    if let Some(encoder) = inner(target, "encoder") {
                        fill::<EncoderEntry>("encoder", encoder, &format!("{path}.target.encoder"), sources)?;
                    }
                }
            }
        }
    }
    Ok(())
}
