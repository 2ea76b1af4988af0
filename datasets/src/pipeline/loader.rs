//! The training loader.

use std::sync::Arc;
use std::time::{Duration, Instant};

use palimpsest_core::data::{Batch, BatchSource, Pixels, Share};
use palimpsest_core::head::{Broken, Examples, LabelledLoader};
use palimpsest_core::random::{Philox, Stream};
use palimpsest_core::{Error, Result};

use crate::assemble::{Assembled, Assembler};
use crate::pipeline::broken::{broken_sample, too_many_broken};
use crate::pipeline::prefetch::Prefetch;
use crate::source::{Images, SampleSource};

/// How samples become batches, whatever they are.
#[derive(Debug, Clone, Copy)]
pub struct LoaderOptions {
    /// Samples in a batch.
    pub batch: usize,
    /// Threads that load and transform; 0 does the work in the thread that asks for a batch.
    pub workers: usize,
    /// The seed of order and augmentation.
    pub seed: u64,
    /// Whether each epoch has an order of its own; else it is the data's.
    pub shuffle: bool,
    /// How many distinct broken files are forgiven; by default 10 or 1 % of the samples, whichever is
    /// more. Of several processes each counts those of its share.
    pub bad_files: Option<usize>,
    /// Batches (or parts of them) that may exist before they are asked for, finished or in the making; at least 1.
    pub prefetch: usize,
    /// Which part of each batch is delivered: that of one of several processes.
    pub share: Share,
    /// In how many equal parts that is delivered, one after the other: what accumulates gradients needs no more of a
    /// large batch in memory.
    pub parts: usize,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self {
            batch: 64,
            workers: 2,
            seed: 0,
            shuffle: true,
            bad_files: None,
            prefetch: 2,
            share: Share::WHOLE,
            parts: 1,
        }
    }
}

impl LoaderOptions {
    /// How many broken files of `samples` are forgiven.
    pub fn forgiven(&self, samples: usize) -> usize {
        self.bad_files.unwrap_or_else(|| (samples / 100).max(10))
    }
}

/// Training batches without end. The batch of a step is a function of the data, the seed and the
/// step: the number of workers, `prefetch` and restarts don't change it.
///
/// Step `s` of epoch `e` takes the samples at `s * batch..` of the epoch's permutation
/// `Philox::new(seed, Stream::Shuffle, e, 0)`; what is left over at the end of an epoch is dropped. The
/// place of a broken file is taken by the next one of the permutation that loads.
pub struct Loader<S: SampleSource = Images> {
    plan: Plan<S>,
    prefetch: Option<Prefetch<S>>,
    inline: Epoch,
    /// The part that is delivered next, counted from the first of step 0.
    next: u64,
    ahead: usize,
    inline_work: bool,
    limit: usize,
    broken: Broken,
    warnings: Vec<String>,
    failed: Option<Error>,
    waited: Duration,
}

/// What the thread that makes batches has to know.
struct Plan<S> {
    assembler: Arc<Assembler<S>>,
    batch: usize,
    /// What of each batch is made: the first of them, and all; and in how many parts.
    first: usize,
    places: Arc<[usize]>,
    parts: usize,
    steps_per_epoch: u64,
    seed: u64,
    shuffle: bool,
    tries: usize,
}

/// The order of one epoch, kept until another is asked for.
#[derive(Default)]
struct Epoch {
    order: Option<(u64, Vec<u32>)>,
}

impl<S> Clone for Plan<S> {
    fn clone(&self) -> Self {
        Self { assembler: Arc::clone(&self.assembler), places: self.places.clone(), ..*self }
    }
}

impl<S: SampleSource> Plan<S> {
    /// A part, counted from the first of step 0.
    fn make(&self, part: u64, epoch: &mut Epoch) -> Result<Assembled<S::Target>> {
        let (step, part) = (part / self.parts as u64, (part % self.parts as u64) as usize);
        let images = self.places.len() / self.parts;
        let places = &self.places[part * images..(part + 1) * images];
        let number = step / self.steps_per_epoch;
        let len = self.assembler.source().len();
        if epoch.order.as_ref().is_none_or(|(n, _)| *n != number) {
            let mut order: Vec<u32> = (0..len as u32).collect();
            if self.shuffle {
                Philox::new(self.seed, Stream::Shuffle, number, 0).shuffle(&mut order);
            }
            epoch.order = Some((number, order));
        }
        let order = epoch.order.as_ref().map_or(&[][..], |(_, order)| order);
        let start = (step % self.steps_per_epoch) as usize * self.batch;
        let first_sample = step * self.batch as u64 + (self.first + part * images) as u64;
        self.assembler.assemble(images, number, self.tries, first_sample, |slot| {
            let place = start + places[slot];
            (0..len).map(move |i| order[(place + i) % len] as usize)
        })
    }
}

impl<S: SampleSource> Loader<S> {
    /// A loader of samples at step 0. No file is read before the first batch is asked for.
    ///
    /// # Errors
    /// A number out of range, or fewer samples than a batch.
    pub fn over(source: S, options: &LoaderOptions) -> Result<Self> {
        Self::of_places(source, options, options.share.of(options.batch).collect())
    }

