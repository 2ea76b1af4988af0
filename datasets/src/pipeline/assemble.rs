//! Filling batches, one image a task.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use palimpsest_core::data::Batch;
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
    spare: Mutex<Vec<Vec<f32>>>,
    stop: AtomicBool,
}

/// What one slot of a batch got.
struct Slot<T> {
    /// The sample and its annotation, or none if none could be had.
    found: Option<(usize, T)>,
    broken: Vec<(usize, Error)>,
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
        let stop = AtomicBool::new(false);
        Ok(Self { source, seed, pool, broken: Mutex::default(), spare: Mutex::default(), stop })
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// Keeps a buffer for a later batch, up to `most` of them. Fresh memory for a large batch costs as
    /// much time as its decoding, since the system hands it out page by page.
    pub(crate) fn recycle(&self, pixels: Vec<f32>, most: usize) {
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
    /// stream of (`epoch`, sample). It gives up a slot after `tries` broken files.
    pub(crate) fn assemble<C: Iterator<Item = usize>>(
        &self,
        slots: usize,
        epoch: u64,
        tries: usize,
        first_sample: u64,
        candidates: impl Fn(usize) -> C + Sync,
    ) -> Result<Assembled<S::Target>> {
        let [channels, height, width] = self.source.shape();
        let image = channels * height * width;
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // Every value is written below, or cut off.
        let mut pixels = match spare {
            Some(mut pixels) => {
                pixels.resize(slots * image, 0.0);
                pixels
            }
            None => vec![0.0; slots * image],
        };
        let fill = |(slot, out): (usize, &mut [f32])| self.fill(candidates(slot), epoch, tries, out);
        let filled: Vec<Slot<S::Target>> = match &self.pool {
            Some(pool) => pool.install(|| {
                pixels.par_chunks_mut(image).with_max_len(1).enumerate().map(fill).collect::<Result<_>>()
            })?,
            None => pixels.chunks_mut(image).enumerate().map(fill).collect::<Result<_>>()?,
        };

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
        let batch = Batch { pixels, shape, labels, indices, first_sample };
        Ok(Assembled { batch, targets, empty, broken })
    }

    fn fill(
        &self,
        candidates: impl Iterator<Item = usize>,
        epoch: u64,
        tries: usize,
        out: &mut [f32],
    ) -> Result<Slot<S::Target>> {
        let mut slot = Slot { found: None, broken: Vec::new() };
        for index in candidates {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::interrupted("the loader was stopped"));
            }
            let known = self.broken.lock().unwrap_or_else(PoisonError::into_inner).get(&index).cloned();
            let result = match known {
                Some(error) => Err(error),
                None => self.load(index, epoch, out)?,
            };
            match result {
                Ok(target) => {
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
                    if slot.broken.len() >= tries {
                        break;
                    }
                }
            }
        }
        Ok(slot)
    }

    /// The outer error is a fault of the program, the inner one a broken file.
    fn load(&self, index: usize, epoch: u64, out: &mut [f32]) -> Result<Result<S::Target>> {
        let work = || {
            let mut random = Philox::new(self.seed, Stream::Augment, epoch, index as u64);
            SCRATCH.with_borrow_mut(|scratch| self.source.sample(index, &mut random, scratch, out))
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
