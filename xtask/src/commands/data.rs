//! `data`: readers, and a look at what the loader and the corruption produce.

use palimpsest_core::data::BatchSource;
use palimpsest_core::model::Model;
use palimpsest_core::params::Params;
use palimpsest_core::{DType, Device, Result, registry};
use palimpsest_datasets::{ReaderEntry, RecipeData};
use serde_json::json;

use crate::cli::DataCommand as Command;
use crate::sample_sheet::Painter;
use crate::session;
use crate::{backends, output};

pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::List { result } => list(result.json),
        Command::Fetch(args) => super::fetch::run(&args)?,
        Command::Show { recipe, out, images } => {
            let (recipe, mut overrides) = recipe.parts()?;
            overrides.push(format!("train.batch={}", images.max(1)));
            overrides.push("train.accumulate=1".to_owned());
            let recipe = session::recipe(recipe.as_deref(), &overrides)?;
            let data = RecipeData::open(&recipe)?;
            let mut loader = data.loader(&recipe)?;
            let batch = loader.next_batch()?;
            loader.take_warnings().iter().for_each(|warning| output::note(&format!("warning: {warning}")));
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
            let plan = model.plan(&batch, 0, 0.0, scores.as_deref())?;
            let [mean, std] = data.normalisation();
            Painter { mean, std }.write(&out, &model, &batch, &plan, None)?;
            output::line(&out.display().to_string());
        }
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
        output::line(&json!({ "readers": readers, "sets": sets }).to_string());
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
