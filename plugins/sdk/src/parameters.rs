//! Parameters: described by a derive, checked here, given by the recipe.

use palimpsest_abi::corruption::{self as abi, ParameterType};
use palimpsest_abi::{Head, Str};

use crate::{Error, Result};

/// The parameters of a strategy: the keys of the recipe's table `[corruption]`. Derive it:
///
/// ```
/// use palimpsest_sdk::prelude::*;
///
/// /// How noise grows.
/// #[derive(Debug, Clone, Copy, PartialEq, Choice)]
/// enum Law {
///     Linear,
///     HalfCosine,
/// }
///
/// #[derive(Parameters)]
/// struct Stripes {
///     /// Share of the tokens that are masked.
///     #[param(default = 0.6, range = 0.0..=1.0)]
///     ratio: f64,
///     /// Width of a stripe in patches.
///     #[param(default = 2, range = 1..)]
///     width: usize,
///     /// How noise grows.
///     #[param(default = Law::HalfCosine)]
///     law: Law,
///     /// Where stripes begin.
///     #[param(default = "random", choices = ["random", "edge"])]
///     start: String,
///     /// Whether rows are masked instead of columns.
///     #[param(default = false)]
///     rows: bool,
/// }
///
/// let stripes = Stripes::defaults();
/// assert_eq!((stripes.ratio, stripes.width, stripes.law), (0.6, 2, Law::HalfCosine));
/// assert_eq!(stripes.law.name(), "half_cosine");
/// ```
///
/// A field's doc comment is what users read. Its type is `bool`, `i64`, `u32`, `usize`, `f64`, `f32`, `String`,
/// or an enum with [`Choice`]. Ranges include their ends. The host refuses other keys and values before training, and
/// so does this crate. A strategy without parameters is a unit struct.
pub trait Parameters: Sized {
    /// The descriptions.
    #[doc(hidden)]
    const PARAMETERS: &'static [abi::Parameter];

    /// Made of checked values.
    #[doc(hidden)]
    fn from_arguments(arguments: &Arguments) -> Self;

    /// With each parameter's default.
    fn defaults() -> Self {
        Self::from_arguments(&Arguments::defaults(Self::PARAMETERS))
    }
}

/// A parameter that is one of a few names: derive it for an enum without fields. In recipes the names
/// are in snake case.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a parameter",
    label = "not a parameter's type",
    note = "a parameter is a bool, i64, u32, usize, f64, f32, String, or an enum that derives `Choice`"
)]
pub trait Choice: Copy + 'static {
    #[doc(hidden)]
    const NAMES: &'static [Str];

    #[doc(hidden)]
    const ALL: &'static [Self];

    /// The name in recipes.
    fn name(self) -> &'static str;
}

#[derive(Debug, Clone)]
enum Given {
    Flag(bool),
    Integer(i64),
    Real(f64),
    Text(String),
}

/// A checked value for each parameter, by its place.
#[doc(hidden)]
#[derive(Debug)]
pub struct Arguments(Vec<Given>);

impl Arguments {
    fn defaults(parameters: &[abi::Parameter]) -> Self {
        Self(parameters.iter().map(|p| given(p, &p.default, text(&p.default.text))).collect())
    }

    /// # Errors
    /// A name that is not described, or a value out of its range.
    pub(crate) fn read<'a>(
        parameters: &[abi::Parameter],
        arguments: impl IntoIterator<Item = (&'a str, &'a abi::Value, &'a str)>,
    ) -> Result<Self> {
        let mut out = Self::defaults(parameters);
        for (name, value, words) in arguments {
            let Some(i) = parameters.iter().position(|p| text(&p.name) == name) else {
                let known: Vec<&str> = parameters.iter().map(|p| text(&p.name)).collect();
                return Err(Error::user(format!("unknown parameter `{name}`"))
                    .help(format!("use one of: {}", known.join(", "))));
            };
            check(&parameters[i], value, words).map_err(|e| e.at(name))?;
            out.0[i] = given(&parameters[i], value, words);
        }
        Ok(out)
    }

    pub fn flag(&self, i: usize) -> bool {
        matches!(self.0[i], Given::Flag(true))
    }

    pub fn integer(&self, i: usize) -> i64 {
        if let Given::Integer(value) = self.0[i] { value } else { 0 }
    }

    pub fn real(&self, i: usize) -> f64 {
        if let Given::Real(value) = self.0[i] { value } else { 0.0 }
    }

    pub fn text(&self, i: usize) -> &str {
        if let Given::Text(value) = &self.0[i] { value } else { "" }
    }

    pub fn choice<C: Choice>(&self, i: usize) -> C {
        let name = self.text(i);
        // `check` let no other name in.
        C::ALL.iter().copied().find(|choice| choice.name() == name).unwrap_or(C::ALL[0])
    }
}

