//! Heads that had another name: it goes on working, as `--head NAME` and as the table `[head.NAME]`.

use super::TaskHeadEntry;
use crate::error::unknown_name;
use crate::recipe::{Layers, Recipe};
use crate::registry;
use crate::settings::Section;
use crate::{Error, Result};

/// A name that stood for several heads, told apart by a key of their table.
pub struct FormerHead {
    /// The former name.
    pub name: &'static str,
    /// The key.
    pub key: &'static str,
    /// The heads, which are called as the key's values were; without the key the first was meant.
    pub heads: &'static [&'static str],
}

inventory::collect!(FormerHead);

impl FormerHead {
    fn called(name: &str) -> Option<&'static Self> {
        inventory::iter::<Self>.into_iter().find(|former| former.name == name)
    }

    /// The head that a value of the key means.
    fn head(&self, value: &str) -> Result<&'static str> {
        let meant = self.heads.iter().find(|&&head| head == value);
        meant.copied().ok_or_else(|| unknown_name("head", value, self.heads.iter().copied()))
    }

    /// The head that a table under the former name chooses, if it chooses one.
    fn chosen(&self, table: &Section) -> Result<Option<&'static str>> {
        let Some(value) = table.table().get(self.key) else { return Ok(None) };
        let name = value.as_str().ok_or_else(|| Error::user(format!("expected a name, found {value}")));
        name.and_then(|name| self.head(name)).map(Some).map_err(|e| e.at(table.location(self.key)))
    }

    /// The keys of a table under the former name that are this head's: not those of the others alone.
    fn keys_of(&self, head: &str, table: &Section) -> Result<Section> {
        let fields = |head: &str| -> Result<Vec<&'static str>> {
            let entry = registry::find::<TaskHeadEntry>("head", head)?;
            Ok((entry.fields)().into_iter().map(|field| field.name).collect())
        };
        let own = fields(head)?;
        let mut others = vec![self.key];
        for other in self.heads {
            others.extend(fields(other)?);
        }
        others.retain(|key| !own.contains(key));
        Ok(table.clone().without(&others))
    }
}

/// The head of this name, and a note for the user where the name is a former one. Which head that means is said by
/// the `KEY=VALUE` overrides or else by the table `[head.NAME]` of a run's recipe, of which `tables` is `[head]`.
///
/// # Errors
/// None of that name; the message gives the nearest.
pub fn find_head(
    name: &str,
    tables: Option<&Section>,
    overrides: &[String],
) -> Result<(&'static TaskHeadEntry, Option<String>)> {
    let Some(former) = FormerHead::called(name) else { return Ok((registry::find("head", name)?, None)) };
    let given = overrides.iter().filter_map(|text| value_of(former.key, text)).next_back();
    let chosen = match (given, tables) {
        (Some(value), _) => Some(former.head(value).map_err(|e| e.at(format!("`{}`", former.key)))?),
        (None, Some(tables)) => former.chosen(&tables.section(name)?)?,
        (None, None) => None,
    };
    let head = chosen.unwrap_or(former.heads[0]);
    let names = former.heads.join("` and `");
    let note = format!("the head `{name}` is called `{names}` now, by its kinds; this is `{head}`");
    Ok((registry::find("head", head)?, Some(note)))
}

/// The heads that a table `[head.NAME]` is for, the one that it chooses first.
///
/// # Errors
/// No such head, with the table's place.
pub(super) fn heads_of_table(name: &str, tables: &Section) -> Result<Vec<&'static TaskHeadEntry>> {
    let place = |e: Error| e.at(tables.location(name));
    let Some(former) = FormerHead::called(name) else {
        return Ok(vec![registry::find("head", name).map_err(place)?]);
    };
    let chosen = former.chosen(&tables.section(name)?)?;
    let others = former.heads.iter().copied().filter(|head| Some(*head) != chosen);
    chosen.into_iter().chain(others).map(|head| registry::find("head", head).map_err(place)).collect()
}

/// One sentence for each table of a recipe that stands under a former name.
pub fn former_tables(recipe: &Recipe) -> Vec<String> {
    let names = recipe.head.sections();
    let former = names.iter().filter_map(|name| FormerHead::called(name));
    let note = |former: &FormerHead| {
        let now: Vec<String> = former.heads.iter().map(|head| format!("[head.{head}]")).collect();
        format!("[head.{}] is read as {}; write those", former.name, now.join(" and "))
    };
    former.map(note).collect()
}

/// Adds what a run's recipe says of a head, under former names too, and `KEY=VALUE` overrides.
pub(super) fn layer(layers: &mut Layers, head: &str, run: &Recipe, overrides: &[String]) -> Result<()> {
    let mut overrides = overrides.to_vec();
    for former in inventory::iter::<FormerHead>.into_iter().filter(|former| former.heads.contains(&head)) {
        layers.section(&former.keys_of(head, &run.head.section(former.name)?)?);
        // What `find_head` has followed.
        overrides.retain(|text| value_of(former.key, text) != Some(head));
    }
    layers.section(&run.head.section(head)?);
    layers.overrides(&overrides)
}

/// The value that an override gives to a key.
fn value_of<'a>(key: &str, text: &'a str) -> Option<&'a str> {
    let (own, value) = text.split_once('=')?;
    (own.trim() == key).then(|| value.trim().trim_matches('"'))
}
