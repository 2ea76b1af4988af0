//! One name space for built-in strategies and plug-ins.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use super::aside::Aside;
use super::{Corruption, CorruptionEntry};
use crate::error::unknown_name;
use crate::plugin::{Installed, PluginIdentity};
use crate::settings::{Field, Section};
use crate::{Error, Result, registry};

/// The plug-ins of this process.
static PLUGINS: RwLock<Vec<Arc<Installed>>> = RwLock::new(Vec::new());

/// Makes plug-ins known by their names. Those of the same id that were known before are replaced.
pub fn install(plugins: Vec<Installed>) {
    let mut known = PLUGINS.write().unwrap_or_else(PoisonError::into_inner);
    for plugin in plugins {
        known.retain(|other| other.id() != plugin.id());
        known.push(Arc::new(plugin));
    }
}

/// The plug-ins that are not to be loaded.
static ASIDE: RwLock<Vec<PluginIdentity>> = RwLock::new(Vec::new());

/// Lets recipes name a plug-in that is not at hand, or not to be loaded, for a process that corrupts nothing: what is
/// built of them has no plans.
pub fn set_aside(plugin: PluginIdentity) {
    let mut aside = ASIDE.write().unwrap_or_else(PoisonError::into_inner);
    aside.retain(|other| other.id != plugin.id);
    aside.push(plugin);
}

/// Where the library of a known plug-in lies.
pub fn library(id: &str) -> Option<PathBuf> {
    let known = PLUGINS.read().unwrap_or_else(PoisonError::into_inner);
    known.iter().find(|plugin| plugin.id() == id).map(|plugin| plugin.library().to_owned())
}

/// A strategy of the catalogue.
pub enum Kind {
    /// One that is compiled in.
    BuiltIn(&'static CorruptionEntry),
    /// One of a dynamic library, not loaded yet.
    Plugin(Arc<Installed>),
    /// One that is not to be loaded.
    Aside(PluginIdentity),
}

impl Kind {
    /// The `kind` in recipes.
    pub fn name(&self) -> &str {
        match self {
            Self::BuiltIn(entry) => entry.name,
            Self::Plugin(plugin) => plugin.id(),
            Self::Aside(plugin) => &plugin.id,
        }
    }

    /// One line for people.
    pub fn summary(&self) -> &str {
        match self {
            Self::BuiltIn(entry) => entry.summary,
            Self::Plugin(plugin) => plugin.summary(),
            Self::Aside(_) => "a plug-in that is not loaded here",
        }
    }

    /// The fields of its table. Loads a plug-in.
    ///
    /// # Errors
    /// A library that can't be loaded.
    pub fn fields(&self) -> Result<Vec<Field>> {
        match self {
            Self::BuiltIn(entry) => Ok((entry.fields)()),
            Self::Plugin(plugin) => Ok(plugin.load()?.fields()),
            // It is named by resolved recipes, which have every key.
            Self::Aside(_) => Ok(vec![]),
        }
    }

    /// Builds it from its table. Loads a plug-in.
    ///
    /// # Errors
    /// A mistake in the table, or a library that can't be loaded.
    pub fn build(&self, section: &Section) -> Result<Box<dyn Corruption>> {
        match self {
            Self::BuiltIn(entry) => (entry.build)(section),
            Self::Plugin(plugin) => plugin.load()?.build(section),
            Self::Aside(plugin) => Ok(Box::new(Aside::build(plugin, section)?)),
        }
    }
}

/// All strategies, built-ins first, by name. Loads nothing.
pub fn kinds() -> Vec<Kind> {
    let built_in = registry::all::<CorruptionEntry>().into_iter().map(Kind::BuiltIn);
    let known = PLUGINS.read().unwrap_or_else(PoisonError::into_inner);
    let aside = ASIDE.read().unwrap_or_else(PoisonError::into_inner);
    let loadable = known.iter().filter(|plugin| aside.iter().all(|other| other.id != plugin.id()));
    let mut plugins: Vec<Kind> = loadable.cloned().map(Kind::Plugin).collect();
    plugins.extend(aside.iter().cloned().map(Kind::Aside));
    plugins.sort_by(|a, b| a.name().cmp(b.name()));
    built_in.chain(plugins).collect()
}

/// The strategy called `name`: a built-in, a plug-in's id, or the last part of one.
///
/// # Errors
/// None of that name; the message gives the nearest. A short name of several plug-ins.
pub fn find(name: &str) -> Result<Kind> {
    let (mut exact, mut short, mut names) = (None, vec![], vec![]);
    for kind in kinds() {
        // Built-ins have no dots in their names.
        let last = kind.name().rsplit('.').next().unwrap_or_default().to_owned();
        if kind.name() == name {
            exact = Some(kind);
        } else if last == name {
            short.push(kind);
        }
        names.push(last);
    }
    if let Some(kind) = exact {
        return Ok(kind);
    }
    match short.len() {
        1 => Ok(short.remove(0)),
        // Built-ins have no dots in their names, so this one asks for a plug-in.
        0 if name.contains('.') => Err(Error::user(format!("no plug-in `{name}` is known"))
            .help("give its library, its manifest or their folder: --plugin PATH")),
        0 => Err(unknown_name("corruption", name, names.iter().map(String::as_str))),
        _ => {
            let ids: Vec<&str> = short.iter().map(Kind::name).collect();
            Err(Error::user(format!("`{name}` is the short name of {}", ids.join(" and ")))
                .help("write the whole id"))
        }
    }
}
