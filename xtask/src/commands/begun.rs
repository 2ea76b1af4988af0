//! `pretrain` where the run has begun already: started again by torchrun, or by a batch system with `--resume`.

use std::fs;
use std::path::{Path, PathBuf};

use palimpsest_core::recipe::{Recipe, ignored_by_hash};
use palimpsest_core::train::RunFolder;
use palimpsest_core::{Error, ErrorKind, Result};

use super::resume;
use crate::cli::{Pretrain, Resume};
use crate::ranks::Ranks;
use crate::{environment, plugins, session};

/// The run that torchrun's try before began: in the folder of --out, or in the newest that is by the same agent.
pub(super) fn by_agent(args: &Pretrain, ranks: &Ranks) -> Result<Option<PathBuf>> {
    let found = ranks.share_text("begun", || {
        let runs: Vec<PathBuf> = match &args.out {
            Some(out) => vec![out.clone()],
            None => fs::read_dir("runs").into_iter().flatten().flatten().map(|entry| entry.path()).collect(),
        };
        let of_agent = |run: &PathBuf| {
            let agent =
                &RunFolder::open(run).map(|folder| environment::of_run(&folder)).ok()?["processes"]["agent"];
            agent.as_str().map(|agent| Some(agent.to_owned()) == ranks.agent())
        };
        let found = runs.into_iter().find(|run| of_agent(run) == Some(true));
        Ok(found.map_or_else(String::new, |run| run.display().to_string()))
    })?;
    Ok((!found.is_empty()).then(|| PathBuf::from(found)))
}

/// The run in the folder of `--out`, as rank 0 sees it: the others must not take what it makes meanwhile for an old one.
pub(super) fn in_folder(args: &Pretrain, ranks: &Ranks) -> Result<Option<PathBuf>> {
    let Some(out) = &args.out else { return Ok(None) };
    let found = ranks.share_text("in --out", || {
        Ok(if out.join("config.toml").is_file() { "begun" } else { "" }.to_owned())
    })?;
    Ok((!found.is_empty()).then(|| out.clone()))
}

/// That the run was begun with this command's recipe. Returns which of its overrides hold for this leg: those of keys that
/// leave the weights alone.
pub(super) fn own(args: &Pretrain, run: &Path) -> Result<Vec<String>> {
    let folder = RunFolder::open(run)?;
    plugins::recall(&folder)?;
    let (file, mut overrides) = args.recipe.parts()?;
    let own = |word: &&String| {
        let key = word.split_once('=').map_or("", |(key, _)| key.trim());
        ignored_by_hash(key) && key != "init_from"
    };
    let of_leg: Vec<String> = overrides.iter().filter(own).cloned().collect();
    overrides.extend(args.steps.map(|steps| format!("train.steps={steps}")));
    let recipe = session::recipe(file.as_deref(), &overrides)?;
    let mut changes = Recipe::difference(folder.recipe(&[])?.table(), recipe.table());
    if !recipe.run.init_from.is_empty() && recipe.run.init_sha256.is_empty() {
        // Filled in when the run began; a run that goes on reads no initial weights.
        changes.retain(|change| !change.starts_with("init_sha256:"));
    }
    if changes.is_empty() {
        return Ok(of_leg);
    }
    let run = run.display();
    Err(Error::user(format!("the run there has another recipe: {}", changes.join(", "))).at(&run).help(format!(
        "give the recipe that it began with, go on with its own by cargo xtask resume {run}, or choose another --out"
    )))
}

/// Goes on with the run as `resume` does.
pub(super) fn go_on(args: Pretrain, run: PathBuf, overrides: Vec<String>, ranks: &Ranks) -> Result<()> {
    let Pretrain { on, result, ranks: of_ranks, resume: same_command, .. } = args;
    let args = Resume { run, on, accept_data: false, result, ranks: of_ranks, overrides };
    resume::resume(&args, ranks).map_err(|e| match e.kind() {
        ErrorKind::Interrupted if same_command => e.help_instead("the same command goes on"),
        _ => e,
    })
}
