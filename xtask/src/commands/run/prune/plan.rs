//! What may go, and what has to stay.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use palimpsest_core::train::{Checkpoint, RunFolder, Use};
use palimpsest_core::{Error, Result};

use super::super::best;
use super::references::Starts;
use crate::cli::{Age, PruneRuns};
use crate::environment;
use crate::report::folder_size;
use crate::runs::{KEEP, Runs, Tags, select};

/// A run of which something goes.
pub(super) struct Pruned {
    pub(super) run: String,
    pub(super) state: String,
    pub(super) changed: u64,
    pub(super) bytes: u64,
    path: PathBuf,
    removes: Removes,
}

enum Removes {
    Whole,
    Checkpoints(Vec<PathBuf>, KeepsLast),
}

/// Whether the newest checkpoint stays.
#[derive(Clone, Copy, PartialEq)]
enum KeepsLast {
    Yes,
    No,
}

/// A run that was chosen and stays.
pub(super) struct Kept {
    pub(super) run: String,
    pub(super) why: String,
}

/// The runs that are chosen, and those of them that must not be touched.
///
/// # Errors
/// A key that no run has.
pub(super) fn of(args: &PruneRuns, runs: &Runs) -> Result<(Vec<Pruned>, Vec<Kept>)> {
    let chosen = select(runs, &args.conditions.all, &[])?;
    let spared: HashSet<PathBuf> = match (args.keep_best, &args.by) {
        (Some(count), Some(by)) => {
            let (ranked, _) = best::ranked(runs, chosen.clone(), by)?;
            let scored: HashSet<&PathBuf> = ranked.iter().map(|(run, _)| &run.path).collect();
            let without = chosen.iter().map(|run| &run.path).filter(|path| !scored.contains(path));
            ranked.iter().take(count).map(|(run, _)| &run.path).chain(without).cloned().collect()
        }
        _ => HashSet::new(),
    };
    let before =
        args.older_than.map(|Age(seconds)| environment::seconds_since_epoch().saturating_sub(seconds));
    let starts = Starts::of(&args.folder, runs)?;
    let (mut pruned, mut kept) = (vec![], vec![]);
    for run in chosen {
        let young = before.is_some_and(|before| run.changed > before);
        if young || spared.contains(&run.path) || (args.unfinished && run.overview.finished) {
            continue;
        }
        let removes = if args.whole { Removes::Whole } else { checkpoints(args, &run.path)? };
        let bytes = match &removes {
            Removes::Whole => folder_size(&run.path),
            Removes::Checkpoints(files, _) if files.is_empty() => continue,
            Removes::Checkpoints(files, _) => {
                files.iter().map(|f| f.metadata().map_or(0, |meta| meta.len())).sum()
            }
        };
        let name = run.overview.run.clone();
        if let Some(why) = untouchable(&run.path)?.or_else(|| starts.from(&run.path)) {
            kept.push(Kept { run: name, why });
            continue;
        }
        let (state, changed) = (run.overview.state.clone(), run.changed);
        pruned.push(Pruned { run: name, state, changed, bytes, path: run.path.clone(), removes });
    }
    Ok((pruned, kept))
}

/// The files of a run's checkpoints that would go.
fn checkpoints(args: &PruneRuns, run: &std::path::Path) -> Result<Removes> {
    let folder = run.join("checkpoints");
    let mut files = if folder.is_dir() { Checkpoint::list(&folder)? } else { vec![] };
    let last = if args.keep_last_checkpoint { KeepsLast::Yes } else { KeepsLast::No };
    if last == KeepsLast::Yes {
        files.pop();
    }
    Ok(Removes::Checkpoints(files, last))
}

/// Why a run must not be touched, as its own folder tells it. Read anew, whatever is known of it.
fn untouchable(run: &std::path::Path) -> Result<Option<String>> {
    if Tags::of(run)?.tags.iter().any(|tag| tag == KEEP) {
        return Ok(Some(format!("it is tagged {KEEP}")));
    }
    Ok(match RunFolder::in_use(run) {
        Use::Free => None,
        Use::Taken => Some("a process trains in it".to_owned()),
        Use::Unknown => Some("whether a process trains in it can't be told here".to_owned()),
    })
}

impl Pruned {
    /// `run` or `checkpoints`.
    pub(super) fn what(&self) -> &'static str {
        match self.removes {
            Removes::Whole => "run",
            Removes::Checkpoints(..) => "checkpoints",
        }
    }

    /// The steps of the checkpoints that go; none where the whole run does.
    pub(super) fn steps(&self) -> Vec<u64> {
        match &self.removes {
            Removes::Whole => vec![],
            Removes::Checkpoints(files, _) => {
                files.iter().filter_map(|file| Checkpoint::step_of(file)).collect()
            }
        }
    }

    /// What goes, for people.
    pub(super) fn told(&self) -> String {
        match &self.removes {
            Removes::Whole => "the whole run".to_owned(),
            Removes::Checkpoints(files, last) => {
                let plural = if files.len() == 1 { "" } else { "s" };
                let all = if *last == KeepsLast::No { "all, " } else { "" };
                format!("{all}{} checkpoint{plural}", files.len())
            }
        }
    }

    /// Removes it, while no process can begin to train the run. Returns what went.
    ///
    /// # Errors
    /// A process that trains in it by now, a folder that can't be written, or no whole checkpoint to leave.
    pub(super) fn remove(&self) -> Result<Self> {
        let folder = RunFolder::open(&self.path)?.locked()?;
        if Tags::of(&self.path)?.tags.iter().any(|tag| tag == KEEP) {
            return Err(Error::user(format!("it is tagged {KEEP} by now")).at(&self.run));
        }
        let (mut bytes, mut gone) = (0, vec![]);
        let removes = match &self.removes {
            Removes::Whole => {
                bytes = folder_size(&self.path);
                fs::remove_dir_all(&self.path).map_err(|e| Error::io(&self.path, &e))?;
                Removes::Whole
            }
            Removes::Checkpoints(files, last) => {
                let mut files = files.clone();
                if *last == KeepsLast::Yes {
                    // The newest that can be read to its end stays, and what is newer and damaged with it.
                    let newest = folder.newest()?.and_then(|newest| Checkpoint::step_of(&newest.path));
                    files.retain(|file| Checkpoint::step_of(file) < newest);
                }
                for file in files {
                    let size = file.metadata().map_or(0, |meta| meta.len());
                    fs::remove_file(&file).map_err(|e| Error::io(&file, &e))?;
                    bytes += size;
                    gone.push(file);
                }
                Removes::Checkpoints(gone, *last)
            }
        };
        let (run, state) = (self.run.clone(), self.state.clone());
        Ok(Self { run, state, changed: self.changed, bytes, path: self.path.clone(), removes })
    }
}