    /// The same, which delivers other images of each batch than those of the share: those at `places`, in this order. The
    /// number of a batch's first sample is that of the share.
    pub(crate) fn of_places(source: S, options: &LoaderOptions, places: Vec<usize>) -> Result<Self> {
        let len = source.len();
        if options.batch == 0 {
            return Err(Error::user("batch = 0").help("use at least 1"));
        }
        if len < options.batch {
            return Err(Error::user(format!("batch = {} but the data set has {len} samples", options.batch))
                .help("use a smaller batch or more data"));
        }
        if len > u32::MAX as usize {
            return Err(Error::user(format!("{len} samples")).help("use at most 4294967295"));
        }
        if options.parts == 0 || !places.len().is_multiple_of(options.parts) {
            return Err(Error::user(format!("{} images in {} equal parts", places.len(), options.parts))
                .help("use a number of parts that divides the images of a batch"));
        }
        let limit = options.forgiven(len);
        let plan = Plan {
            assembler: Arc::new(Assembler::new(source, options.seed, options.workers)?),
            batch: options.batch,
            first: options.share.of(options.batch).start,
            places: places.into(),
            parts: options.parts,
            steps_per_epoch: (len / options.batch) as u64,
            seed: options.seed,
            shuffle: options.shuffle,
            // One more than is forgiven, so that a slot that finds none ends the run.
            tries: limit.saturating_add(1),
        };
        Ok(Self {
            plan,
            prefetch: None,
            inline: Epoch::default(),
            next: 0,
            ahead: options.prefetch,
            inline_work: options.workers == 0,
            limit,
            broken: Broken::new(),
            warnings: Vec::new(),
            failed: None,
            waited: Duration::ZERO,
        })
    }

    /// The broken samples that were met so far.
    pub fn broken(&self) -> &Broken {
        &self.broken
    }

    /// Seconds that [`BatchSource::next_batch`] kept its caller waiting so far.
    pub fn wait_seconds(&self) -> f64 {
        self.waited.as_secs_f64()
    }

    fn next_assembled(&mut self) -> Result<Assembled<S::Target>> {
        if self.inline_work {
            return self.plan.make(self.next, &mut self.inline);
        }
        let prefetch = match &mut self.prefetch {
            Some(prefetch) => prefetch,
            none => {
                let (plan, mut part, mut epoch) = (self.plan.clone(), self.next, Epoch::default());
                let make = move || {
                    part += 1;
                    Some(plan.make(part - 1, &mut epoch))
                };
                none.insert(Prefetch::start(&self.plan.assembler, self.ahead, make)?)
            }
        };
        prefetch.next().unwrap_or_else(|| Err(Error::failure("the loader's thread has ended")))
    }

    /// Counts broken files when their batch is delivered, so that the count of a step does not depend on how
    /// far the workers are ahead.
    fn account(&mut self, made: Assembled<S::Target>) -> Result<Examples<S::Target>> {
        let source = self.plan.assembler.source();
        for (index, error) in made.broken {
            self.broken.entry(source.origin(index)).or_insert_with(|| {
                let sample = broken_sample(source, index, &error);
                self.warnings.push(sample.message.clone());
                sample
            });
        }
        if self.broken.len() > self.limit {
            return Err(too_many_broken(&self.broken, source.len(), self.limit));
        }
        let last = self.warnings.last().cloned().unwrap_or_default();
        if made.empty > 0 {
            return Err(Error::user(format!(
                "none of the {} samples can be read; the last: {last}",
                self.plan.assembler.source().len()
            ))
            .help("check the data set"));
        }
        Ok(Examples { batch: made.batch, targets: made.targets })
    }

    /// The next batch with the annotation of each of its images.
    ///
    /// # Errors
    /// More broken files than are forgiven.
    pub fn next_examples(&mut self) -> Result<Examples<S::Target>> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let start = Instant::now();
        let made = self.next_assembled();
        self.waited += start.elapsed();
        let examples = made.and_then(|made| self.account(made));
        match &examples {
            Ok(_) => self.next += 1,
            Err(error) => {
                self.failed = Some(error.clone());
                self.prefetch = None;
            }
        }
        examples
    }

    /// Takes back the memory of a batch.
    pub fn recycle_pixels(&mut self, pixels: Pixels) {
        self.plan.assembler.recycle(pixels, self.ahead + 1);
    }
}

impl BatchSource for Loader {
    fn next_batch(&mut self) -> Result<Batch> {
        Ok(self.next_examples()?.batch)
    }

    fn parts(&self) -> usize {
        self.plan.parts
    }

    fn recycle(&mut self, batch: Batch) {
        self.recycle_pixels(batch.pixels);
    }

    fn seek(&mut self, step: u64) -> Result<()> {
        let next = step * self.plan.parts as u64;
        if next != self.next {
            self.prefetch = None;
            self.next = next;
        }
        Ok(())
    }

    fn steps_per_epoch(&self) -> u64 {
        self.plan.steps_per_epoch
    }

    fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}

impl<S: SampleSource> LabelledLoader<S::Target> for Loader<S> {
    fn next_batch(&mut self) -> Result<Examples<S::Target>> {
        self.next_examples()
    }

    fn steps_per_epoch(&self) -> u64 {
        self.plan.steps_per_epoch
    }

    fn recycle(&mut self, examples: Examples<S::Target>) {
        self.recycle_pixels(examples.batch.pixels);
    }

    fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn broken(&self) -> &Broken {
        &self.broken
    }
}
