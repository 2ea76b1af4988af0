//! The settings of a fine-tuning: the head's defaults, what the run brings, and overrides.

use std::sync::Arc;

use super::{FinetuneSettings, former};
use crate::recipe::{DataSettings, Layers, OptimizerSettings, Recipe, ScheduleSettings, unknown_key};
use crate::settings::{Field, Section, Settings};
use crate::{Error, Result};

/// The tables beside the head's own keys.
const TABLES: [&str; 5] = ["train", "optimizer", "schedule", "augment", "data"];

/// The resolved settings of a fine-tuning. The head's own keys stand at the top, the others in the
/// tables `train`, `optimizer`, `schedule`, `augment` and `data`.
#[derive(Debug, Clone)]
pub struct FinetuneRecipe {
    /// The head's name.
    pub name: String,
    /// The head's own keys.
    pub head: Section,
    /// `[train]`
    pub train: FinetuneSettings,
    /// `[optimizer]`
    pub optimizer: OptimizerSettings,
    /// `[schedule]`
    pub schedule: ScheduleSettings,
    /// `[augment]`: what the data loader does, by the type of the targets.
    pub augment: Section,
    /// `[data]`
    pub data: DataSettings,
    /// `[data.reader]`: the reader's own keys
    pub reader: Section,
    /// All of it.
    pub table: toml::Table,
}

impl FinetuneRecipe {
    /// Puts the layers together: `training` (the head's defaults), data and precision of the run's
    /// recipe, its table `[head.NAME]`, then `KEY=VALUE` overrides. `fields` are the head's own, `augment`
    /// those of its loader.
    ///
    /// # Errors
    /// An unknown key, a wrong type, a value out of range: with the nearest valid name.
    pub fn resolve(
        name: &str,
        training: &str,
        run: &Recipe,
        overrides: &[String],
        [fields, augment]: [&[Field]; 2],
    ) -> Result<Self> {
        let mut layers = Layers::text(&format!("head {name}"), training)?;
        let mut base = vec![format!("train.precision={}", precision(run))];
        for (key, value) in run.data.with_reader(&run.reader)? {
            base.push(format!("data.{key}={value}"));
        }
        layers.overrides(&base)?;
        former::layer(&mut layers, name, run, overrides)?;
        let (mut table, sources) = layers.finish();
        let sources = Arc::new(sources);
        let mut tables = toml::Table::new();
        for key in TABLES {
            match table.remove(key) {
                None => {}
                Some(toml::Value::Table(inner)) => {
                    tables.insert(key.to_owned(), inner.into());
                }
                Some(other) => {
                    return Err(Error::user(format!("expected a table, found {other}"))
                        .at(sources.location(key))
                        .help(format!("write {key}.KEY=VALUE")));
                }
            }
        }
        let known: Vec<&str> = fields.iter().map(|f| f.name).chain(TABLES).collect();
        if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
            let tables = [
                ("train", FinetuneSettings::fields()),
                ("optimizer", OptimizerSettings::fields()),
                ("schedule", ScheduleSettings::fields()),
                ("augment", augment.to_vec()),
            ];
            let keys = tables.iter().filter(|(_, fields)| fields.iter().any(|field| field.name == key));
            let keys: Vec<String> = keys.map(|(table, _)| format!("{table}.{key}")).collect();
            return Err(unknown_key(key, &known, &keys).at(sources.location(key)));
        }
        with_defaults(&mut table, fields);
        let section = |key: &str| {
            let inner = tables.get(key).and_then(toml::Value::as_table).cloned().unwrap_or_default();
            Section::new(inner, key, sources.clone())
        };
        let augmentation = {
            let mut inner = section("augment").table().clone();
            with_defaults(&mut inner, augment);
            section("augment").with_table(inner)
        };
        let recipe = Self {
            name: name.to_owned(),
            head: Section::new(table.clone(), "", sources.clone()),
            train: section("train").read()?,
            optimizer: section("optimizer").read()?,
            schedule: section("schedule").read()?,
            augment: augmentation.clone(),
            data: DataSettings::of(section("data"))?,
            reader: section("data").section("reader")?,
            table: toml::Table::new(),
        };
        if !recipe.train.batch.is_multiple_of(recipe.train.accumulate) {
            return Err(Error::user(format!(
                "a batch of {} can't be split in {} equal parts",
                recipe.train.batch, recipe.train.accumulate
            ))
            .at(sources.location("train.accumulate"))
            .help("choose a divisor of train.batch"));
        }
        table.insert("train".to_owned(), table_of(&recipe.train)?.into());
        table.insert("optimizer".to_owned(), table_of(&recipe.optimizer)?.into());
        table.insert("schedule".to_owned(), table_of(&recipe.schedule)?.into());
        table.insert("augment".to_owned(), augmentation.table().clone().into());
        table.insert("data".to_owned(), recipe.data.with_reader(&recipe.reader)?.into());
        Ok(Self { table, ..recipe })
    }

    /// The same with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.train.seed = seed;
        if let Some(train) = self.table.get_mut("train").and_then(toml::Value::as_table_mut) {
            train.insert("seed".to_owned(), toml::Value::Integer(seed as i64));
        }
        self
    }

    /// The resolved settings as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.table).unwrap_or_default()
    }
}

fn precision(run: &Recipe) -> String {
    crate::settings::as_toml(&run.run.precision)
}

fn table_of<S: serde::Serialize>(settings: &S) -> Result<toml::Table> {
    toml::Table::try_from(settings).map_err(|e| Error::failure(e.to_string()))
}

/// Fills in the defaults of described fields.
fn with_defaults(table: &mut toml::Table, fields: &[Field]) {
    for field in fields {
        if !table.contains_key(field.name)
            && let Ok(default) = format!("value = {}", field.default).parse::<toml::Table>()
        {
            table.insert(field.name.to_owned(), default["value"].clone());
        }
    }
}

/// The fields of a head's tables beside its own keys and `[augment]`: (table, fields).
pub fn tables() -> [(&'static str, Vec<Field>); 4] {
    [
        ("train", FinetuneSettings::fields()),
        ("optimizer", OptimizerSettings::fields()),
        ("schedule", ScheduleSettings::fields()),
        ("data", DataSettings::fields()),
    ]
}
