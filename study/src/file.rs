//! The study's file.

use std::collections::BTreeMap;
use std::path::Path;

use palimpsest_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::axis::Range;

/// A study as its file says it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyFile {
    /// Its name: that of its folder.
    pub name: String,
    /// What it asks, in a sentence.
    #[serde(default)]
    pub title: String,
    /// The recipe file that cells change.
    pub recipe: Option<String>,
    /// Seeds of pre-training; every cell has them all.
    pub seeds: toml::Value,
    /// Keys that all cells set.
    #[serde(default)]
    pub set: toml::Table,
    /// Grids of cells; their union is studied.
    #[serde(default)]
    pub grid: Vec<Grid>,
    /// What is measured of every trial.
    #[serde(default)]
    pub head: Vec<HeadOfStudy>,
    /// Whether features are analysed too, and on how many images.
    pub analysis: Option<Analysis>,
    /// What is compared with what.
    #[serde(default)]
    pub compare: Vec<Declared>,
    /// Whether one factor changes the effect of another.
    #[serde(default)]
    pub interaction: Vec<DeclaredInteraction>,
    /// Whether one measure predicts another.
    #[serde(default)]
    pub relation: Vec<DeclaredRelation>,
    /// What it may take.
    #[serde(default)]
    pub budget: Budget,
    /// Which checkpoints stay once a trial is measured.
    #[serde(default)]
    pub checkpoints: Checkpoints,
}

/// A product of axes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Its name, as tables and comparisons have it.
    #[serde(default)]
    pub name: String,
    /// What it asks, in a sentence.
    #[serde(default)]
    pub title: String,
    /// Keys that all of its cells set.
    #[serde(default)]
    pub set: toml::Table,
    /// What is varied, by key, or by a name of its own for variants; the first by name varies slowest.
    #[serde(default)]
    pub axes: toml::Table,
}

/// A head, and what it is fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadOfStudy {
    /// The head's name, as `knn`.
    pub head: String,
    /// What tables call it; the head's name by default.
    #[serde(default)]
    pub name: String,
    /// Another data set than the trial's, by its reader's name.
    pub data: Option<String>,
    /// Its folder or file.
    pub path: Option<String>,
    /// Blocks that frozen features are taken after.
    pub blocks: Option<usize>,
    /// Frozen features: mean, class or grid:N.
    pub features: Option<String>,
    /// Training images of each class at most.
    #[serde(default)]
    pub shots: usize,
    /// Training images at most.
    pub train_images: Option<usize>,
    /// Test images at most.
    pub test_images: Option<usize>,
    /// Seeds of the head, apart from those of pre-training; without any, the trial's.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// Keys of the head.
    #[serde(default)]
    pub set: toml::Table,
    /// The figure that counts; by default the one that the head is compared by.
    pub score: Option<String>,
}

impl HeadOfStudy {
    /// What tables call it.
    pub fn title(&self) -> &str {
        if self.name.is_empty() { &self.head } else { &self.name }
    }
}

/// Spectra, effective rank and attention distance of the features.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// Test images that are looked at.
    pub images: usize,
}

/// Levels by axis that a cell must have; `grid` is its grid's name.
pub type Selector = BTreeMap<String, toml::Value>;

/// A comparison that was declared before the study ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// What it claims, in a sentence.
    pub name: String,
    /// Cells that are compared …
    pub a: Selector,
    /// … with these.
    pub b: Selector,
    /// By which heads; all without any.
    #[serde(default)]
    pub heads: Vec<String>,
    /// What is expected of a against b; the test is two-sided whatever it says.
    #[serde(default)]
    pub expect: Expect,
}

/// What a comparison expects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// a is above b.
    #[default]
    Above,
    /// a is below b.
    Below,
    /// Either.
    Different,
}

/// Two factors of two levels each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredInteraction {
    /// What it claims.
    pub name: String,
    /// One factor's two levels.
    pub first: [Selector; 2],
    /// The other's.
    pub second: [Selector; 2],
    /// By which heads; all without any.
    #[serde(default)]
    pub heads: Vec<String>,
}

/// Two measures over the cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredRelation {
    /// What it claims.
    pub name: String,
    /// The measure that predicts.
    pub x: String,
    /// What it predicts.
    pub y: String,
    /// The cells; all without any.
    #[serde(default)]
    pub cells: Selector,
}

/// What a study may take; past it no trial is begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Hours of a process that works on it, each of them; 0 for no limit.
    #[serde(default)]
    pub hours: f64,
    /// Disk for the trials' folders in GB; 0 for no limit.
    #[serde(default)]
    pub gigabytes: f64,
}

