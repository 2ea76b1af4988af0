//! A plug-in's described parameters, and a recipe's table read by them.
#![allow(unsafe_code, reason = "reads a library's static descriptions")]

use palimpsest_abi::corruption::{Argument, Parameter as CParameter, Value};
use palimpsest_abi::{self as abi, Str};

use crate::error::unknown_name;
use crate::settings::{Field, Section};
use crate::{Error, Result};

/// A value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// A flag.
    Flag(bool),
    /// An integer.
    Integer(i64),
    /// A real number.
    Real(f64),
    /// Text.
    Text(String),
}

impl Setting {
    /// As TOML writes it.
    pub fn to_toml(&self) -> String {
        match self {
            Self::Flag(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Real(value) => toml::Value::Float(*value).to_string(),
            Self::Text(value) => toml::Value::String(value.clone()).to_string(),
        }
    }
}

/// A parameter as its library describes it.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// The key.
    pub name: &'static str,
    /// What it means.
    pub doc: String,
    /// The value where none is given; its kind is the parameter's type.
    pub default: Setting,
    /// The smallest number.
    pub min: f64,
    /// The largest number.
    pub max: f64,
    /// The texts that are allowed; empty for all.
    pub choices: Vec<String>,
}

/// Text that a library keeps for ever.
///
/// # Safety
/// `text` points to `len` readable bytes that are never freed or changed.
pub(super) unsafe fn text(text: Str, what: &str) -> Result<&'static str> {
    if text.len == 0 {
        return Ok("");
    }
    if text.ptr.is_null() || text.len > 1 << 16 {
        return Err(Error::user(format!("its {what} is no text")));
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts(text.ptr, text.len) };
    std::str::from_utf8(bytes).map_err(|_| Error::user(format!("its {what} is not UTF-8")))
}

impl Parameter {
    /// Reads a description.
    ///
    /// # Safety
    /// It is a static of a library that is never unloaded.
    pub(super) unsafe fn read(raw: &CParameter) -> Result<Self> {
        // SAFETY: texts of a static, likewise.
        let name = unsafe { text(raw.name, "parameter's name") }?;
        let valid = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || !name.bytes().all(valid) || ["kind", "at"].contains(&name) {
            return Err(Error::user(format!("`{name}` can't be the name of a parameter"))
                .help("use lower case letters, digits and _; `kind` and `at` are the host's"));
        }
        // SAFETY: as above.
        let doc = unsafe { text(raw.doc, "parameter's doc") }?.to_owned();
        let default = match raw.kind {
            0 => Setting::Flag(raw.default.integer != 0),
            1 => Setting::Integer(raw.default.integer),
            2 => Setting::Real(raw.default.real),
            // SAFETY: as above.
            3 => Setting::Text(unsafe { text(raw.default.text, "parameter's default") }?.to_owned()),
            other => return Err(Error::user(format!("the parameter `{name}` has the unknown type {other}"))),
        };
        let mut choices = vec![];
        if raw.choice_count > 1 << 10 || (raw.choice_count > 0 && raw.choices.is_null()) {
            return Err(Error::user(format!("the parameter `{name}` has no list of choices")));
        }
        for i in 0..raw.choice_count {
            // SAFETY: as above; the description says how many there are.
            choices.push(unsafe { text(*raw.choices.add(i), "choice") }?.to_owned());
        }
        let parameter = Self { name, doc, default, min: raw.min, max: raw.max, choices };
        parameter.allows(&parameter.default).map_err(|e| {
            Error::user(format!("the default of the parameter `{name}` is not allowed: {}", e.message()))
        })?;
        Ok(parameter)
    }

    /// The values that are allowed, if they are limited.
    fn range(&self) -> Option<String> {
        match &self.default {
            Setting::Text(_) if !self.choices.is_empty() => Some(self.choices.join(", ")),
            Setting::Integer(_) | Setting::Real(_) if self.min.is_finite() || self.max.is_finite() => {
                let limit = |x: f64| if x.is_finite() { x.to_string() } else { String::new() };
                Some(format!("{}..={}", limit(self.min), limit(self.max)))
            }
            _ => None,
        }
    }

    /// For tables of settings.
    pub fn field(&self) -> Field {
        Field { name: self.name, doc: self.doc.clone(), default: self.default.to_toml(), range: self.range() }
    }

    fn allows(&self, value: &Setting) -> Result<()> {
        let number = match value {
            Setting::Integer(x) => Some(*x as f64),
            Setting::Real(x) => Some(*x),
            _ => None,
        };
        let refused = match (number, value) {
            // NaN is in no range.
            (Some(x), _) => !(x >= self.min && x <= self.max),
            (None, Setting::Text(text)) => !self.choices.is_empty() && !self.choices.contains(text),
            (None, _) => false,
        };
        if !refused {
            return Ok(());
        }
        let range = self.range().unwrap_or_else(|| "the real numbers".to_owned());
        Err(Error::user(format!("{} is out of range", value.to_toml()))
            .help(format!("choose a value in {range}")))
    }

    /// The value that a recipe gives, checked.
    fn value(&self, given: Option<&toml::Value>) -> Result<Setting> {
        let Some(given) = given else { return Ok(self.default.clone()) };
        let value = match (&self.default, given) {
            (Setting::Flag(_), toml::Value::Boolean(x)) => Setting::Flag(*x),
            (Setting::Integer(_), toml::Value::Integer(x)) => Setting::Integer(*x),
            (Setting::Real(_), toml::Value::Float(x)) => Setting::Real(*x),
            (Setting::Real(_), toml::Value::Integer(x)) => Setting::Real(*x as f64),
            (Setting::Text(_), toml::Value::String(x)) => Setting::Text(x.clone()),
            _ => {
                return Err(Error::user(format!("the {} {given} is of another type", given.type_str()))
                    .help(format!("write a value like {}", self.default.to_toml())));
            }
        };
        self.allows(&value)?;
        Ok(value)
    }
}

/// A table's values, one for each parameter. Unknown keys, wrong types and values out of range are
/// refused with their place.
pub(super) fn read(parameters: &[Parameter], section: &Section) -> Result<Vec<Setting>> {
    for key in section.table().keys() {
        if parameters.iter().all(|parameter| parameter.name != key) {
            let names: Vec<&str> = parameters.iter().map(|p| p.name).collect();
            return Err(unknown_name("key", key, names).at(section.location(key)));
        }
    }
    let value = |parameter: &Parameter| {
        parameter
            .value(section.table().get(parameter.name))
            .map_err(|e| e.at(section.location(parameter.name)))
    };
    parameters.iter().map(value).collect()
}

/// Values as a library takes them; they borrow from both lists.
pub(super) fn arguments(parameters: &[Parameter], values: &[Setting]) -> Vec<Argument> {
    let lend = |text: &str| abi::Str { ptr: text.as_ptr(), len: text.len() };
    let argument = |(parameter, setting): (&Parameter, &Setting)| {
        let mut value = Value { integer: 0, real: 0.0, text: lend("") };
        match setting {
            Setting::Flag(x) => value.integer = i64::from(*x),
            Setting::Integer(x) => value.integer = *x,
            Setting::Real(x) => value.real = *x,
            Setting::Text(x) => value.text = lend(x),
        }
        Argument { name: lend(parameter.name), value }
    };
    parameters.iter().zip(values).map(argument).collect()
}
