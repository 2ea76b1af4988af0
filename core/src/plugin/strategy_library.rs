//! A corruption strategy's library: its description, and the strategies it makes.
#![allow(unsafe_code, reason = "reads a library's static descriptions")]

use std::mem::offset_of;
use std::path::Path;
use std::sync::Arc;

use palimpsest_abi::Kind;
use palimpsest_abi::corruption::{self as abi, Description, Parameter as CParameter, Table};

use super::Library;
use super::call::{InCall, kept};
use super::identity::{PluginIdentity, check_id};
use super::loaded_strategy::LoadedStrategy;
use super::manifest::sha256;
use super::parameter::{self, Parameter, text};
use crate::corruption::{Corruption, Injection};
use crate::settings::{Field, Section, Settings};
use crate::{Error, Result};

crate::settings! {
    /// The host's own key in the table of a strategy that puts noise on tokens or changes them.
    pub(super) struct InjectionPoint {
        /// Where its noise or its operations enter: pixels, embedding, block:K (before block K, counted from 0), or auto (where [noise] enters, else the embedding).
        at: String = "auto".to_owned();
    }
}

/// Where the table of a strategy says that its noise or operations enter; `None` follows `[noise]`.
///
/// # Errors
/// A value that names no place.
pub(crate) fn injection_point(section: &Section) -> Result<Option<Injection>> {
    let Some(at) = section.table().get("at") else { return Ok(None) };
    let only = toml::Table::from_iter([("at".to_owned(), at.clone())]);
    let InjectionPoint { at } = section.with_table(only).read()?;
    match at.as_str() {
        "auto" => Ok(None),
        _ => at.try_into().map(Some).map_err(|e: Error| e.at(section.location("at"))),
    }
}

/// A library that was loaded. It is never unloaded.
#[derive(Debug)]
pub struct StrategyLibrary {
    library: Library,
    identity: PluginIdentity,
    /// Its name in messages. Kept for good, as the library is: a signal handler may tell it.
    called: &'static str,
    summary: &'static str,
    capabilities: u64,
    parameters: Vec<Parameter>,
    table: Table,
}

impl StrategyLibrary {
    /// Loads a library and reads its description. Give it only files that you trust.
    ///
    /// # Errors
    /// As [`Library::open`], or a description that breaks the rules.
    pub fn open(path: &Path) -> Result<Self> {
        let sha256 = sha256(path)?;
        let library = Library::open(path, Kind::Corruption)?;
        let at = |error: Error| error.at(library.path().display());
        // SAFETY: a library of this kind has this table, and a table may end where 1.0 ended: what came later is
        // nullable.
        let table: Table = unsafe { library.table_since(offset_of!(Table, observe)) }?;
        if table.description.is_null() || !table.description.is_aligned() {
            return Err(at(Error::user("has no description")));
        }
        // SAFETY: a description starts with its size.
        let size = unsafe { *table.description.cast::<usize>() };
        if size < size_of::<Description>() {
            return Err(at(Error::user(format!(
                "lies about its version: its description has {size} bytes, and {} are due",
                size_of::<Description>()
            ))));
        }
        // SAFETY: it has the size, and is an immutable static of a library that is never unloaded.
        let description: &'static Description = unsafe { &*table.description };
        // SAFETY: texts of that static.
        let (id, version, summary) = unsafe {
            (
                text(description.id, "id").map_err(at)?,
                text(description.version, "version").map_err(at)?,
                text(description.summary, "summary").map_err(at)?,
            )
        };
        check_id(id).map_err(at)?;
        let identity = PluginIdentity { id: id.to_owned(), version: version.to_owned(), sha256 };
        let parameters = Self::parameters(description).map_err(at)?;
        let capabilities = description.capabilities;
        for (flag, has, name) in [
            (abi::OPS, table.apply.is_some(), "apply"),
            (abi::OBSERVES, table.observe.is_some(), "observe"),
            (abi::OBSERVES, table.score.is_some(), "score"),
        ] {
            if capabilities & flag != 0 && !has {
                return Err(at(Error::user(format!("says that it has `{name}`, and has none"))));
            }
        }
        let called =
            format!("the plug-in {} {} ({})", identity.id, identity.version, library.path().display());
        Ok(Self { library, identity, called: kept(called), summary, capabilities, parameters, table })
    }

    fn parameters(description: &'static Description) -> Result<Vec<Parameter>> {
        let (count, stride) = (description.parameter_count, description.parameter_size);
        if count == 0 {
            return Ok(vec![]);
        }
        if description.parameters.is_null()
            || count > 1 << 10
            || stride < size_of::<CParameter>()
            || stride % 8 != 0
        {
            return Err(Error::user(format!("describes {count} parameters of {stride} bytes")));
        }
        let mut found: Vec<Parameter> = vec![];
        for i in 0..count {
            // SAFETY: the description says that `count` of them lie there, `stride` bytes apart; each is at
            // least as large as ours.
            let parameter = unsafe { Parameter::read(&*description.parameters.byte_add(i * stride)) }?;
            if found.iter().any(|other| other.name == parameter.name) {
                return Err(Error::user(format!("has two parameters called `{}`", parameter.name)));
            }
            found.push(parameter);
        }
        Ok(found)
    }

    /// Which plug-in it is.
    pub fn identity(&self) -> &PluginIdentity {
        &self.identity
    }

    /// Marks this thread as within one of its functions, until what comes back is dropped.
    #[must_use]
    pub fn calling(&self, function: &'static str) -> InCall {
        InCall::of(self.called, function)
    }

    /// One line for people.
    pub fn summary(&self) -> &str {
        self.summary
    }

    /// Its capabilities, [`abi::INJECTS`] and others together.
    pub fn capabilities(&self) -> u64 {
        self.capabilities
    }

    /// Its parameters.
    pub fn described(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The ABI version that it was built with.
    pub fn abi(&self) -> (u32, u32) {
        self.library.abi()
    }

    /// What it was built with.
    pub fn built_with(&self) -> &'static str {
        self.library.built_with()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.library.path()
    }

    /// Its functions, as far as its version has them.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Whether its noise or its operations enter somewhere.
    pub fn injects(&self) -> bool {
        self.capabilities & (abi::INJECTS | abi::OPS) != 0
    }

    /// The fields of its table in recipes.
    pub fn fields(&self) -> Vec<Field> {
        let place = self.injects().then(InjectionPoint::fields).into_iter().flatten();
        self.parameters.iter().map(Parameter::field).chain(place).collect()
    }

    /// Makes a strategy of a recipe's table.
    ///
    /// # Errors
    /// A mistake in the table, or the library's own failure.
    pub fn build(self: &Arc<Self>, section: &Section) -> Result<Box<dyn Corruption>> {
        let injection = if self.injects() { injection_point(section)? } else { None };
        let own = if self.injects() { section.clone().without(&["at"]) } else { section.clone() };
        let values = parameter::read(&self.parameters, &own)?;
        LoadedStrategy::create(self.clone(), &values, injection)
            .map(|strategy| Box::new(strategy) as Box<dyn Corruption>)
            .map_err(|e| e.at(section.location("kind")))
    }
}
