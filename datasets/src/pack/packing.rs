//! Packing from its beginning, or from where it stopped, to its end.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use palimpsest_core::head::counted;
use palimpsest_core::stored::write_atomically;
use palimpsest_core::{Error, Result};
use rayon::prelude::*;

use super::image::NotPacked;
use super::keys::keys_of;
use super::ledger::{Ledger, LeftOut, Plan, ShardRecord};
use super::order::order;
use super::sample::PackedSample;
use super::shard::{Shard, ShardFile, file_name, size_of, start};
use super::sources::{Sources, State, state_of, sum_of, written_last};
use super::targets::check_names;
use super::{PackOptions, PackPart};

/// Held by the process that packs into a folder.
pub(super) const LOCK: &str = "pack.lock";
/// The names of the classes, one a line, in the order of the labels.
const CLASSES: &str = "classes.txt";

/// Samples that are read and encoded before they are written; while some are written, the next ones are made.
const AT_ONCE: usize = 64;

/// What is being done, with how much of how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Shards of an earlier try are compared with their checksums.
    Checked(usize, usize),
    /// Samples are packed.
    Packed(usize, usize),
}

/// What was packed.
#[derive(Debug, Clone)]
pub struct Packed {
    /// All shards.
    pub shards: Vec<ShardRecord>,
    /// How many of them were there already.
    pub kept: usize,
    /// Images that couldn't be read.
    pub left_out: Vec<LeftOut>,
    /// What the user may want to know, one sentence each.
    pub notes: Vec<String>,
}

/// Who watches packing: what is told to them, and how they stop it.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Told how far it is.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Ends packing once it is set; what was packed stays.
    pub stop: &'a AtomicBool,
}

/// Packs parts into a folder, or goes on where an earlier try stopped.
///
/// # Errors
/// A folder with something else in it, or that another process packs into; a full disk; more images that can't be read
/// than [`PackOptions::bad_files`].
pub fn pack(
    parts: &[PackPart],
    folder: &Path,
    options: &PackOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Packed> {
    pack_watched(parts, folder, options, Watch { progress, stop: &AtomicBool::new(false) })
}

/// The same, as long as nobody stops it.
///
/// # Errors
/// As [`pack`]; it was stopped.
pub fn pack_watched(
    parts: &[PackPart],
    folder: &Path,
    options: &PackOptions,
    watch: Watch<'_>,
) -> Result<Packed> {
    let progress = watch.progress;
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
    let _lock = Lock::take(folder)?;
    if let Some(part) = parts.first() {
        check_names(options.format, &part.targets)?;
    }
    let mut ledger = Ledger::open(folder, Plan::of(parts, options)?)?;
    let orders: Vec<Vec<u32>> =
        parts.iter().map(|part| order(part.data.len(), part.split, options.shuffle)).collect();
    let notes =
        ledger.keep_whole(folder, &|shard, start| changed(parts, &orders, shard, start), &|done, all| {
            progress(Progress::Checked(done, all))
        })?;
    let kept = ledger.shards.len();
    write_classes(folder, parts)?;
    let all = parts.iter().map(|part| part.data.len()).sum();
    let mut before = 0;
    for part in parts {
        let name = part.split.to_string();
        if !ledger.finished.contains(&name) {
            Packing { folder, options, part, name: &name, before, all }.run(&mut ledger, watch)?;
            ledger.finished.push(name.clone());
            ledger.write(folder)?;
        }
        ledger.name_shards(folder, &name)?;
        ledger.write(folder)?;
        before += part.data.len();
    }
    Ok(Packed { shards: ledger.shards, kept, left_out: ledger.left_out, notes })
}

/// Whether the image files that a shard was packed of have changed since; if so, the likeliest of them.
fn changed(
    parts: &[PackPart],
    orders: &[Vec<u32>],
    shard: &ShardRecord,
    start: usize,
) -> Option<Option<PathBuf>> {
    let at = parts.iter().position(|part| part.split.to_string() == shard.part)?;
    let (data, samples) = (&*parts[at].data, orders[at].get(start..shard.end)?);
    // Lists of before they were looked at have no sum.
    let differ = shard.sources.as_ref().is_some_and(|sum| *sum != sum_of(data, samples));
    differ.then(|| written_last(data, samples))
}

/// # Errors
/// A class that isn't one line.
fn write_classes(folder: &Path, parts: &[PackPart]) -> Result<()> {
    let classes = parts.first().map(|part| part.data.classes()).unwrap_or_default();
    if classes.is_empty() {
        return Ok(());
    }
    if let Some(class) = classes.iter().find(|class| class.contains(['\n', '\r'])) {
        return Err(Error::user(format!("the name of the class {class:?} has several lines"))
            .help("rename it before packing"));
    }
    write_atomically(&folder.join(CLASSES), format!("{}\n", classes.join("\n")).as_bytes())
}

/// A part on its way.
struct Packing<'a> {
    folder: &'a Path,
    options: &'a PackOptions,
    part: &'a PackPart,
    name: &'a str,
    /// Samples of the parts before it, and of all.
    before: usize,
    all: usize,
}