fn given(parameter: &abi::Parameter, value: &abi::Value, words: &str) -> Given {
    match parameter.kind {
        k if k == ParameterType::Flag as u32 => Given::Flag(value.integer != 0),
        k if k == ParameterType::Integer as u32 => Given::Integer(value.integer),
        k if k == ParameterType::Real as u32 => Given::Real(value.real),
        _ => Given::Text(words.to_owned()),
    }
}

fn check(parameter: &abi::Parameter, value: &abi::Value, words: &str) -> Result<()> {
    let number = match parameter.kind {
        k if k == ParameterType::Flag as u32 => {
            return match value.integer {
                0 | 1 => Ok(()),
                other => Err(Error::user(format!("{other} is no flag")).help("write true or false")),
            };
        }
        k if k == ParameterType::Text as u32 => {
            let choices = choices(parameter);
            if choices.is_empty() || choices.contains(&words) {
                return Ok(());
            }
            return Err(Error::user(format!("unknown choice `{words}`"))
                .help(format!("use one of: {}", choices.join(", "))));
        }
        k if k == ParameterType::Integer as u32 => value.integer as f64,
        _ => value.real,
    };
    // NaN is in no range.
    if number >= parameter.min && number <= parameter.max {
        return Ok(());
    }
    let help = match (parameter.min.is_finite(), parameter.max.is_finite()) {
        (true, true) => format!("choose a value from {} to {}", parameter.min, parameter.max),
        (true, false) => format!("choose a value of {} or more", parameter.min),
        (false, true) => format!("choose a value of {} or less", parameter.max),
        (false, false) => "choose a number".to_owned(),
    };
    Err(Error::user(format!("{number} is out of range")).help(help))
}

#[allow(unsafe_code, reason = "reads descriptions that the derive made")]
fn text(text: &Str) -> &'static str {
    if text.len == 0 {
        return "";
    }
    // SAFETY: descriptions are made by `Str::of` of static text alone.
    unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(text.ptr, text.len)) }
}

#[allow(unsafe_code, reason = "reads descriptions that the derive made")]
fn choices(parameter: &abi::Parameter) -> Vec<&'static str> {
    if parameter.choice_count == 0 {
        return Vec::new();
    }
    // SAFETY: pointer and length come from one static slice.
    let choices = unsafe { std::slice::from_raw_parts(parameter.choices, parameter.choice_count) };
    choices.iter().map(text).collect()
}

/// What the derive writes descriptions with.
#[doc(hidden)]
pub mod describe {
    use super::{Head, ParameterType, Str, abi};

    const NOTHING: abi::Value = abi::Value { integer: 0, real: 0.0, text: Str::of("") };

    const fn parameter(
        name: &'static str,
        doc: &'static str,
        kind: ParameterType,
        default: abi::Value,
        (min, max): (f64, f64),
        choices: &'static [Str],
    ) -> abi::Parameter {
        abi::Parameter {
            head: Head::of::<abi::Parameter>(),
            name: Str::of(name),
            doc: Str::of(doc),
            kind: kind as u32,
            reserved: 0,
            default,
            min,
            max,
            choices: if choices.is_empty() { core::ptr::null() } else { choices.as_ptr() },
            choice_count: choices.len(),
        }
    }

    const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

    pub const fn flag(name: &'static str, doc: &'static str, default: bool) -> abi::Parameter {
        let default = abi::Value { integer: default as i64, ..NOTHING };
        parameter(name, doc, ParameterType::Flag, default, ANY, &[])
    }

    pub const fn integer(
        name: &'static str,
        doc: &'static str,
        default: i64,
        min: f64,
        max: f64,
    ) -> abi::Parameter {
        let default = abi::Value { integer: default, ..NOTHING };
        parameter(name, doc, ParameterType::Integer, default, (min, max), &[])
    }

    pub const fn real(
        name: &'static str,
        doc: &'static str,
        default: f64,
        min: f64,
        max: f64,
    ) -> abi::Parameter {
        let default = abi::Value { real: default, ..NOTHING };
        parameter(name, doc, ParameterType::Real, default, (min, max), &[])
    }

    pub const fn text(
        name: &'static str,
        doc: &'static str,
        default: &'static str,
        choices: &'static [Str],
    ) -> abi::Parameter {
        let default = abi::Value { text: Str::of(default), ..NOTHING };
        parameter(name, doc, ParameterType::Text, default, ANY, choices)
    }

    pub const fn choice(
        name: &'static str,
        doc: &'static str,
        default: usize,
        choices: &'static [Str],
    ) -> abi::Parameter {
        let default = abi::Value { text: choices[default], ..NOTHING };
        parameter(name, doc, ParameterType::Text, default, ANY, choices)
    }
}
