//! What trials and measurements are known by: what decides weights, and what decides scores, hashed.

use palimpsest_core::corruption::noise::NoiseSettings;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::settings::Settings;
use sha2::{Digest, Sha256};

use crate::file::HeadOfStudy;
use crate::plan::{EvalOfCell, Measured};

/// What a trial's folder is called: sixteen hexadecimal digits of what decides its weights.
pub(crate) fn trial(recipe: &Recipe, images: &str, backend: &str) -> String {
    let mut table = recipe.table().clone();
    table.iter_mut().for_each(|(_, value)| whole(value));
    // A key of [noise] at its default is the same setting as none, which a recipe's own hash tells apart.
    if let Some(noise) = table.get_mut("noise").and_then(toml::Value::as_table_mut) {
        let fields = NoiseSettings::fields();
        let default = |key: &str| {
            let text = &fields.iter().find(|field| field.name == key)?.default;
            let mut value = format!("value = {text}").parse::<toml::Table>().ok()?.remove("value")?;
            whole(&mut value);
            Some(value)
        };
        noise.retain(|key, value| default(key).as_ref() != Some(value));
    }
    let decisive = Recipe::difference(&toml::Table::new(), &table).join("\n");
    sha256(&format!("{decisive}\n{images}\n{backend}\n"))[..16].to_owned()
}

/// Writes 1.0 as 1: whichever a file says, the setting is the same.
fn whole(value: &mut toml::Value) {
    match value {
        toml::Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            *value = toml::Value::Integer(*number as i64);
        }
        toml::Value::Array(values) => values.iter_mut().for_each(whole),
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, value)| whole(value)),
        _ => {}
    }
}

/// A measurement's name: the head's, and twelve hexadecimal digits of what decides its scores. What tables call it, and which
/// of its figures they take, decides nothing.
pub(crate) fn measurement(what: Measured<'_>, eval: &EvalOfCell, images: &str) -> String {
    match what {
        Measured::Analysis(analysis) => format!("analysis-{}", analysis.images),
        Measured::Head(head) => {
            let asked = HeadOfStudy { name: String::new(), score: None, ..head.clone() };
            let text = serde_json::to_string(&(asked, eval, images)).unwrap_or_default();
            format!("{}-{}", head.head, &sha256(&text)[..12])
        }
    }
}

/// SHA-256 of a text, in hexadecimal digits.
pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
