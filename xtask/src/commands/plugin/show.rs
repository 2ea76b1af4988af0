//! `plugin show`: what a library says of itself.

use palimpsest_core::Result;
use palimpsest_core::plugin::abi::corruption as abi;
use palimpsest_core::plugin::{Parameter, Setting, StrategyLibrary};
use serde_json::json;

use super::locate;
use crate::output;

/// Capabilities by their names.
pub(super) fn capabilities(library: &StrategyLibrary) -> Vec<&'static str> {
    [
        (abi::INJECTS, "INJECTS"),
        (abi::OPS, "OPS"),
        (abi::OBSERVES, "OBSERVES"),
        (abi::UNBIASED, "UNBIASED"),
        (abi::EQUAL_COUNTS, "EQUAL_COUNTS"),
        (abi::MIXES, "MIXES"),
    ]
    .into_iter()
    .filter(|(bit, _)| library.capabilities() & bit != 0)
    .map(|(_, name)| name)
    .collect()
}

fn kind(parameter: &Parameter) -> &'static str {
    match parameter.default {
        Setting::Flag(_) => "flag",
        Setting::Integer(_) => "integer",
        Setting::Real(_) => "real",
        Setting::Text(_) => "text",
    }
}

pub(super) fn run(plugin: &str, as_json: bool) -> Result<()> {
    let library = StrategyLibrary::open(&locate::library(plugin)?)?;
    let identity = library.identity();
    let (major, minor) = library.abi();
    let capabilities = capabilities(&library);
    if as_json {
        let parameters: Vec<_> = library
            .described()
            .iter()
            .map(|parameter| {
                let field = parameter.field();
                json!({
                    "name": field.name, "type": kind(parameter), "default": field.default,
                    "range": field.range, "doc": field.doc,
                })
            })
            .collect();
        let answer = json!({
            "id": identity.id, "version": identity.version, "summary": library.summary(),
            "abi": format!("{major}.{minor}"), "built_with": library.built_with(),
            "sha256": identity.sha256, "library": library.path().display().to_string(), "capabilities": capabilities,
            "parameters": parameters,
        });
        output::json(&answer);
        return Ok(());
    }
    output::line(&format!("{} {}: {}", identity.id, identity.version, library.summary()));
    let said = if capabilities.is_empty() { "none".to_owned() } else { capabilities.join(", ") };
    output::table(&[
        vec!["capabilities".to_owned(), said],
        vec!["abi".to_owned(), format!("{major}.{minor}")],
        vec!["built with".to_owned(), library.built_with().to_owned()],
        vec!["library".to_owned(), library.path().display().to_string()],
        vec!["sha256".to_owned(), identity.sha256.clone()],
    ]);
    let mut rows = vec![["parameter", "type", "default", "range", "meaning"].map(str::to_owned).to_vec()];
    for parameter in library.described() {
        let field = parameter.field();
        let range = field.range.unwrap_or_default();
        rows.push(vec![field.name.to_owned(), kind(parameter).to_owned(), field.default, range, field.doc]);
    }
    if rows.len() > 1 {
        output::line("");
        output::table(&rows);
    }
    Ok(())
}
