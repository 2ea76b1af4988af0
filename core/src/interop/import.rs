//! Weights of a file as a model's initial values.

use super::architecture::is_encoders;
use super::described::Described;
use super::form::Form;
use super::matching::Matching;
use super::names::{Entry, Own, Part, entries};
use super::{Architecture, Layout, Source};
use crate::Result;
use crate::encoder::MlpKind;
use crate::model::Model;
use crate::params::ParamSpec;
use crate::recipe::{InitPositions, Recipe};
use crate::tensor::HostTensor;

/// Values for every parameter, and what the user may want to know.
#[derive(Debug, Clone)]
pub struct Imported {
    /// Values in the order of the model's parameters.
    pub values: Vec<HostTensor>,
    /// One sentence each: what the file lacks, and what of it was passed over.
    pub notes: Vec<String>,
}

/// The values of a file for a recipe's model; what the file has no part for keeps its value of `initial`.
///
/// # Errors
/// A part of the file's encoder that there is none of here; a name of it that is missing, unknown or of another shape,
/// with the settings that fit; positions of another grid, unless the recipe asks to resample them.
pub fn import(source: &Source, recipe: &Recipe, model: &Model, initial: Vec<HostTensor>) -> Result<Imported> {
    let specs = model.specs.specs();
    let architecture = Architecture::of(recipe, model)?;
    let file = Described::of(source);
    file.refuse_unknown_parts()?;
    let list = match source.layout {
        Layout::Own => specs.iter().map(own_entry).collect(),
        layout => entries(layout, &architecture),
    };
    let resample = recipe.run.init_positions == InitPositions::Resample;
    let mut matching = Matching::new(source, &list, &architecture, resample);
    let mut values = initial;
    let mut notes = source.notes.clone();
    let mut set = vec![false; specs.len()];
    let mut place = |taken: Vec<(usize, HostTensor)>| {
        for (index, value) in taken {
            values[index] = value;
            set[index] = true;
        }
    };
    let part = |part: Part| list.iter().filter(move |entry| entry.part == part);
    place(matching.take_all(part(Part::Encoder), specs)?);
    let heads = source.config.heads.unwrap_or(architecture.geometry.heads);
    if heads != architecture.geometry.heads {
        matching.problem(format!("its config.json has {heads} attention heads"));
    }
    if let Some(problem) = file.wrong_rotary(&architecture) {
        matching.problem(problem);
    }
    matching.judge_rest();
    matching.finish(|| file.settings(&architecture, resample))?;
    // A decoder is taken whole or not at all, other parts one by one.
    let decoder: Vec<&Entry> = part(Part::Decoder).collect();
    let optional = std::iter::once(decoder).chain(part(Part::Rest).map(|entry| vec![entry]));
    let mut passed_over = vec![];
    for entries in optional {
        if !entries.iter().any(|entry| matching.has_any(entry)) {
            continue;
        }
        let taken = matching.take_all(entries.iter().copied(), specs)?;
        let mut problems = matching.take_problems();
        let is_decoder = entries[0].part == Part::Decoder;
        let rest = if is_decoder { matching.rest_of_decoder() } else { vec![] };
        problems.extend(rest.first().map(|name| format!("`{name}` has no place in it")));
        match problems.first() {
            None => place(taken),
            Some(problem) => {
                let what = if is_decoder { "a decoder" } else { "a head" };
                notes.push(format!(
                    "{what} of the file is another one than the recipe's and was passed over: {problem}"
                ));
                passed_over.extend(entries.iter().flat_map(|entry| entry.theirs.clone()).chain(rest));
            }
        }
    }
    let unset: Vec<String> =
        specs.iter().zip(set).filter(|(_, set)| !set).map(|(spec, _)| spec.name.clone()).collect();
    if !unset.is_empty() {
        let why =
            if passed_over.is_empty() { "the file has none of them" } else { "the file has none that fit" };
        notes.push(format!("{} start from the seed: {why}", listed(&unset)));
    }
    let over: Vec<String> = matching.left().filter(|name| !passed_over.contains(name)).cloned().collect();
    if !over.is_empty() {
        notes.push(format!("passed over, as the recipe has no such part: {}", listed(&over)));
    }
    if let Some(zero) = matching.without_biases() {
        notes.push(format!("`{zero}` and its like are zero: the file's encoder has none"));
    }
    if let Some(activation) = source.config.activation.as_deref() {
        let mlp = architecture.settings.mlp;
        match (activation, mlp) {
            ("gelu", MlpKind::Gelu)
            | ("gelu_pytorch_tanh", MlpKind::GeluTanh)
            | ("silu", MlpKind::Swiglu) => {}
            // DINOv2 gates by SiLU, whatever its file says.
            (_, MlpKind::Swiglu) if source.layout != Layout::HfDinov3 => {}
            ("gelu", MlpKind::GeluTanh) => notes
                .push("its config.json has the exact GELU: for its features set encoder.mlp=gelu".to_owned()),
            ("gelu_pytorch_tanh", MlpKind::Gelu) => notes.push(
                "its config.json has GELU by its tanh formula: for its features set encoder.mlp=gelu-tanh"
                    .to_owned(),
            ),
            _ => notes.push(format!(
                "its config.json has the activation {activation}, which no encoder here has: features differ"
            )),
        }
    }
    let eps = architecture.settings.norm_eps;
    if let Some(theirs) = file.norm_eps().filter(|theirs| (theirs / eps - 1.0).abs() > 1e-6 && *theirs > 1e-7)
    {
        notes.push(format!(
            "norms of its encoder add {theirs:e} to the variance, and the recipe's {eps:e}: for its features set \
            encoder.norm_eps={theirs:e}"
        ));
    }
    notes.extend(file.rotary_grid(&architecture));
    Ok(Imported { values, notes })
}

/// The settings of an encoder that a file's weights ask for and a recipe's model has not, as `encoder.dim=768`.
///
/// # Errors
/// A part of the file's encoder that there is none of here.
pub(crate) fn fitting_settings(source: &Source, recipe: &Recipe, model: &Model) -> Result<Vec<String>> {
    let file = Described::of(source);
    file.refuse_unknown_parts()?;
    let architecture = Architecture::of(recipe, model)?;
    let mut settings = file.settings(&architecture, true);
    let mut wanted = |key: &str, value: String| {
        let setting = format!("encoder.{key}={value}");
        if !settings.iter().any(|known| known.starts_with(&format!("encoder.{key}="))) {
            settings.push(setting);
        }
    };
    let encoder = &architecture.settings;
    match (source.config.activation.as_deref(), encoder.mlp) {
        (Some("gelu"), MlpKind::GeluTanh) => wanted("mlp", "gelu".to_owned()),
        (Some("gelu_pytorch_tanh"), MlpKind::Gelu) => wanted("mlp", "gelu-tanh".to_owned()),
        _ => {}
    }
    if let Some(eps) = file.norm_eps().filter(|eps| (eps / encoder.norm_eps - 1.0).abs() > 1e-6) {
        wanted("norm_eps", format!("{eps:?}"));
    }
    Ok(settings)
}

/// A parameter under its own name.
fn own_entry(spec: &ParamSpec) -> Entry {
    let name = spec.name.clone();
    let part = if name.starts_with("decoder.") {
        Part::Decoder
    } else if is_encoders(&name) {
        Part::Encoder
    } else {
        Part::Rest
    };
    let own = if name == "pos_embed" { Own::Positions(name.clone()) } else { Own::Parameter(name.clone()) };
    Entry { own, theirs: vec![name], form: Form::Same, part }
}

/// Up to three names, and how many more.
pub(super) fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
