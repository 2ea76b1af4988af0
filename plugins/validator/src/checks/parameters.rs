//! Parameters: defaults, limits, and what must be refused.

use palimpsest_abi::Str;
use palimpsest_abi::corruption as abi;
use palimpsest_core::plugin::{Parameter, Setting};
use palimpsest_core::settings::Section;

use super::refused as not_planned;
use crate::instance::{Instance, argument, arguments};
use crate::judge;
use crate::outcome::{Checked, fail, skip};
use crate::request::geometry;
use crate::subject::{Subject, defaults as of, request};

pub(crate) fn defaults(subject: &Subject<'_>) -> Checked {
    let library = subject.library()?;
    for parameter in library.described() {
        if parameter.doc.trim().is_empty() {
            return fail(
                format!("parameter `{}`", parameter.name),
                "has no description",
                "say what it means, in a line",
            );
        }
        if parameter.min.is_nan() || parameter.max.is_nan() || parameter.min > parameter.max {
            return fail(
                format!("parameter `{}`", parameter.name),
                format!("has the range {}..={}", parameter.min, parameter.max),
                "write the smaller limit first",
            );
        }
    }
    // As a recipe makes it, and as C does.
    let built = library.build(&Section::parse("corruption", "")?);
    if let Err(error) = built {
        if error.message().contains("panicked") {
            return skip("it panics: see robust.panics");
        }
        return fail("`create` with the defaults", error.to_string(), "let the defaults make a strategy");
    }
    match Instance::create(&library, &of(&library)) {
        Ok(_) => Ok(format!("{} parameters", library.described().len())),
        Err(refusal) => {
            fail("`create` with the defaults", refusal.to_string(), "let the defaults make a strategy")
        }
    }
}

/// The values of a parameter that are at the edge of what is allowed.
pub(crate) fn edges(parameter: &Parameter) -> Vec<Setting> {
    match &parameter.default {
        Setting::Flag(_) => vec![Setting::Flag(false), Setting::Flag(true)],
        Setting::Integer(_) => [parameter.min, parameter.max]
            .into_iter()
            // A strategy that could be asked for 2^60 of something may refuse it by running out of memory.
            .filter(|limit| limit.abs() <= 1e6)
            .map(|limit| Setting::Integer(limit as i64))
            .collect(),
        Setting::Real(_) => [parameter.min, parameter.max]
            .into_iter()
            .filter(|limit| limit.is_finite())
            .map(Setting::Real)
            .collect(),
        Setting::Text(_) => parameter.choices.iter().cloned().map(Setting::Text).collect(),
    }
}

pub(crate) fn limits(subject: &Subject<'_>) -> Checked {
    let library = subject.library()?;
    subject.instance()?;
    let (mut made, mut turned_down) = (0, 0);
    for (i, parameter) in library.described().iter().enumerate() {
        for value in edges(parameter) {
            let location = format!("{} = {}", parameter.name, value.to_toml());
            let mut values = of(&library);
            values[i] = value;
            let instance = match Instance::create(&library, &values) {
                Ok(instance) => instance,
                // Together with the other defaults it may make no sense; but that has to be said.
                Err(refusal) if refusal.is_user() => {
                    turned_down += 1;
                    continue;
                }
                Err(refusal) if refusal.is_panic() => return skip("it panics: see robust.panics"),
                Err(refusal) => {
                    return fail(
                        location,
                        refusal.to_string(),
                        "make a strategy of it, or narrow the described range",
                    );
                }
            };
            made += 1;
            for grid in [(8, 8), (3, 7), (1, 1)] {
                let geometry = geometry(grid.0, grid.1, 1);
                if instance.check(&geometry).is_err() {
                    continue;
                }
                let asked = request(&instance, geometry, 3);
                let plan = instance.plan(&asked).or_else(|refusal| {
                    not_planned(&refusal, format!("`plan` with {location} for {asked}"))
                })?;
                judge::levels(&plan).and_then(|()| judge::rules(&plan, library.capabilities())).map_err(
                    |mut finding| {
                        finding.location =
                            format!("`plan` with {location} for {asked}, {}", finding.location);
                        finding
                    },
                )?;
            }
        }
    }
    Ok(format!("{made} strategies, {turned_down} refused in words"))
}

