//! `resume`: goes on with a run from its newest checkpoint.

use std::fs;
use std::path::Path;

use palimpsest_core::collective::{Identity, fingerprint};
use palimpsest_core::data::BatchSource;
use palimpsest_core::finetune::check_heads;
use palimpsest_core::recipe::{CHANGED_ON_RESUME, Recipe};
use palimpsest_core::shell::{quoted, with_words};
use palimpsest_core::stored;
use palimpsest_core::train::{Newest, RunFolder, Trainer};
use palimpsest_core::{DeviceHandle, Error, ErrorKind, Result};
use palimpsest_datasets::{DataIdentity, RecipeData};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pretrain::train_and_report;
use crate::cli::Resume;
use crate::observer::Measured;
use crate::ranks::Ranks;
use crate::{backends, environment, frozen, output, plugins, session};

pub(crate) fn run(args: &Resume) -> Result<()> {
    let ranks = Ranks::meet(&args.ranks, &args.on)?;
    ranks.through(|| resume(args, &ranks))
}

/// Goes on with a run, alone or with other processes. Each reads the run's folder, which rank 0 alone changes.
pub(super) fn resume(args: &Resume, ranks: &Ranks) -> Result<()> {
    let folder = RunFolder::open(&args.run)?;
    let folder = if ranks.leads() { folder.locked()? } else { RunFolder::followed(folder.root()) };
    plugins::recall(&folder)?;
    let recipe = folder.recipe(&args.overrides)?;
    check_heads(&recipe)?;
    let newest = folder.newest()?;
    if let Some(Newest { path, checkpoint, damaged }) = &newest {
        session::tell_damaged(damaged, path);
        let changes = recipe.changes_since(&checkpoint.state.recipe);
        if checkpoint.state.recipe_hash != recipe.hash() && !changes.refused.is_empty() {
            return Err(refused(args, &recipe, &changes.refused, path));
        }
        let changed = args.accept_data || !changes.allowed.is_empty();
        if let Some(summary) = finished(&folder)
            .filter(|summary| !changed && summary["steps"].as_u64() == Some(checkpoint.state.step))
        {
            tell_finished(args, &summary);
            return Ok(());
        }
    }
    let device = backends::device(&args.on.backend, ranks.device)?;
    let data = RecipeData::open(&recipe)?;
    data.notes().iter().for_each(|note| output::note(&format!("note: {note}")));
    let mut environment = environment::of_run(&folder);
    let identity = data.identity();
    let other_data = other_data(args, &environment, &identity)?;
    let mut loader = data.step_loader(&recipe, ranks.share())?;
    let (trainer, changes) = match &newest {
        Some(newest) => restored(newest, recipe, device, loader.steps_per_epoch())?,
        None if folder.metrics()?.is_empty() => {
            output::note("note: the run has no checkpoint yet: it starts at step 0");
            (session::trainer(recipe, device, loader.steps_per_epoch())?.0, vec![])
        }
        None => {
            return Err(Error::user("the checkpoints of the run are gone")
                .at(folder.root().display())
                .help("start it again with pretrain"));
        }
    };
    let mut trainer = ranks.join(trainer)?;
    ranks.same(Identity::default().with("the training images", fingerprint(identity.list.as_bytes())))?;
    let step = trainer.step_count();
    if let Some(summary) = finished(&folder).filter(|_| step >= trainer.total_steps) {
        tell_finished(args, &summary);
        return Ok(());
    }
    let labelled = frozen::labelled(&trainer, &data)?;
    labelled.note.iter().for_each(|note| output::note(&format!("note: {note}")));
    // From here on the folder changes, which all have read.
    ranks.barrier()?;
    folder.tidy(&newest.map(|newest| newest.damaged).unwrap_or_default())?;
    let damaged = folder.rewind_metrics(step)?;
    if damaged > 0 {
        output::note(&format!("note: {damaged} damaged lines of metrics.jsonl are now in metrics.damaged"));
    }
    let summary = folder.path("summary.json");
    if folder.writes() && summary.exists() {
        fs::remove_file(&summary).map_err(|e| Error::io(&summary, &e))?;
    }
    changes.iter().for_each(|change| output::note(&format!("note: {change}")));
    other_data.iter().for_each(|change| output::note(&format!("note: {change}")));
    let mut leg = json!({
        "started": environment::seconds_since_epoch(), "step": step, "command": environment::command(),
        "backend": trainer.device.backend.info().name, "device": trainer.device.id.to_string(),
        "instructions": trainer.instructions(),
    });
    if ranks.engine().is_some() {
        leg["processes"] = ranks.described();
    }
    if !changes.is_empty() {
        // The other overrides hold for this leg alone.
        let kept = |word: &&String| CHANGED_ON_RESUME.iter().any(|key| word.starts_with(&format!("{key}=")));
        let lasting: Vec<String> = args.overrides.iter().filter(kept).cloned().collect();
        folder.write_recipe(&folder.recipe(&lasting)?)?;
        leg["changes"] = json!(changes);
    }
    if let Some(change) = other_data {
        leg["data"] = json!(change);
    }
    environment["data"] = json!(identity);
    match environment["resumed"].as_array_mut() {
        Some(legs) => legs.push(leg),
        None => environment["resumed"] = json!([leg]),
    }
    folder.write("env.json", format!("{environment:#}\n").as_bytes())?;
    output::note(&format!("resuming at step {step} of {}", trainer.total_steps));
    folder.log(&format!("resumed at step {step}"))?;
    let measured = Measured { data: &data, labelled };
    let done = ranks.train(&mut trainer, &folder, |trainer| {
        train_and_report(trainer, &mut loader, measured, &folder, args.result.json)
    });
    done.map_err(|e| match e.kind() {
        ErrorKind::Interrupted if !args.overrides.is_empty() => {
            e.help_instead(format!("continue with: {}", command(args, "")))
        }
        _ => e,
    })
}

