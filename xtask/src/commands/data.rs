//! `data`: readers, and a look at what the loader and the corruption produce.

use palimpsest_core::Result;
use palimpsest_core::data::BatchSource;
use palimpsest_core::model::Model;
use serde_json::json;

use crate::cli::Data as Command;
use crate::output;
use crate::pictures::Painter;
use crate::session::{self, Data};

pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::List { json: true } => {
            let sets: Vec<_> = palimpsest_datasets::list()
                .iter()
                .map(|d| json!({ "name": d.name, "summary": d.summary, "layout": d.layout }))
                .collect();
            output::line(&json!(sets).to_string());
        }
        Command::List { json: false } => {
            let rows: Vec<_> = palimpsest_datasets::list()
                .iter()
                .map(|d| vec![d.name.to_owned(), d.summary.to_owned(), d.layout.to_owned()])
                .collect();
            output::table(&rows);
        }
        Command::Show { recipe, out, images, overrides } => {
            let (recipe, mut overrides) = session::split_positional(recipe, overrides);
            overrides.push(format!("train.batch={}", images.max(1)));
            overrides.push("train.accumulate=1".to_owned());
            let recipe = session::recipe(recipe.as_deref(), &overrides)?;
            let data = Data::open(&recipe)?;
            let mut loader = data.loader(&recipe)?;
            let batch = loader.next_batch()?;
            loader.take_warnings().iter().for_each(|warning| output::note(&format!("warning: {warning}")));
            let model = Model::build(&recipe)?;
            let plan = model.plan(&batch, 0, 0.0)?;
            let (mean, std) = data.normalisation();
            Painter { mean, std }.write(&out, &model, &batch, &plan, None)?;
            output::line(&out.display().to_string());
        }
    }
    Ok(())
}
