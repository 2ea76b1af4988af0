//! `pretrain`: from a recipe to a run with its report.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use palimpsest_core::collective::fingerprint;
use palimpsest_core::data::BatchSource;
use palimpsest_core::finetune::former_tables;
use palimpsest_core::head::PartSize;
use palimpsest_core::train::{self, RunFolder, Trainer};
use palimpsest_core::{Error, Result};
use palimpsest_datasets::{Loader, RecipeData};
use serde_json::{Value, json};

use super::begun;
use crate::cli::Pretrain;
use crate::observer::{Follower, Measured, Watcher};
use crate::ranks::Ranks;
use crate::room::Room;
use crate::sample_log::SampleLog;
use crate::session;
use crate::{backends, corruption_check, environment, fit_memory, frozen, interrupt, output, report};

pub(crate) fn run(args: Pretrain) -> Result<()> {
    let ranks = Ranks::meet(&args.ranks, &args.on)?;
    ranks.through(|| pretrain(args, &ranks))
}

fn pretrain(args: Pretrain, ranks: &Ranks) -> Result<()> {
    if ranks.started_again()
        && let Some(run) = begun::by_agent(&args, ranks)?
    {
        output::note(&format!("note: started again by torchrun: going on with {}", run.display()));
        return begun::go_on(args, run, vec![], ranks);
    }
    if args.resume
        && let Some(run) = begun::in_folder(&args, ranks)?
    {
        let overrides = begun::own(&args, &run)?;
        return begun::go_on(args, run, overrides, ranks);
    }
    let (recipe, mut overrides) = args.recipe.parts()?;
    if let Some(steps) = args.steps {
        overrides.push(format!("train.steps={steps}"));
    }
    let recipe = session::recipe(recipe.as_deref(), &overrides)?;
    former_tables(&recipe).iter().for_each(|note| output::note(&format!("note: {note}")));
    let device = backends::device(&args.on.backend, ranks.device)?;
    let data = RecipeData::open(&recipe)?;
    data.notes().iter().for_each(|note| output::note(&format!("note: {note}")));
    let mut loader = data.step_loader(&recipe, ranks.share())?;
    let (trainer, notes) = session::trainer(recipe, device, loader.steps_per_epoch())?;
    let mut trainer = ranks.join(trainer)?;
    notes.iter().for_each(|note| output::note(&format!("note: {note}")));
    let description = describe(&trainer, &data);
    output::note(&description);
    output::note(&corruption_check::describe(&trainer)?);
    let labelled = frozen::labelled(&trainer, &data)?;
    labelled.note.iter().for_each(|note| output::note(&format!("note: {note}")));
    let runs = Path::new("runs");
    let room = Room::of(&trainer, args.out.as_deref().unwrap_or(runs));
    if room.lacks() {
        output::note(&format!("warning: {}", room.told()));
    } else if args.dry_run {
        output::note(&room.told());
    }
    if args.dry_run {
        let mut told = dry_run(&trainer, &mut loader, &data, &labelled)?;
        if let Some(limit) = args.fit_memory {
            let (said, fit) = fit_memory::fit(&trainer, &args.on, ranks.share().size, limit)?;
            said.iter().for_each(|line| output::note(line));
            told["fit_memory"] = fit;
        }
        output::note("dry run: the recipe and the data fit; nothing was trained");
        if args.result.json {
            output::json(&told);
        }
        return Ok(());
    }
    let identity = data.identity();
    // Before there is a folder.
    if ranks.engine().is_some() {
        ranks.same(trainer.identity()?.with("the training images", fingerprint(identity.list.as_bytes())))?;
    }
    let mut made = None;
    let root = ranks.share_text("run", || {
        let root = match args.out {
            Some(root) => root,
            None => numbered_folder(runs, &trainer.recipe.run.name)?,
        };
        let mut environment = environment::describe(&trainer.device, trainer.model.corruption.plugin());
        environment["data"] = json!(identity);
        if ranks.engine().is_some() {
            environment["processes"] = ranks.described();
        }
        let folder = RunFolder::create(&root, &trainer.recipe, &environment)?;
        folder.log(&description)?;
        output::note(&format!("run folder {}", folder.root().display()));
        made = Some(folder);
        Ok(root.display().to_string())
    })?;
    let folder = made.unwrap_or_else(|| RunFolder::followed(Path::new(&root)));
    let measured = Measured { data: &data, labelled };
    ranks.train(&mut trainer, &folder, |trainer| {
        train_and_report(trainer, &mut loader, measured, &folder, args.result.json)
    })
}

