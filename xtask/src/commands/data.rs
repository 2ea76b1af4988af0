//! `data`: readers, a look at what the loader and the corruption produce, what data are like, and shards of them.

mod pack;
mod stats;

use palimpsest_core::corruption::Corrupted;
use palimpsest_core::data::BatchSource;
use palimpsest_core::model::Model;
use palimpsest_core::params::Params;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::{DType, Device, Error, Result, registry};
use palimpsest_datasets::open::{gives_label_maps, gives_objects};
use palimpsest_datasets::target_sheet::{detection_sheet, segmentation_sheet};
use palimpsest_datasets::{DataSource, ReaderEntry, RecipeData};
use serde_json::json;

use crate::cli::{DataCommand as Command, RecipeArgs, ShowData};
use crate::sample_sheet::Painter;
use crate::session;
use crate::{backends, output};

pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::List { result } => list(result.json),
        Command::Fetch(args) => super::fetch::run(&args)?,
        Command::Show(args) => show(&args)?,
        Command::Stats(args) => stats::run(&args)?,
        Command::Pack(args) => pack::run(&args)?,
    }
    Ok(())
}

/// The data that a command names, by a recipe or by keys alone. Without a recipe, images are read in colour: what the
/// quick-start has is meant for its own.
fn source(args: &RecipeArgs) -> Result<Recipe> {
    let (path, mut overrides) = args.parts()?;
    let of_channels = |text: &String| text.trim_start().starts_with("data.channels");
    if path.is_none() && !overrides.iter().any(of_channels) {
        overrides.insert(0, "data.channels=3".to_owned());
    }
    // Nothing is scored here.
    overrides.push("eval.heads=[]".to_owned());
    session::recipe(path.as_deref(), &overrides)
}

/// A sheet of what a step gets to see.
fn show(args: &ShowData) -> Result<()> {
    let (path, mut overrides) = args.recipe.parts()?;
    let run = session::recipe(path.as_deref(), &overrides)?;
    overrides.push(format!("train.batch={}", args.images.max(1)));
    overrides.push("train.accumulate=1".to_owned());
    // Nothing is scored here.
    overrides.push("eval.heads=[]".to_owned());
    let recipe = session::recipe(path.as_deref(), &overrides)?;
    let data = RecipeData::open(&recipe)?;
    data.notes().iter().for_each(|note| output::note(&format!("note: {note}")));
    let mut loader = data.loader(&recipe)?;
    let mut batch = loader.next_batch()?;
    loader.take_warnings().iter().for_each(|warning| output::note(&format!("warning: {warning}")));
    for (row, label) in batch.labels.iter().enumerate() {
        if let Some(class) = usize::try_from(*label).ok().and_then(|label| data.classes().get(label)) {
            output::note(&format!("row {}: {class}", row + 1));
        }
    }
    let model = Model::build(&recipe)?;
    let scores = match model.corruption.observes()? {
        // The weights before training: there are no others yet.
        Some(_) => {
            let values = model.specs.initial(recipe.run.seed)?;
            let device = backends::device("burn", Device::Cpu)?;
            model.scores(&Params::upload(&device, values, DType::F32, DType::F32)?, &batch)?
        }
        None => None,
    };
    let total = match run.train.steps {
        // A batch may be larger than the data here: that is the run's trouble.
        0 => (run.train.epochs * (data.counts()[0] / run.train.batch).max(1) as f64).round() as u64,
        steps => steps as u64,
    };
    if args.step > total {
        return Err(Error::user(format!("the run ends after {total} steps"))
            .at("--step")
            .help(format!("choose 0 to {total}")));
    }
    // The masks of the first images of that step's batch.
    batch.first_sample = args.step * run.train.batch as u64;
    let plan = model.plan(&batch, args.step, args.step as f32 / total.max(1) as f32, scores.as_deref())?;
    let [mean, std] = data.normalisation();
    Painter { mean, std, shown: data.shown_channels() }.write(&args.out, &model, &batch, &plan, None)?;
    let Corrupted { masked, noised } = plan.shares();
    output::note(&format!(
        "after {} of {total} steps: {:.1} % of the tokens masked, {:.1} % noised",
        args.step,
        100.0 * masked,
        100.0 * noised
    ));
    output::line(&args.out.display().to_string());
    targets(&recipe, args)
}

/// What is annotated of the images, on a sheet of its own beside the other.
fn targets(recipe: &Recipe, args: &ShowData) -> Result<()> {
    let source = DataSource::from(recipe);
    let name = recipe.data.name.as_str();
    let beside = |what: &str| {
        let stem = args.out.file_stem().unwrap_or_default().to_string_lossy();
        args.out.with_file_name(format!("{stem}-{what}.png"))
    };
    // A reader may bring images of its own channels: those of a file are what they are.
    let shown = source.shown_channels();
    let mut sheets = vec![];
    if gives_objects(name) {
        let data = source.objects()?.train;
        sheets.push((
            beside("objects"),
            detection_sheet(&*data, args.images, shown)?,
            data.classes().to_vec(),
        ));
    }
    // One reader may have both; its files may have only one of them.
    if gives_label_maps(name) {
        match source.label_maps() {
            Ok(parts) => {
                let data = parts.train;
                let sheet = segmentation_sheet(&*data, args.images, shown)?;
                sheets.push((beside("label-maps"), sheet, data.classes().to_vec()));
            }
            Err(error) if sheets.is_empty() => return Err(error),
            Err(error) => output::note(&format!("note: no label maps are shown: {error}")),
        }
    }
    for (path, sheet, classes) in sheets {
        let png = sheet.to_png()?;
        std::fs::write(&path, png).map_err(|e| Error::io(&path, &e))?;
        output::note(&format!("classes in the order of their labels: {}", classes.join(", ")));
        output::line(&path.display().to_string());
    }
    Ok(())
}

/// Readers, and public data sets.
fn list(as_json: bool) {
    let (readers, sets) = (registry::all::<ReaderEntry>(), palimpsest_fetch::catalog());
    if as_json {
        let readers = readers.iter().map(|reader| {
            json!({
                "name": reader.name, "summary": reader.summary, "layout": reader.layout,
                "fields": (reader.fields)(),
            })
        });
        let sets = sets.iter().map(|set| {
            json!({
                "name": set.name, "summary": set.summary, "reader": set.reader, "size": set.size(),
                "licence": set.licence, "page": set.page, "gone": set.gone,
            })
        });
        let (readers, sets): (Vec<_>, Vec<_>) = (readers.collect(), sets.collect());
        output::json(&json!({ "readers": readers, "sets": sets }));
        return;
    }
    let rows: Vec<_> = readers
        .iter()
        .map(|reader| [reader.name, reader.summary, reader.layout].map(str::to_owned).to_vec())
        .collect();
    output::table(&rows);
    output::line("\nTheir keys, for [data.reader]: cargo xtask part show reader NAME");
    output::line("\nPublic data sets (cargo xtask data fetch NAME):");
    let rows: Vec<_> = sets
        .iter()
        .map(|set| {
            let size = if set.gone.is_some() {
                "gone".to_owned()
            } else {
                format!("{:.2} GB", set.size() as f64 / 1e9)
            };
            vec![
                set.name.clone(),
                size,
                format!("data.name={}", set.reader),
                set.summary.clone(),
                set.licence.clone(),
            ]
        })
        .collect();
    output::table(&rows);
}
