//! Filling batches, one image a task.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use palimpsest_core::data::{Batch, PixelBytes, Pixels};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::{Error, Result};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::source::SampleSource;
use crate::transform::Scratch;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Makes the images of batches on a pool of its own.
pub struct Assembler<S> {
    source: S,
    seed: u64,
    pool: Option<ThreadPool>,
    /// Broken files met so far, so that none is read twice.
    broken: Mutex<HashMap<usize, Error>>,
    /// Buffers of batches that were handed back.
    spare: Mutex<Vec<Pixels>>,
    /// Whether a sample of more than 8 bits was met, so that no more batches of bytes are tried.
    finer: AtomicBool,
    stop: AtomicBool,
}

/// What a batch is made of.
struct Work {
    slots: usize,
    epoch: u64,
    /// How many broken files a slot is given up after.
    tries: usize,
    first_sample: u64,
}

/// What one slot of a batch got.
struct Slot<T> {
    /// The sample and its annotation, or none if none could be had.
    found: Option<(usize, T)>,
    broken: Vec<(usize, Error)>,
    /// Whether it takes more than bytes.
    finer: bool,
}

/// A batch and the broken files met on the way to it, in the order of the slots.
pub(crate) struct Assembled<T> {
    /// The images; slots that got none are left out.
    pub(crate) batch: Batch,
    /// Their annotations.
    pub(crate) targets: Vec<T>,
    /// How many slots got none.
    pub(crate) empty: usize,
    pub(crate) broken: Vec<(usize, Error)>,
}