/// Opens images of both parts, makes a plan of them, and says what heads would stand on.
fn dry_run(
    trainer: &Trainer,
    loader: &mut Loader,
    data: &RecipeData,
    labelled: &frozen::Labelled,
) -> Result<Value> {
    let batch = loader.next_batch()?;
    let parts = loader.parts();
    let mut images = batch.len();
    for _ in 1..parts {
        let part = loader.next_batch()?;
        images += part.len();
        loader.recycle(part);
    }
    let warnings = loader.take_warnings();
    warnings.iter().for_each(|warning| output::note(&format!("warning: {warning}")));
    data.first_test_images(1)?;
    let [training, testing] = data.counts();
    let mut told = json!({
        "dry_run": true, "name": trainer.recipe.run.name, "recipe_hash": trainer.recipe.hash(),
        "steps": trainer.total_steps, "images": { "train": training, "test": testing },
        "broken": warnings,
    });
    if let Some(splits) = &labelled.splits {
        let [train, test] = splits.sizes();
        let features = frozen::features_told(trainer);
        output::note(&format!("heads ({features}) would be fitted on {train} and scored on {test}"));
        told["heads"] = json!({ "features": features, "train": train, "test": test });
    }
    output::note(&format!("opened a batch of {images} images, {} of them broken", warnings.len()));
    // Those made ahead and the one that is trained on.
    let held = trainer.recipe.data.prefetch.max(1) + 1;
    let bytes = held * batch.pixels.memory();
    let of =
        if parts > 1 { format!("{held} parts of {} images", batch.len()) } else { format!("{held} of them") };
    let kept = match trainer.recipe.data.cache {
        0 => String::new(),
        megabytes => format!("; decoded images take up to {megabytes} MB more"),
    };
    output::note(&format!("batches take {} MB of memory: {of}{kept}", bytes.div_ceil(1_000_000)));
    told["batch_bytes"] = json!(bytes);
    trainer.plan_at(&batch, 0, 0.0)?;
    Ok(told)
}

/// Trains to the end, evaluates, and writes summary and report.
pub(crate) fn train_and_report(
    trainer: &mut Trainer,
    loader: &mut dyn BatchSource,
    measured: Measured<'_>,
    folder: &RunFolder,
    as_json: bool,
) -> Result<()> {
    let resume = || {
        let run = folder.root().display();
        format!("free some space, then resume: cargo xtask resume {run}; the last good checkpoint is kept")
    };
    let mut log;
    let source = if trainer.recipe.train.log_samples {
        let rank = trainer.collective().map_or(0, |engine| engine.world().rank);
        log = SampleLog::open(loader, folder.root(), rank, trainer.step_count())?;
        &mut log
    } else {
        loader
    };
    trained_and_reported(trainer, source, measured, folder, as_json).map_err(|e| e.when_full(resume))
}

fn trained_and_reported(
    trainer: &mut Trainer,
    loader: &mut dyn BatchSource,
    measured: Measured<'_>,
    folder: &RunFolder,
    as_json: bool,
) -> Result<()> {
    let interrupted = interrupt::flag()?;
    if !folder.writes() {
        let mut follower = Follower::new(measured, trainer, interrupted)?;
        return train::run(trainer, loader, folder, &mut follower, interrupted).map(|_| ());
    }
    let mut watcher = Watcher::new(measured, trainer, folder, interrupted)?;
    let summary = train::run(trainer, loader, folder, &mut watcher, interrupted);
    watcher.finish()?;
    let summary = summary?;
    let mut line = json!(summary);
    line["run"] = json!(folder.root().display().to_string());
    line["recipe_hash"] = json!(trainer.recipe.hash());
    let changed = environment::changes(folder);
    if !changed.is_empty() {
        line["changed"] = json!(changed);
    }
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
        let loss = if summary.steps == 0 { "-".to_owned() } else { output::figure(summary.loss) };
        output::line(&format!("loss {loss}"));
        print_results(&summary.eval);
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
        let features = heads.values().next().and_then(|head| head["features"].as_str()).unwrap_or("mean");
        output::line(&format!("heads on frozen features ({features}), fitted on {train}, scored on {test}"));
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

/// RUNS/NAME-N with the first free number, made: of two runs that start at once, each has its own.
fn numbered_folder(runs: &Path, name: &str) -> Result<PathBuf> {
    let mut number = 1;
    loop {
        let root = runs.join(format!("{name}-{number}"));
        let parent = root.parent().unwrap_or(runs);
        fs::create_dir_all(parent).map_err(|e| Error::io(parent, &e))?;
        match fs::create_dir(&root) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => number += 1,
            made => return made.map(|()| root.clone()).map_err(|e| Error::io(&root, &e)),
        }
    }
}