/// Samples in their order, as they were made.
type Made = Vec<(usize, State, Result<PackedSample, NotPacked>)>;

/// The shard that is written.
#[derive(Default)]
struct Current {
    number: usize,
    shard: Option<Box<dyn Shard>>,
    samples: usize,
    bytes: u64,
    /// The files of its samples.
    sources: Sources,
}

impl Packing<'_> {
    fn run(&self, ledger: &mut Ledger, watch: Watch<'_>) -> Result<()> {
        let data = &*self.part.data;
        let order = order(data.len(), self.part.split, self.options.shuffle);
        let keys = keys_of(data);
        let (number, first) = ledger.next(self.name);
        let (send, receive) = sync_channel::<Made>(1);
        std::thread::scope(|scope| {
            let (order, keys) = (&order, &keys);
            scope.spawn(move || {
                let positions: Vec<usize> = (first..order.len()).collect();
                for some in positions.chunks(AT_ONCE) {
                    let make = |&position: &usize| {
                        let index = order[position] as usize;
                        let key = keys[index].clone();
                        // Before the file is read: if it changes meanwhile, that is noticed.
                        let encoded = data.encoded(index);
                        let state = state_of(encoded.as_ref());
                        let sample =
                            self.part.targets.of(index).map_err(NotPacked::from).and_then(|targets| {
                                PackedSample::of(data, index, key, encoded, targets, self.options.resize)
                            });
                        (position, state, sample)
                    };
                    // Nobody listens any more where writing has failed.
                    if send.send(some.par_iter().map(make).collect()).is_err() {
                        return;
                    }
                }
            });
            self.write(receive, number, ledger, watch)
        })
    }

    fn write(
        &self,
        made: Receiver<Made>,
        number: usize,
        ledger: &mut Ledger,
        Watch { progress, stop }: Watch<'_>,
    ) -> Result<()> {
        let format = self.options.format;
        let mut current = Current { number, ..Current::default() };
        for some in made {
            for (position, state, sample) in some {
                if stop.load(Ordering::Relaxed) {
                    let done = counted(self.before + position, "image", "images");
                    return Err(Error::interrupted(format!("stopped after {done} of {}", self.all))
                        .help("the same command goes on from the last whole shard")
                        .saved());
                }
                let sample = match sample {
                    Ok(sample) => sample,
                    Err(NotPacked::NotResized(error)) => return Err(error),
                    Err(NotPacked::Broken(error)) => {
                        self.leave_out(position, &error, ledger)?;
                        // One that is repaired belongs into this shard.
                        current.sources.add(state);
                        continue;
                    }
                };
                let size = size_of(format, &sample, &self.part.targets);
                if current.samples > 0 && current.bytes + size > self.options.shard_size {
                    self.close(&mut current, position, ledger)?;
                }
                current.sources.add(state);
                let shard = match &mut current.shard {
                    Some(shard) => shard,
                    none => {
                        let file = ShardFile::create(self.path(current.number))?;
                        none.insert(start(format, file, self.part)?)
                    }
                };
                shard.add(sample)?;
                current.samples += 1;
                current.bytes += size;
                progress(Progress::Packed(self.before + position + 1, self.all));
            }
        }
        self.close(&mut current, self.part.data.len(), ledger)
    }

    /// Where a shard is until the part is whole.
    fn path(&self, number: usize) -> PathBuf {
        self.folder.join(file_name(self.options.format, self.name, number, None))
    }

    fn close(&self, current: &mut Current, end: usize, ledger: &mut Ledger) -> Result<()> {
        let Some(shard) = current.shard.take() else { return Ok(()) };
        let file = shard.finish()?;
        let name = file_name(self.options.format, self.name, current.number, None);
        let (bytes, sha256) = file.keep()?;
        ledger.shards.push(ShardRecord {
            part: self.name.to_owned(),
            number: current.number,
            file: name,
            end,
            samples: current.samples,
            bytes,
            sha256,
            sources: Some(current.sources.take()),
        });
        *current = Current { number: current.number + 1, ..Current::default() };
        ledger.write(self.folder)
    }

    fn leave_out(&self, position: usize, error: &Error, ledger: &mut Ledger) -> Result<()> {
        let why = match error.location() {
            Some(location) => format!("{location}: {}", error.message()),
            None => error.message().to_owned(),
        };
        ledger.left_out.push(LeftOut { part: self.name.to_owned(), position, why: why.clone() });
        if ledger.left_out.len() > self.options.bad_files {
            return Err(Error::user(format!(
                "{} images can't be read, the last is {why}",
                ledger.left_out.len()
            ))
            .help("repair or remove them (`data stats` names all), or raise data.bad_files"));
        }
        Ok(())
    }
}

/// The folder is this process's alone.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|e| Error::io(&path, &e))?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::user("another process packs into this folder")
                .at(folder.display())
                .help("wait for it, or give --out another folder"));
        }
        // Some network file systems have no locks.
        Ok(Self { path, _file: file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