/// Which checkpoints of a measured trial stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checkpoints {
    /// The last one: another head can be measured later without training again.
    #[default]
    Last,
    /// None.
    None,
}

impl StudyFile {
    /// Reads a study's file.
    ///
    /// # Errors
    /// A file that can't be read, broken TOML, or keys that no study has.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, &e))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads a study from TOML; `location` stands for the file's name.
    ///
    /// # Errors
    /// As [`StudyFile::load`].
    pub fn parse(location: &str, text: &str) -> Result<Self> {
        let study: Self = toml::from_str(text).map_err(|e| {
            let line = e.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            let at = line.map_or_else(|| location.to_owned(), |line| format!("{location}:{line}"));
            Error::user(e.message().replace('\n', " ")).at(at).help("see docs/studies.md for a study's keys")
        })?;
        study.check().map_err(|e| e.at(location))?;
        Ok(study)
    }

    fn check(&self) -> Result<()> {
        let name = &self.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        // Trials lie beside the studies' folders.
        if name.is_empty() || name.starts_with('.') || name == "trials" || !name.chars().all(plain) {
            return Err(Error::user(format!("`{name}` names no folder"))
                .at("`name`")
                .help("use letters, digits, - and _"));
        }
        if self.head.is_empty() && self.analysis.is_none() {
            return Err(Error::user("the study measures nothing")
                .help("add a table [[head]] with head = \"knn\", or [analysis]"));
        }
        let titles: Vec<&str> = self.measures();
        if let Some((_, twice)) = titles.iter().enumerate().find(|(i, title)| titles[..*i].contains(title)) {
            return Err(Error::user(format!("two measures are called `{twice}`"))
                .at("[[head]]")
                .help("give one of them a `name` of its own"));
        }
        let names: Vec<&str> = self.grid.iter().map(|grid| grid.name.as_str()).collect();
        if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            let told = if twice.is_empty() {
                "two grids have no name".to_owned()
            } else {
                format!("two grids are called `{twice}`")
            };
            return Err(Error::user(told).at("[[grid]]").help("give each a `name` of its own"));
        }
        for (table, name, heads) in self
            .compare
            .iter()
            .map(|declared| ("[[compare]]", &declared.name, &declared.heads))
            .chain(self.interaction.iter().map(|i| ("[[interaction]]", &i.name, &i.heads)))
        {
            self.known(heads.iter().map(String::as_str)).map_err(|e| e.at(format!("{table} `{name}`")))?;
        }
        for relation in &self.relation {
            self.known([relation.x.as_str(), relation.y.as_str()])
                .map_err(|e| e.at(format!("[[relation]] `{}`", relation.name)))?;
        }
        for head in &self.head {
            if let Some((_, twice)) =
                head.seeds.iter().enumerate().find(|(i, seed)| head.seeds[..*i].contains(seed))
            {
                return Err(Error::user(format!("seed {twice} is there twice"))
                    .at(format!("[[head]] `{}`", head.title()))
                    .help("drop one"));
            }
        }
        for declared in &self.compare {
            let heads = &declared.heads;
            if let Some((_, twice)) = heads.iter().enumerate().find(|(i, head)| heads[..*i].contains(head)) {
                return Err(Error::user(format!("`{twice}` is there twice"))
                    .at(format!("[[compare]] `{}`", declared.name))
                    .help("drop one"));
            }
            if declared.name.trim().is_empty() {
                return Err(Error::user("a comparison without a name")
                    .at("[[compare]]")
                    .help("say in `name` what it claims"));
            }
        }
        let declared: Vec<&str> = self.compare.iter().map(|declared| declared.name.as_str()).collect();
        if let Some((_, twice)) = declared.iter().enumerate().find(|(i, name)| declared[..*i].contains(name))
        {
            return Err(Error::user(format!("two comparisons are called `{twice}`"))
                .at("[[compare]]")
                .help("say in `name` what each claims"));
        }
        for (key, value) in [("hours", self.budget.hours), ("gigabytes", self.budget.gigabytes)] {
            if !value.is_finite() || value < 0.0 {
                return Err(Error::user(format!("{value} {key}"))
                    .at(format!("[budget] `{key}`"))
                    .help("give a number above 0, or 0 for no limit"));
            }
        }
        self.seeds().map(|_| ())
    }

    fn known<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let measures = self.measures();
        match names.into_iter().find(|name| !measures.contains(name)) {
            Some(name) => Err(palimpsest_core::error::unknown_name("measure", name, measures)),
            None => Ok(()),
        }
    }

    /// What is measured, as tables call it: the heads, then [`ANALYSED`] where features are analysed.
    pub fn measures(&self) -> Vec<&str> {
        let heads = self.head.iter().map(HeadOfStudy::title);
        heads.chain(self.analysis.iter().flat_map(|_| ANALYSED)).collect()
    }

    /// The seeds, in the file's order.
    ///
    /// # Errors
    /// None, one twice, or numbers that are no seeds.
    pub fn seeds(&self) -> Result<Vec<u64>> {
        let wrong = |found: &dyn std::fmt::Display| {
            Error::user(format!("{found} is no seed"))
                .at("`seeds`")
                .help("list whole numbers, as [0, 1, 2], or give { from = 0, to = 5, step = 1 }")
        };
        let seeds: Vec<u64> = match &self.seeds {
            toml::Value::Array(values) => {
                let seed = |value: &toml::Value| {
                    value.as_integer().and_then(|n| u64::try_from(n).ok()).ok_or_else(|| wrong(value))
                };
                values.iter().map(seed).collect::<Result<_>>()?
            }
            toml::Value::Table(table) => {
                let range: Range = table.clone().try_into().map_err(|e: toml::de::Error| {
                    Error::user(e.message().replace('\n', " "))
                        .at("`seeds`")
                        .help("give { from = 0, to = 5, step = 1 }")
                })?;
                let numbers = range.numbers().map_err(|e| e.at("`seeds`"))?;
                if let Some(bad) = numbers.iter().find(|n| n.fract() != 0.0 || **n < 0.0) {
                    return Err(wrong(bad));
                }
                numbers.into_iter().map(|n| n as u64).collect()
            }
            other => return Err(wrong(other)),
        };
        if seeds.is_empty() {
            return Err(Error::user("the study has no seeds")
                .at("`seeds`")
                .help("give six or more, as seeds = [0, 1, 2, 3, 4, 5]: with five no test can reach 0.05"));
        }
        if let Some((_, twice)) = seeds.iter().enumerate().find(|(i, seed)| seeds[..*i].contains(seed)) {
            return Err(Error::user(format!("seed {twice} is there twice")).at("`seeds`").help("drop one"));
        }
        Ok(seeds)
    }
}

