//! What is known of each run of a folder. It is read from the runs' own files; of many runs it is kept in a file beside
//! them too, which is a cache: an entry counts only while its run's files are as they were, and a file that can't be read
//! or written is no file.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use palimpsest_core::Result;
use palimpsest_core::stored::{check_regular, read, write_atomically};
use palimpsest_core::train::{RunFolder, Use};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stamp::Stamp;
use super::{Tags, find};
use crate::output;
use crate::report::{Overview, Settings};

const FILE: &str = ".runs.json";
/// Another one when entries mean something else.
const FORMAT: u32 = 1;
/// Fewer runs than these are read in no time, and leave no file behind.
const WORTH_KEEPING: usize = 16;

/// The runs of a folder.
pub(crate) struct Runs {
    pub(crate) runs: Vec<Listed>,
    /// The settings of all recipes, each once: the recipes of a sweep have nearly all in common.
    pub(super) pairs: Vec<(String, String)>,
}

/// A run.
pub(crate) struct Listed {
    pub(crate) path: PathBuf,
    /// When training last wrote something, in seconds since 1970.
    pub(crate) changed: u64,
    stamp: u64,
    pub(crate) overview: Overview,
    pub(crate) tags: Tags,
    /// Scores of `eval`, by `HEAD-DATA.FIGURE`: the mean over the seeds.
    pub(super) evaluations: BTreeMap<String, f64>,
    /// Places in [`Runs::pairs`].
    pub(super) settings: Vec<u32>,
}

/// What is kept of a run.
#[derive(Serialize, Deserialize)]
struct Entry {
    stamp: u64,
    overview: Overview,
    tags: Tags,
    evaluations: BTreeMap<String, f64>,
    settings: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
struct Index {
    format: u32,
    /// The program that wrote it: another one may read runs otherwise.
    program: String,
    pairs: Vec<(String, String)>,
    /// By their paths from the folder.
    runs: HashMap<String, Entry>,
}

impl Runs {
    /// The runs in a folder and below, in the order of their paths.
    ///
    /// # Errors
    /// A folder that can't be read.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let paths = find(folder)?;
        let mut index = Index::read(folder);
        let key = |path: &Path| path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned();
        // Before the files are read: of a run that changes meanwhile the stamp is an old one then.
        let stamps = in_parallel(&paths, |path| Stamp::of(path));
        let found: Vec<(PathBuf, Stamp, Option<Entry>)> = paths
            .into_iter()
            .zip(stamps)
            .map(|(path, stamp)| {
                let known = index.runs.remove(&key(&path)).filter(|entry| entry.stamp == stamp.hash);
                (path, stamp, known)
            })
            .collect();
        let unknown: Vec<&PathBuf> =
            found.iter().filter(|(.., known)| known.is_none()).map(|(path, ..)| path).collect();
        let mut fresh = in_parallel(&unknown, |path| Read::of(path)).into_iter();
        let mut pairs = Pairs::new(std::mem::take(&mut index.pairs), !unknown.is_empty());
        let (mut runs, mut kept, mut anew) = (vec![], vec![], 0);
        for (path, stamp, known) in found {
            let entry = match known {
                Some(entry) => entry,
                None => {
                    anew += usize::from(stamp.settled());
                    // A run that is gone by now is none.
                    let Some(Some(read)) = fresh.next() else { continue };
                    let Read { overview, tags, evaluations, settings } = read;
                    Entry { stamp: stamp.hash, overview, tags, evaluations, settings: pairs.places(settings) }
                }
            };
            if stamp.settled() {
                kept.push(runs.len());
            }
            let Entry { stamp: hash, overview, tags, evaluations, settings } = entry;
            let changed = stamp.changed;
            runs.push(Listed { path, changed, stamp: hash, overview, tags, evaluations, settings });
        }
        let mut runs = Self { runs, pairs: pairs.all };
        if anew >= WORTH_KEEPING {
            runs.write(folder, key, &kept);
        }
        for run in &mut runs.runs {
            // As the folder was given, wherever it was read from.
            run.overview.run = run.path.display().to_string();
            if !run.overview.finished {
                run.overview.set_running(RunFolder::in_use(&run.path) == Use::Taken);
            }
        }
        Ok(runs)
    }

