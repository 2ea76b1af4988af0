//! What a recipe says of the teachers that it names by a file: filled in before anything is built, so that a run needs the
//! file for its training alone, and its hash covers what was in it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{AVERAGE, TeacherSource};
use crate::encoder::{EncoderEntry, ImageShape};
use crate::geometry::Geometry;
use crate::interop::{Source, fitting_settings};
use crate::model::Model;
use crate::params::ParamSpecs;
use crate::recipe::{Layers, Recipe};
use crate::settings::Section;
use crate::stored::read;
use crate::train::Checkpoint;
use crate::{Error, Result, registry};

/// What a target's table says of its teacher.
pub(super) struct Described {
    pub(super) path: String,
    pub(super) sha256: String,
    pub(super) encoder: toml::Table,
    pub(super) mean: Vec<f64>,
    pub(super) std: Vec<f64>,
}

impl Described {
    /// Of a table that was filled in.
    pub(super) fn read(target: &Section) -> Result<Self> {
        let table = target.table();
        let text = |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let described = Self {
            path: text("teacher"),
            sha256: text("sha256"),
            encoder: target.section("encoder")?.table().clone(),
            mean: numbers(table.get("mean")),
            std: numbers(table.get("std")),
        };
        let whole = described.encoder.contains_key("kind") && !described.sha256.is_empty();
        if !whole || described.mean.is_empty() || described.std.is_empty() {
            return Err(Error::failure(
                "nobody has looked at the teacher's file yet: a recipe goes through `teacher::pin`",
            )
            .at(target.location("teacher")));
        }
        Ok(described)
    }
}

/// The extents of the encoder that a target's table describes, for images that it sees as many patches of as the student.
///
/// # Errors
/// An encoder that can't be built.
pub(crate) fn geometry_of(encoder: &Section, student: &Geometry) -> Result<Geometry> {
    let (kind, section) = encoder.clone().kind()?;
    let entry =
        registry::find::<EncoderEntry>("encoder", &kind).map_err(|e| e.at(encoder.location("kind")))?;
    let image = image_of(encoder.table(), student);
    let built = (entry.build)(&section, image, &mut ParamSpecs::default());
    Ok(*built.map_err(|e| e.locate(|key| encoder.location(key)))?.geometry())
}

/// The images that an encoder sees as many patches of as the student.
fn image_of(encoder: &toml::Table, student: &Geometry) -> ImageShape {
    let patch = encoder.get("patch").and_then(toml::Value::as_integer).unwrap_or(16).max(1) as usize;
    [student.channels, student.grid_h() * patch, student.grid_w() * patch]
}

/// A recipe of an encoder alone, and its model.
pub(super) fn encoder_model(encoder: &toml::Table, student: &Geometry) -> Result<(Recipe, Model)> {
    let [channels, height, width] = image_of(encoder, student);
    if height != width {
        return Err(Error::user("a teacher from a file needs square images"));
    }
    let mut table: toml::Table = format!(
        "init_positions = \"resample\"\n\
         corruption = {{ kind = \"none\" }}\n\
         restoration = {{ style = \"encoder\", decoder = {{ kind = \"linear\" }} }}\n\
         objective = {{ none = {{ kind = \"reconstruction\" }} }}\n\
         data = {{ channels = {channels}, image_size = {height}, mean = [0.0], std = [1.0] }}\n"
    )
    .parse()
    .map_err(|e: toml::de::Error| Error::failure(e.to_string()))?;
    table.insert("encoder".to_owned(), encoder.clone().into());
    let text = toml::to_string(&table).map_err(|e| Error::failure(e.to_string()))?;
    let recipe = Recipe::resolve(Layers::text("the teacher", &text)?)?;
    let model = Model::build(&recipe)?;
    Ok((recipe, model))
}

/// The targets of a recipe that name a file as their teacher, by their objective.
pub(super) fn teachers_of(recipe: &Recipe) -> Result<Vec<(String, Section)>> {
    let mut found = vec![];
    for name in recipe.objective.sections() {
        let target = recipe.objective.section(&name)?.section("target")?;
        let teacher = target.table().get("teacher").and_then(toml::Value::as_str);
        if teacher.is_some_and(|teacher| teacher != AVERAGE) {
            found.push((name, target));
        }
    }
    Ok(found)
}

/// An error of a target's teacher, with its key.
pub(super) fn at_target(error: Error, recipe: &Recipe, objective: &str) -> Error {
    error.at(recipe.objective.location(&format!("{objective}.target.teacher")))
}

/// The recipe with all that is to be known of its teachers' files: the encoder, by the run's own recipe or by the weights;
/// how it normalises images; and the SHA-256 of the weights. What the recipe says itself stays.
///
/// # Errors
/// A file that is missing or damaged, or whose weights are no encoder's.
pub fn pin(mut recipe: Recipe) -> Result<Recipe> {
    for (objective, target) in teachers_of(&recipe)? {
        if Described::read(&target).is_ok() {
            continue;
        }
        let table = described(&target, &recipe).map_err(|e| at_target(e, &recipe, &objective))?;
        recipe.set_target(&objective, table);
    }
    Ok(recipe)
}