impl<S: SampleSource> Assembler<S> {
    /// With `workers` threads; with 0, the caller's thread does the work.
    ///
    /// # Errors
    /// Threads that can't be started.
    pub fn new(source: S, seed: u64, workers: usize) -> Result<Self> {
        let pool = (workers > 0)
            .then(|| {
                ThreadPoolBuilder::new().num_threads(workers).thread_name(|i| format!("loader-{i}")).build()
            })
            .transpose()
            .map_err(|e| {
                Error::failure(format!("can't start {workers} loader threads: {e}")).help("use fewer workers")
            })?;
        let (finer, stop) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { source, seed, pool, broken: Mutex::default(), spare: Mutex::default(), finer, stop })
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// Keeps a buffer for a later batch, up to `most` of them. Fresh memory for a large batch costs as
    /// much time as its decoding, since the system hands it out page by page.
    pub(crate) fn recycle(&self, pixels: Pixels, most: usize) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < most {
            spare.push(pixels);
        }
    }

    /// Lets a batch in the making end after the images now in work.
    pub(crate) fn set_stop(&self, stop: bool) {
        self.stop.store(stop, Ordering::Relaxed);
    }

    /// Fills a batch: slot `i` with the first sample of `candidates(i)` that loads, augmented by the
    /// stream of (`epoch`, sample). It gives up a slot after `tries` broken files. The batch has bytes where all samples
    /// have 8 bits and the source gives them.
    pub(crate) fn assemble<C: Iterator<Item = usize>>(
        &self,
        slots: usize,
        epoch: u64,
        tries: usize,
        first_sample: u64,
        candidates: impl Fn(usize) -> C + Sync,
    ) -> Result<Assembled<S::Target>> {
        let work = Work { slots, epoch, tries, first_sample };
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(by) = self.source.normalisation().filter(|_| !self.finer.load(Ordering::Relaxed)) {
            let spare = match spare {
                Some(Pixels::Bytes(bytes)) => bytes.values,
                _ => vec![],
            };
            let load = |index, random: &mut Philox, scratch: &mut Scratch, out: &mut [u8]| {
                self.source.bytes(index, random, scratch, out)
            };
            let [_, height, width] = self.source.shape();
            let pixels = |values| Pixels::Bytes(PixelBytes { values, plane: height * width, by: by.clone() });
            if let Some(made) = self.batch(&work, &candidates, spare, load, pixels)? {
                return Ok(made);
            }
            self.finer.store(true, Ordering::Relaxed);
            return self.assemble(slots, epoch, tries, first_sample, candidates);
        }
        let spare = match spare {
            Some(Pixels::Normalised(values)) => values,
            _ => vec![],
        };
        let load = |index, random: &mut Philox, scratch: &mut Scratch, out: &mut [f32]| {
            self.source.sample(index, random, scratch, out).map(Some)
        };
        let made = self.batch(&work, &candidates, spare, load, Pixels::Normalised)?;
        made.ok_or_else(|| Error::failure("a sample that is neither bytes nor floats"))
    }

    /// A batch of one type of values; none where a sample doesn't fit the type.
    fn batch<C: Iterator<Item = usize>, V: Copy + Default + Send>(
        &self,
        work: &Work,
        candidates: &(impl Fn(usize) -> C + Sync),
        spare: Vec<V>,
        load: impl Fn(usize, &mut Philox, &mut Scratch, &mut [V]) -> Result<Option<S::Target>> + Sync,
        wrap: impl FnOnce(Vec<V>) -> Pixels,
    ) -> Result<Option<Assembled<S::Target>>> {
        let &Work { slots, first_sample, .. } = work;
        let [channels, height, width] = self.source.shape();
        let image = channels * height * width;
        // Every value is written below, or cut off.
        let mut pixels = spare;
        pixels.resize(slots * image, V::default());
        let fill = |(slot, out): (usize, &mut [V])| self.fill(work, candidates(slot), &load, out);
        let filled: Vec<Slot<S::Target>> = match &self.pool {
            Some(pool) => pool.install(|| {
                pixels.par_chunks_mut(image).with_max_len(1).enumerate().map(fill).collect::<Result<_>>()
            })?,
            None => pixels.chunks_mut(image).enumerate().map(fill).collect::<Result<_>>()?,
        };
        if filled.iter().any(|slot| slot.finer) {
            return Ok(None);
        }

        let (mut labels, mut indices, mut targets) =
            (Vec::with_capacity(slots), Vec::with_capacity(slots), Vec::with_capacity(slots));
        let mut broken = Vec::new();
        for (slot, got) in filled.into_iter().enumerate() {
            broken.extend(got.broken);
            let Some((index, target)) = got.found else { continue };
            let to = indices.len();
            if to != slot {
                pixels.copy_within(slot * image..(slot + 1) * image, to * image);
            }
            labels.push(self.source.label(index));
            indices.push(self.source.origin(index));
            targets.push(target);
        }
        pixels.truncate(indices.len() * image);
        let shape = [indices.len(), channels, height, width];
        let empty = slots - indices.len();
        let batch = Batch { pixels: wrap(pixels), shape, labels, indices, first_sample };
        Ok(Some(Assembled { batch, targets, empty, broken }))
    }

    fn fill<V>(
        &self,
        work: &Work,
        candidates: impl Iterator<Item = usize>,
        load: &impl Fn(usize, &mut Philox, &mut Scratch, &mut [V]) -> Result<Option<S::Target>>,
        out: &mut [V],
    ) -> Result<Slot<S::Target>> {
        let mut slot = Slot { found: None, broken: Vec::new(), finer: false };
        for index in candidates {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::interrupted("the loader was stopped"));
            }
            let known = self.broken.lock().unwrap_or_else(PoisonError::into_inner).get(&index).cloned();
            let result = match known {
                Some(error) => Err(error),
                None => self.load(index, work.epoch, load, out)?,
            };
            match result {
                Ok(None) => {
                    slot.finer = true;
                    break;
                }
                Ok(Some(target)) => {
                    slot.found = Some((index, target));
                    break;
                }
                Err(error) => {
                    self.broken
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .entry(index)
                        .or_insert_with(|| error.clone());
                    slot.broken.push((index, error));
                    if slot.broken.len() >= work.tries {
                        break;
                    }
                }
            }
        }
        Ok(slot)
    }

    /// The outer error is a fault of the program, the inner one a broken file.
    fn load<V>(
        &self,
        index: usize,
        epoch: u64,
        load: &impl Fn(usize, &mut Philox, &mut Scratch, &mut [V]) -> Result<Option<S::Target>>,
        out: &mut [V],
    ) -> Result<Result<Option<S::Target>>> {
        let work = || {
            let mut random = Philox::new(self.seed, Stream::Augment, epoch, index as u64);
            SCRATCH.with_borrow_mut(|scratch| load(index, &mut random, scratch, out))
        };
        // Left to unwind, a panic would take the thread that makes the batches with it.
        catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
            let text = panic
                .downcast_ref::<&str>()
                .map(|s| (*s).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".to_owned());
            Error::failure(format!("a loader thread panicked: {text}"))
                .at(self.source.location(index))
                .help("this is a fault of the reader; please report it")
        })
    }
}