    /// Keeps what is known. That it can't be kept, in a folder of somebody else's, is nothing to tell.
    fn write(&self, folder: &Path, key: impl Fn(&Path) -> String, kept: &[usize]) {
        let entry = |&i: &usize| {
            let Listed { path, stamp, overview, tags, evaluations, settings, .. } = &self.runs[i];
            let entry = Entry {
                stamp: *stamp,
                overview: overview.clone(),
                tags: tags.clone(),
                evaluations: evaluations.clone(),
                settings: settings.clone(),
            };
            (key(path), entry)
        };
        let runs = kept.iter().map(entry).collect();
        let index = Index { format: FORMAT, program: program(), pairs: self.pairs.clone(), runs };
        if let Ok(bytes) = serde_json::to_vec(&index) {
            let _ = write_atomically(&folder.join(FILE), &bytes);
        }
    }
}

fn program() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

impl Index {
    /// That of a folder; an empty one where there is none, or none of this program's.
    fn read(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let found = check_regular(&path).and_then(|()| read(&path)).ok();
        let found = found.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        let sound = |index: &Self| {
            let places = index.pairs.len() as u32;
            index.format == FORMAT
                && index.program == program()
                && index.runs.values().all(|entry| entry.settings.iter().all(|&place| place < places))
        };
        found.filter(sound).unwrap_or_else(|| Self {
            format: FORMAT,
            program: program(),
            pairs: vec![],
            runs: HashMap::new(),
        })
    }
}

/// What a run's files tell.
struct Read {
    overview: Overview,
    tags: Tags,
    evaluations: BTreeMap<String, f64>,
    settings: Settings,
}

impl Read {
    fn of(path: &Path) -> Option<Self> {
        let (overview, settings) = Overview::with_settings(&RunFolder::open(path).ok()?);
        let tags = Tags::of(path).unwrap_or_else(|e| {
            output::note(&format!("note: {e}"));
            Tags::default()
        });
        Some(Self { overview, tags, evaluations: evaluations(path), settings })
    }
}

/// What `eval` left in the run's folder, by `HEAD-DATA.FIGURE`.
fn evaluations(run: &Path) -> BTreeMap<String, f64> {
    let folders = |path: &Path| {
        std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for set in folders(&run.join("eval")) {
        let Some(name) = set.file_name().and_then(|name| name.to_str()) else { continue };
        for seed in folders(&set) {
            let of_run =
                seed.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pretrained-"));
            let bytes = if of_run { read(&seed.join("scores.json")).ok() } else { None };
            let Some(bytes) = bytes else { continue };
            let saved: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            for (figure, value) in saved["scores"].as_object().into_iter().flatten() {
                if let Some(value) = value.as_f64() {
                    let sum = sums.entry(format!("{name}.{figure}")).or_default();
                    *sum = (sum.0 + value, sum.1 + 1.0);
                }
            }
        }
    }
    sums.into_iter().map(|(name, (sum, count))| (name, sum / count)).collect()
}

/// Settings, each once.
struct Pairs {
    all: Vec<(String, String)>,
    places: HashMap<(String, String), u32>,
}

impl Pairs {
    fn new(all: Vec<(String, String)>, grows: bool) -> Self {
        let places = if grows { all.iter().cloned().zip(0..).collect() } else { HashMap::new() };
        Self { all, places }
    }

    fn places(&mut self, settings: Settings) -> Vec<u32> {
        let place = |pair: (String, String)| {
            let next = self.all.len() as u32;
            *self.places.entry(pair).or_insert_with_key(|pair| {
                self.all.push(pair.clone());
                next
            })
        };
        settings.into_iter().map(place).collect()
    }
}

/// Does the same for each item, on the machine's cores: most of the time is spent waiting for the disk.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
    let take = || {
        let mut own = vec![];
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(i) else { break };
            own.push((i, work(item)));
        }
        done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(own);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(take);
        }
        take();
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}
