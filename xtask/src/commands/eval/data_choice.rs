//! Which data sets an evaluation is on: those of `--data`, of overrides of the same meaning, the run's own, or a stand-in.

use std::path::PathBuf;

use palimpsest_core::finetune::{HeadKind, TaskHeadEntry};
use palimpsest_core::recipe::Recipe;
use palimpsest_core::{Error, Result};

use super::encoder::Measurable;
use crate::cli::Eval;
use crate::output;

/// A data set to measure on: its name, and the changes of the run's recipe that open it.
pub(super) struct DataChoice {
    pub(super) name: String,
    pub(super) changes: Vec<String>,
}

/// Data sets as they were named, and the overrides beside them.
pub(super) struct Given {
    pub(super) sets: Sets,
    /// Overrides of the run's recipe: how data are read.
    pub(super) of_run: Vec<String>,
    /// Those of the head and of its training.
    pub(super) of_head: Vec<String>,
}

impl Given {
    /// `data.name=` and `data.path=` are another way to say `--data` and `--data-path`: results are named after the data, so
    /// that those of other data don't take the place of the run's own.
    ///
    /// # Errors
    /// The same said both ways.
    pub(super) fn of(args: &Eval) -> Result<Self> {
        let (of_data, of_head): (Vec<String>, Vec<String>) =
            args.overrides.iter().cloned().partition(|change| change.starts_with("data."));
        let (name, of_run) = taken(of_data, "data.name");
        let (path, of_run) = taken(of_run, "data.path");
        let both = |key: &str, flag: &str| {
            let what = format!("{key} is given, and {flag} too");
            Err(Error::user(what).at(flag.to_owned()).help("give one of the two"))
        };
        let sets = Sets {
            names: match name {
                Some(_) if !args.data.is_empty() => return both("data.name", "--data"),
                Some(name) => vec![name],
                None => args.data.clone(),
            },
            paths: match path {
                Some(_) if !args.data_path.is_empty() => return both("data.path", "--data-path"),
                Some(path) => vec![PathBuf::from(path)],
                None => args.data_path.clone(),
            },
        };
        Ok(Self { sets, of_run, of_head })
    }
}

/// The value that overrides give to a key, the last one's, and the other overrides.
fn taken(overrides: Vec<String>, key: &str) -> (Option<String>, Vec<String>) {
    let value = |text: &str| -> Option<String> {
        let (_, value) = text.split_once('=').filter(|(own, _)| own.trim() == key)?;
        let quoted = format!("value = {value}").parse::<toml::Table>().ok();
        let text = quoted.and_then(|table| table["value"].as_str().map(str::to_owned));
        Some(text.unwrap_or_else(|| value.trim().to_owned()))
    };
    let last = overrides.iter().filter_map(|text| value(text)).next_back();
    (last, overrides.into_iter().filter(|text| value(text).is_none()).collect())
}

/// Patches along a side of a stand-in's images: enough for objects to have some each, few enough for a
/// processor.
const FALLBACK_PATCHES: usize = 12;

/// Data sets by their readers' names, with their paths.
pub(super) struct Sets {
    names: Vec<String>,
    paths: Vec<PathBuf>,
}

impl Sets {
    /// The data set that stands in where the run's own have no targets such as all of the heads need, and the user
    /// named none.
    pub(super) fn fallback(&self, run: &Measurable, heads: &[&TaskHeadEntry]) -> Result<Option<DataChoice>> {
        let recipe = &run.trainer.recipe;
        if !self.names.is_empty() || !self.paths.is_empty() {
            return Ok(None);
        }
        let mut found: Option<&str> = None;
        for head in heads {
            let HeadKind::Trained(trained) = &head.build else { return Ok(None) };
            match (trained.fallback)(&recipe.data.name)? {
                Some(name) if found.is_none_or(|other| other == name) => found = Some(name),
                _ => return Ok(None),
            }
        }
        let Some(name) = found else { return Ok(None) };
        let side = FALLBACK_PATCHES * run.trainer.model.encoder.geometry().patch;
        if run.leads() {
            output::note(&format!(
                "note: {} has no targets for {}; {name} stands in, at {side} px (choose others by --data)",
                recipe.data.name,
                heads.iter().map(|head| head.name).collect::<Vec<_>>().join(", "),
            ));
        }
        let changes =
            [format!("data.name={name}"), "data.path=\"\"".to_owned(), format!("data.image_size={side}")];
        Ok(Some(DataChoice { name: name.to_owned(), changes: changes.to_vec() }))
    }

    /// The data sets of `--data` with their paths; the run's own without.
    pub(super) fn chosen(&self, recipe: &Recipe) -> Result<Vec<DataChoice>> {
        let path_change =
            |path: &PathBuf| format!("data.path={}", toml::Value::String(path.display().to_string()));
        if self.names.is_empty() {
            if self.paths.len() > 1 {
                return Err(Error::user(format!("{} paths of one data set", self.paths.len()))
                    .at("--data-path")
                    .help("name the data sets, as --data cub,cars"));
            }
            let changes = self.paths.iter().map(path_change).collect();
            return Ok(vec![DataChoice { name: recipe.data.name.clone(), changes }]);
        }
        // Results and folders go by the name.
        if let Some((_, name)) =
            self.names.iter().enumerate().find(|(i, name)| self.names[..*i].contains(name))
        {
            return Err(Error::user(format!("`{name}` is named twice"))
                .at("--data")
                .help("measure sets of one reader one at a time, each with its own --out"));
        }
        if !self.paths.is_empty() && self.paths.len() != self.names.len() {
            return Err(Error::user(format!(
                "{} paths for {} data sets",
                self.paths.len(),
                self.names.len()
            ))
            .at("--data-path")
            .help("give one for each, in the order of --data"));
        }
        let of = |(i, name): (usize, &String)| {
            let own = *name == recipe.data.name && self.paths.is_empty();
            let mut changes = vec![format!("data.name={name}")];
            if !own {
                changes.push(self.paths.get(i).map_or_else(|| "data.path=\"\"".to_owned(), path_change));
            }
            DataChoice { name: name.clone(), changes }
        };
        Ok(self.names.iter().enumerate().map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::taken;

    #[test]
    fn the_last_value_counts_whatever_its_quotes() {
        // No key of a recipe: one that begins as one does.
        let longer = format!("data.name{}", "s=x");
        let overrides = ["data.name=csv", "data.limit=3", "data.name = \"parquet\"", &longer];
        let (name, others) = taken(overrides.map(str::to_owned).to_vec(), "data.name");
        assert_eq!(name.as_deref(), Some("parquet"));
        assert_eq!(others, ["data.limit=3", &longer]);
        assert_eq!(taken(others, "data.path").0, None);
    }
}
