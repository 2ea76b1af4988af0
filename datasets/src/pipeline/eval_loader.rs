//! Batches of a whole data set in order, without augmentation.

use std::collections::BTreeMap;
use std::sync::Arc;

use palimpsest_core::data::Batch;
use palimpsest_core::head::Examples;
use palimpsest_core::{Error, Result};

use crate::assemble::{Assembled, Assembler};
use crate::loader::LoaderOptions;
use crate::pipeline::prefetch::Prefetch;
use crate::source::{Images, SampleSource};

/// One pass over a data set. Broken files are left out of their batch, which is then smaller (a
/// batch of broken files alone is passed over); `Batch::indices` tells what is there.
/// `Batch::first_sample` is the position of the batch in the data set.
pub struct EvalLoader<S: SampleSource = Images> {
    source: Source<S>,
    samples: usize,
    limit: usize,
    broken: BTreeMap<usize, String>,
    done: bool,
}

/// Makes the next batch; none at the end.
type Make<T> = Box<dyn FnMut() -> Option<Result<Assembled<T>>> + Send>;

enum Source<S: SampleSource> {
    Inline(Make<S::Target>),
    Ahead(Prefetch<S>),
}

impl<S: SampleSource> EvalLoader<S> {
    /// Starts a pass over any samples, in their order; `options.shuffle` is not looked at.
    ///
    /// # Errors
    /// A number out of range.
    pub fn over(source: S, options: &LoaderOptions) -> Result<Self> {
        if options.batch == 0 {
            return Err(Error::user("batch = 0").help("use at least 1"));
        }
        let (len, batch) = (source.len(), options.batch);
        let assembler = Arc::new(Assembler::new(source, options.seed, options.workers)?);
        let mut next = 0;
        let maker = Arc::clone(&assembler);
        let make = move || {
            let start = next;
            next = (start + batch).min(len);
            (start < len).then(|| {
                maker.assemble(next - start, 0, 1, start as u64, |slot| std::iter::once(start + slot))
            })
        };
        let source = if options.workers == 0 {
            Source::Inline(Box::new(make))
        } else {
            Source::Ahead(Prefetch::start(&assembler, options.prefetch, make)?)
        };
        let limit = options.bad_files_limit.unwrap_or_else(|| (len / 100).max(10));
        Ok(Self { source, samples: len, limit, broken: BTreeMap::new(), done: false })
    }

    /// The broken files that were left out so far, by sample.
    pub fn broken(&self) -> &BTreeMap<usize, String> {
        &self.broken
    }

    /// The next batch with the annotation of each of its images.
    pub fn next_examples(&mut self) -> Option<Result<Examples<S::Target>>> {
        while !self.done {
            let made = match &mut self.source {
                Source::Inline(make) => make(),
                Source::Ahead(prefetch) => prefetch.next(),
            };
            let Some(made) = made else { break };
            let made = match made {
                Ok(made) => made,
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            };
            for (index, error) in made.broken {
                self.broken.insert(index, error.to_string());
            }
            if self.broken.len() > self.limit {
                self.done = true;
                let last = self.broken.last_key_value().map_or("", |(_, text)| text.as_str());
                return Some(Err(Error::user(format!(
                    "{} of {} files are broken, more than bad_files_limit = {}; the last: {last}",
                    self.broken.len(),
                    self.samples,
                    self.limit
                ))
                .help("fix or remove them, or raise `bad_files_limit`")));
            }
            if !made.batch.is_empty() {
                return Some(Ok(Examples { batch: made.batch, targets: made.targets }));
            }
        }
        self.done = true;
        None
    }
}

impl Iterator for EvalLoader {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_examples().map(|made| made.map(|made| made.batch))
    }
}