/// What an analysis adds to the measures.
pub const ANALYSED: [&str; 2] = ["high frequencies", "effective rank"];

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "name = \"a\"\nseeds = [0, 1]\nrecipe = \"r.toml\"\n[[head]]\nhead = \"knn\"\n";

    fn refused(text: &str) -> String {
        StudyFile::parse("s.toml", text).expect_err("a mistake").to_string()
    }

    #[test]
    fn a_small_study_is_read() {
        let study = StudyFile::parse("s.toml", SMALL).expect("a study");
        assert_eq!(study.seeds().expect("seeds"), [0, 1]);
        assert_eq!(study.measures(), ["knn"]);
        let ranged = SMALL.replace("[0, 1]", "{ from = 0, to = 5, step = 1 }");
        assert_eq!(StudyFile::parse("s.toml", &ranged).expect("a study").seeds().expect("seeds").len(), 6);
    }

    #[test]
    fn mistakes_name_their_place() {
        assert!(refused(&format!("{SMALL}shoot = 3\n")).starts_with("s.toml:6: unknown field `shoot`"));
        assert!(refused(&SMALL.replace("[0, 1]", "[1, 1]")).contains("seed 1 is there twice"));
        assert!(refused(&SMALL.replace("[0, 1]", "[]")).contains("no seeds"));
        for wrong in ["[-1, 1]", "3", "[0.5]", "[\"a\"]", "{ from = 0, to = 2, count = 2, x = 1 }"] {
            assert!(refused(&SMALL.replace("[0, 1]", wrong)).starts_with("s.toml: `seeds`: "), "{wrong}");
        }
        assert!(refused(&SMALL.replace("\"a\"", "\"trials\"")).contains("names no folder"));
        let comparison = "[[compare]]\nname = \"x\"\na = {}\nb = {}\nheads = [\"kn\"]\n";
        assert!(refused(&format!("{SMALL}{comparison}")).contains("did you mean `knn`"));
        assert!(refused(&format!("{SMALL}[[head]]\nhead = \"knn\"\n")).contains("two measures"));
        assert!(refused("name = \"a\"\nseeds = [0]\n").contains("measures nothing"));
        assert!(refused(&SMALL.replace("\"a\"", "\"a/b\"")).contains("names no folder"));
    }
}