/// A trainer at a checkpoint, and what of its recipe has changed.
fn restored(
    Newest { checkpoint, .. }: &Newest,
    recipe: Recipe,
    device: DeviceHandle,
    steps_per_epoch: u64,
) -> Result<(Trainer, Vec<String>)> {
    let changes = recipe.changes_since(&checkpoint.state.recipe).allowed;
    let mut trainer = Trainer::new(recipe, device, steps_per_epoch)?;
    trainer.restore(checkpoint.clone())?;
    trainer.load_teachers()?.iter().for_each(|note| output::note(&format!("note: {note}")));
    let (before, now) = (&checkpoint.state.backend, trainer.device.backend.info().name);
    if *before != now {
        output::note(&format!(
            "note: trained on {before} so far, going on with {now}: results differ by rounding"
        ));
    } else if let (Some(before), Some(now)) = (&checkpoint.state.instructions, trainer.instructions())
        && *before != now
    {
        output::note(&format!(
            "note: trained with the processor's {before} so far, going on with {now}: the last bits may differ \
             (PALIMPSEST_CPU chooses)"
        ));
    }
    Ok((trainer, changes))
}

/// The summary of a run that came to its end, and has told it.
fn finished(folder: &RunFolder) -> Option<Value> {
    if !folder.path("report.html").is_file() {
        return None;
    }
    let bytes = stored::read(&folder.path("summary.json")).ok()?;
    serde_json::from_slice(&bytes).ok().filter(|summary: &Value| summary["steps"].is_u64())
}

fn tell_finished(args: &Resume, summary: &Value) {
    output::note(&format!("the run is finished, after {} steps: nothing was changed", summary["steps"]));
    if args.result.json {
        output::json(summary);
    }
}

/// A change of the recipe that makes it another run.
fn refused(args: &Resume, recipe: &Recipe, changes: &[String], checkpoint: &Path) -> Error {
    let mut overrides = args.overrides.clone();
    if !recipe.run.init_sha256.is_empty() {
        // That of the file that this run started from.
        overrides.push("init_sha256=\"\"".to_owned());
    }
    let (run, overrides) = (args.run.display(), with_words(&overrides));
    let config = quoted(&args.run.join("config.toml").to_string_lossy());
    let from = quoted(&format!("init_from={}", checkpoint.display()));
    Error::user(format!("the recipe has changed since the checkpoint: {}", changes.join(", "))).at(&run).help(
        format!(
            "undo the change, or start a new run from these weights: cargo xtask pretrain {config} {from}{overrides} --out NEW"
        ),
    )
}

/// What has become of the training images since the run began; `None` where they are the same, or where that is not
/// known.
fn other_data(args: &Resume, environment: &Value, now: &DataIdentity) -> Result<Option<String>> {
    let Ok(before) = DataIdentity::deserialize(&environment["data"]) else { return Ok(None) };
    if before == *now {
        return Ok(None);
    }
    let change = match before.images == now.images {
        true => format!("{} as before, of other names, labels or order", now.images),
        false => format!("{} -> {}", before.images, now.images),
    };
    let change = format!("the training images have changed since the run began: {change}");
    if args.accept_data {
        return Ok(Some(change));
    }
    Err(Error::user(change).at(args.run.display()).help(format!(
        "put them back, give the place of the first ones by data.path=FOLDER, or go on with these: {}",
        command(args, " --accept-data")
    )))
}

/// The command that goes on as this one was to: what it said for this leg has to be said again.
fn command(args: &Resume, flags: &str) -> String {
    let run = quoted(&args.run.to_string_lossy());
    format!("cargo xtask resume {run}{}{flags}", with_words(&args.overrides))
}
