//! `run prune`: frees the disk of checkpoints, or of whole runs.

mod plan;
mod references;

use palimpsest_core::{Error, Result};
use serde_json::{Value, json};

use self::plan::{Kept, Pruned};
use crate::cli::PruneRuns;
use crate::output;
use crate::report::date;
use crate::runs::Runs;

pub(super) fn run(args: &PruneRuns) -> Result<()> {
    let chooses = !args.conditions.all.is_empty()
        || args.unfinished
        || args.older_than.is_some()
        || args.keep_best.is_some()
        || args.keep_last_checkpoint;
    if !chooses {
        return Err(Error::user("nothing says what may go").at(args.folder.display()).help(
            "give --keep-last-checkpoint, --keep-best N --by KEY, --unfinished, --older-than 30d or --where 'KEY OP VALUE'",
        ));
    }
    let runs = Runs::of(&args.folder)?;
    let (pruned, mut kept) = plan::of(args, &runs)?;
    let mut freed = vec![];
    let mut failed = None;
    for run in pruned {
        if !args.yes {
            freed.push(run);
            continue;
        }
        match run.remove() {
            Ok(done) => freed.push(done),
            Err(error) => {
                output::note(&format!("error: {error}"));
                kept.push(Kept { run: run.run.clone(), why: error.message().to_owned() });
                failed.get_or_insert(error);
            }
        }
    }
    tell(args, &freed, &kept);
    match failed {
        Some(_) => Err(Error::failure("not everything could be removed").at(args.folder.display())),
        None => Ok(()),
    }
}

fn tell(args: &PruneRuns, freed: &[Pruned], kept: &[Kept]) {
    let bytes: u64 = freed.iter().map(|run| run.bytes).sum();
    if args.result.json {
        let runs: Vec<Value> = freed
            .iter()
            .map(|run| json!({ "run": run.run, "removes": run.what(), "steps": run.steps(), "bytes": run.bytes }))
            .collect();
        let kept: Vec<Value> = kept.iter().map(|run| json!({ "run": run.run, "why": run.why })).collect();
        output::json(&json!({ "dry_run": !args.yes, "bytes": bytes, "runs": runs, "kept": kept }));
        return;
    }
    if !freed.is_empty() {
        let mut rows = vec![["run", "removes", "frees", "state", "last trained"].map(str::to_owned).to_vec()];
        for run in freed {
            let size = format!("{:.1} MB", run.bytes as f64 / 1e6);
            rows.push(vec![run.run.clone(), run.told(), size, run.state.clone(), date(run.changed)]);
        }
        output::table(&rows);
    }
    kept.iter().for_each(|run| output::note(&format!("kept: {}: {}", run.run, run.why)));
    let (megabytes, count) = (bytes as f64 / 1e6, freed.len());
    let plural = if count == 1 { "" } else { "s" };
    output::line(&match (freed.is_empty(), args.yes) {
        (true, _) => "nothing to remove".to_owned(),
        (false, true) => format!("freed {megabytes:.1} MB of {count} run{plural}"),
        (false, false) => {
            format!("would free {megabytes:.1} MB of {count} run{plural}; nothing was removed: --yes does it")
        }
    });
}