/// A target's table, filled in.
fn described(target: &Section, recipe: &Recipe) -> Result<toml::Table> {
    let mut table = target.table().clone();
    let name = table.get("teacher").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    let TeacherSource::File(path) = TeacherSource::named(&name) else { return Ok(table) };
    if path.is_empty() {
        return Err(Error::user("names no teacher").help(
            "give a run or a file of weights; or \"ema\", the average of the weights, with train.ema",
        ));
    }
    let path = Path::new(&path);
    let source = Source::read(path)?;
    let empty = |table: &toml::Table, key: &str| match table.get(key) {
        None => true,
        Some(toml::Value::String(text)) => text.is_empty(),
        Some(toml::Value::Array(values)) => values.is_empty(),
        Some(_) => false,
    };
    let of_run = recipe_of(path);
    if empty(&table, "sha256") {
        table.insert("sha256".to_owned(), source.sha256.clone().into());
    }
    let given = target.section("encoder")?.table().clone();
    let encoder = match &of_run {
        Some(run) => run.encoder.table().clone().into_iter().chain(given).collect(),
        None => fitting_encoder(&source, recipe, given)?,
    };
    table.insert("encoder".to_owned(), toml::Value::Table(encoder));
    let [mean, std] = match (&of_run, beside(&source.path)) {
        (Some(run), _) => [run.data.mean.clone(), run.data.std.clone()],
        (None, Some(told)) => told,
        (None, None) => [recipe.data.mean.clone(), recipe.data.std.clone()],
    };
    for (key, values) in [("mean", mean), ("std", std)] {
        if empty(&table, key) {
            table.insert(key.to_owned(), values.into());
        }
    }
    Ok(table)
}

/// The recipe of the run that a folder is, or that a file lies in; or of the checkpoint that a file is.
fn recipe_of(path: &Path) -> Option<Recipe> {
    let above = path.ancestors().take(3).map(|folder| folder.join("config.toml"));
    let file: Option<PathBuf> = above.into_iter().find(|file| file.is_file());
    match file {
        Some(file) => Recipe::load(&file, &[]).ok(),
        None => {
            let state = Checkpoint::read(path).ok()?.state;
            Recipe::parse("the checkpoint", &state.recipe, &[]).ok()
        }
    }
}

/// The encoder that a file's weights fit: what is given, what they tell of it, and for the rest that of an ordinary vision
/// transformer.
fn fitting_encoder(source: &Source, recipe: &Recipe, given: toml::Table) -> Result<toml::Table> {
    let student = geometry_of(&recipe.encoder, &image_geometry(recipe))?;
    let mut encoder: toml::Table = [
        ("kind", "vit".into()),
        ("position", "learned".into()),
        ("relative_bias", false.into()),
        ("layer_scale", 0.0.into()),
        ("drop_path", 0.0.into()),
    ]
    .into_iter()
    .map(|(key, value): (&str, toml::Value)| (key.to_owned(), value))
    .chain(given.clone())
    .collect();
    // Some settings are seen only once others fit.
    for _ in 0..4 {
        let (of_teacher, model) = encoder_model(&encoder, &student)?;
        encoder = of_teacher.encoder.table().clone();
        let mut wanted = fitting_settings(source, &of_teacher, &model)?;
        if let Some(channels) = wanted.iter().find_map(|setting| setting.strip_prefix("data.channels=")) {
            return Err(Error::user(format!(
                "sees {channels} channels, and the recipe's images have {}",
                student.channels
            ))
            .at(source.path.display())
            .help(format!("set data.channels={channels}")));
        }
        wanted.retain(|setting| {
            let key = setting.strip_prefix("encoder.").and_then(|setting| setting.split('=').next());
            key.is_some_and(|key| !given.contains_key(key))
        });
        if wanted.is_empty() {
            break;
        }
        let text = toml::to_string(&toml::Table::from_iter([("encoder".to_owned(), encoder.clone().into())]));
        let mut layers = Layers::text("the teacher", &text.map_err(|e| Error::failure(e.to_string()))?)?;
        layers.overrides(&wanted)?;
        let (table, _) = layers.finish();
        encoder = table["encoder"].as_table().cloned().unwrap_or_default();
    }
    Ok(encoder)
}

/// The extents of a recipe's images, with its encoder's patch.
fn image_geometry(recipe: &Recipe) -> Geometry {
    let patch = recipe.encoder.table().get("patch").and_then(toml::Value::as_integer).unwrap_or(16).max(1);
    let (channels, side) = (recipe.data.channels, recipe.data.image_size);
    let [height, width] = [side; 2];
    Geometry {
        channels,
        height,
        width,
        patch: patch as usize,
        prefix: 0,
        registers: 0,
        dim: 0,
        depth: 0,
        heads: 0,
    }
}

/// Mean and deviation that Hugging Face's `preprocessor_config.json` beside the weights tells.
fn beside(file: &Path) -> Option<[Vec<f64>; 2]> {
    let json: Value =
        serde_json::from_slice(&read(&file.with_file_name("preprocessor_config.json")).ok()?).ok()?;
    let list = |key: &str| -> Option<Vec<f64>> {
        json.get(key)?.as_array()?.iter().map(Value::as_f64).collect::<Option<_>>()
    };
    Some([list("image_mean")?, list("image_std")?])
}

fn numbers(value: Option<&toml::Value>) -> Vec<f64> {
    let of = |value: &toml::Value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    value.and_then(toml::Value::as_array).into_iter().flatten().filter_map(of).collect()
}