/// What the host must refuse, as TOML.
fn forbidden(parameter: &Parameter) -> Vec<String> {
    let beyond = |limit: f64, step: f64| limit.is_finite().then_some(limit + step);
    match &parameter.default {
        Setting::Flag(_) => vec!["1".to_owned(), "\"yes\"".to_owned()],
        Setting::Integer(_) => {
            let mut out = vec!["0.5".to_owned(), "\"1\"".to_owned(), "true".to_owned()];
            let limits = [beyond(parameter.min, -1.0), beyond(parameter.max, 1.0)];
            out.extend(limits.into_iter().flatten().filter(|x| x.abs() < 1e15).map(|x| format!("{x:.0}")));
            out
        }
        Setting::Real(_) => {
            let mut out = vec!["nan".to_owned(), "\"1\"".to_owned(), "true".to_owned(), "[0.5]".to_owned()];
            let limits = [
                beyond(parameter.min, -1e-3 - parameter.min.abs()),
                beyond(parameter.max, 1e-3 + parameter.max.abs()),
            ];
            out.extend(limits.into_iter().flatten().map(|x| format!("{x:?}")));
            out
        }
        Setting::Text(_) => {
            let mut out = vec!["1".to_owned(), "false".to_owned()];
            out.extend((!parameter.choices.is_empty()).then(|| "\"no such choice\"".to_owned()));
            out
        }
    }
}

pub(crate) fn refused(subject: &Subject<'_>) -> Checked {
    let library = subject.library()?;
    subject.instance()?;
    let mut tried = 0;
    let mut host = |text: String| -> Checked<()> {
        tried += 1;
        let section = Section::parse("corruption", &text)?;
        match library.build(&section) {
            Ok(_) => fail(format!("[corruption] {text}"), "was taken", "describe the parameter's range"),
            Err(_) => Ok(()),
        }
    };
    host("no_such_key = 1".to_owned())?;
    for parameter in library.described() {
        for value in forbidden(parameter) {
            host(format!("{} = {value}", parameter.name))?;
        }
    }
    // Straight to the library, past the host: any answer will do, so long as there is one.
    let good = of(&library);
    let mut raw = 0;
    let mut ask = |given: &[abi::Argument]| {
        raw += 1;
        drop(Instance::of_arguments(&library, given));
    };
    for (i, parameter) in library.described().iter().enumerate() {
        let strange = match parameter.default {
            Setting::Real(_) => vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e300, 1e300]
                .into_iter()
                .map(Setting::Real)
                .collect(),
            Setting::Integer(_) => {
                vec![Setting::Integer(i64::MIN), Setting::Integer(-1), Setting::Integer(i64::MAX)]
            }
            Setting::Flag(_) => vec![Setting::Integer(2), Setting::Integer(-1)],
            Setting::Text(_) => vec![Setting::Text(String::new()), Setting::Text("\u{1F9F5}".repeat(1000))],
        };
        for value in strange {
            let mut given = arguments(library.described(), &good);
            given[i] = argument(parameter.name, &value);
            ask(&given);
        }
    }
    let given = arguments(library.described(), &good);
    ask(&given[..given.len().saturating_sub(1)]);
    let extra = Setting::Real(0.5);
    let mut more = given.clone();
    more.push(argument("no_such_parameter", &extra));
    ask(&more);
    more.pop();
    if let Some(first) = given.first() {
        more.push(*first);
        ask(&more);
    }
    let broken: &[u8] = &[0xff, 0xfe];
    let mut not_text = given;
    if let Some(first) = not_text.first_mut() {
        first.name = Str { ptr: broken.as_ptr(), len: broken.len() };
        ask(&not_text);
    }
    Ok(format!("{tried} tables, {raw} calls"))
}
