//! `pretrain`: from a recipe to a run with its report.

use std::path::{Path, PathBuf};

use palimpsest_core::Result;
use palimpsest_core::data::BatchSource;
use palimpsest_core::finetune::former_tables;
use palimpsest_core::head::PartSize;
use palimpsest_core::recipe::Recipe;
use palimpsest_core::train::{self, RunFolder, Trainer};
use palimpsest_datasets::{Loader, RecipeData};
use serde_json::json;

use crate::cli::Pretrain;
use crate::observer::Watcher;
use crate::session;
use crate::{backends, corruption_check, environment, frozen, interrupt, output, report};

pub(crate) fn run(args: Pretrain) -> Result<()> {
    let (recipe, mut overrides) = args.recipe.parts()?;
    if let Some(steps) = args.steps {
        overrides.push(format!("train.steps={steps}"));
    }
    let recipe = session::recipe(recipe.as_deref(), &overrides)?;
    former_tables(&recipe).iter().for_each(|note| output::note(&format!("note: {note}")));
    let device = backends::device(&args.on.backend, args.on.device)?;
    let data = RecipeData::open(&recipe)?;
    data.notes().iter().for_each(|note| output::note(&format!("note: {note}")));
    let mut loader = data.loader(&recipe)?;
    let (mut trainer, notes) = session::trainer(recipe, device, loader.steps_per_epoch())?;
    notes.iter().for_each(|note| output::note(&format!("note: {note}")));
    let description = describe(&trainer, &data);
    output::note(&description);
    output::note(&corruption_check::describe(&trainer)?);
    let labelled = frozen::labelled(&trainer, &data)?;
    labelled.note.iter().for_each(|note| output::note(&format!("note: {note}")));
    if args.dry_run {
        dry_run(&trainer, &mut loader, &data, &labelled)?;
        output::note("dry run: the recipe and the data fit; nothing was trained");
        return Ok(());
    }
    drop(labelled);
    let root = args.out.unwrap_or_else(|| free_folder(&trainer.recipe));
    let folder = RunFolder::create(
        &root,
        &trainer.recipe,
        &environment::describe(&trainer.device, trainer.model.corruption.plugin()),
    )?;
    folder.log(&description)?;
    output::note(&format!("run folder {}", folder.root().display()));
    train_and_report(&mut trainer, &mut loader, &data, &folder, args.result.json)
}

/// Opens images of both parts, makes a plan of them, and says what heads would stand on.
fn dry_run(
    trainer: &Trainer,
    loader: &mut Loader,
    data: &RecipeData,
    labelled: &frozen::Labelled,
) -> Result<()> {
    let batch = loader.next_batch()?;
    let warnings = loader.take_warnings();
    warnings.iter().for_each(|warning| output::note(&format!("warning: {warning}")));
    data.first_test_images(1)?;
    if let Some(splits) = &labelled.splits {
        let [train, test] = splits.sizes();
        output::note(&format!("heads would be fitted on {train} and scored on {test}"));
    }
    output::note(&format!("opened a batch of {} images, {} of them broken", batch.len(), warnings.len()));
    trainer.plan_at(&batch, 0, 0.0).map(drop)
}

/// Trains to the end, evaluates, and writes summary and report.
pub(crate) fn train_and_report(
    trainer: &mut Trainer,
    loader: &mut dyn BatchSource,
    data: &RecipeData,
    folder: &RunFolder,
    as_json: bool,
) -> Result<()> {
    let interrupted = interrupt::flag()?;
    let mut watcher = Watcher::new(data, trainer, folder)?;
    let summary = train::run(trainer, loader, folder, &mut watcher, interrupted);
    watcher.finish()?;
    let summary = summary?;
    let mut line = json!(summary);
    line["run"] = json!(folder.root());
    line["eval"] = watcher.results.clone();
    line["recipe_hash"] = json!(trainer.recipe.hash());
    let line = output::rounded(line);
    folder.write("summary.json", format!("{line:#}\n").as_bytes())?;
    let html = folder.path("report.html");
    report::write(std::slice::from_ref(folder), &html)?;
    let ended = format!(
        "trained {} steps ({:.1} epochs) in {:.0} s, {:.0} images/s, data-wait {:.0} %",
        summary.steps,
        summary.epochs,
        summary.seconds,
        summary.images_per_second,
        100.0 * summary.data_wait
    );
    folder.log(&ended)?;
    output::note(&ended);
    output::note(&format!("report {}", html.display()));
    if as_json {
        output::json(&line);
    } else {
        output::line(&format!("loss {}", output::figure(summary.loss)));
        print_results(&watcher.results);
    }
    Ok(())
}

/// The accuracy of each head, with the random initialisation's.
pub(crate) fn print_results(results: &serde_json::Value) {
    let Some(heads) = results["pretrained"].as_object() else { return };
    let percent = |value: &serde_json::Value| {
        value.as_f64().map_or_else(|| "-".to_owned(), |value| format!("{:.2} %", 100.0 * value))
    };
    let mut rows =
        vec![vec!["head".to_owned(), "pre-trained".to_owned(), "random initialisation".to_owned()]];
    for (head, scores) in heads {
        rows.push(vec![
            head.clone(),
            percent(&scores["accuracy"]),
            percent(&results["random"][head]["accuracy"]),
        ]);
    }
    output::table(&rows);
    let size = |part: &str| serde_json::from_value::<PartSize>(heads.values().next()?[part].clone()).ok();
    if let (Some(train), Some(test)) = (size("train"), size("test")) {
        output::line(&format!("heads fitted on {train}, scored on {test}"));
    }
}

fn describe(trainer: &Trainer, data: &RecipeData) -> String {
    let geometry = trainer.model.geometry();
    let parameters: usize = trainer.model.specs.specs().iter().map(|spec| spec.shape.count()).sum();
    let [train, test] = data.counts();
    format!(
        "{}: {} x {} px in {} tokens, {} blocks of width {}, {:.1} M parameters; {train} training and {test} test images; {} steps of {} on {} {}",
        trainer.recipe.run.name,
        geometry.height,
        geometry.width,
        geometry.tokens(),
        geometry.depth,
        geometry.dim,
        parameters as f64 / 1e6,
        trainer.total_steps,
        trainer.recipe.train.batch,
        trainer.device.backend.info().name,
        trainer.device.id,
    )
}

/// runs/NAME-N with the first free number.
fn free_folder(recipe: &Recipe) -> PathBuf {
    (1..)
        .map(|n| Path::new("runs").join(format!("{}-{n}", recipe.run.name)))
        .find(|path| !path.exists())
        .unwrap_or_default()
}
