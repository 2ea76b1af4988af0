//! Batches of a whole data set in order, without augmentation.

use std::sync::Arc;

use palimpsest_core::data::Batch;
use palimpsest_core::head::{Broken, ExamplePass, Examples};
use palimpsest_core::{Error, Result};

use crate::assemble::{Assembled, Assembler};
use crate::loader::LoaderOptions;
use crate::pipeline::broken::{broken_sample, forgiven};
use crate::pipeline::prefetch::Prefetch;
use crate::source::{Images, SampleSource};

/// One pass over a data set. Broken files are left out of their batch, which is then smaller (a
/// batch of broken files alone is passed over); `Batch::indices` tells what is there.
/// `Batch::first_sample` is the position of the batch in the data set. A share of the pass is a row of its batches.
pub struct EvalLoader<S: SampleSource = Images> {
    source: Source<S>,
    assembler: Arc<Assembler<S>>,
    limit: usize,
    broken: Broken,
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
        let batches = options.share.of(len.div_ceil(batch));
        let (mut next, end) = ((batches.start * batch).min(len), (batches.end * batch).min(len));
        let maker = Arc::clone(&assembler);
        let make = move || {
            let start = next;
            next = (start + batch).min(end);
            (start < end).then(|| {
                maker.assemble(next - start, 0, 1, start as u64, |slot| std::iter::once(start + slot))
            })
        };
        let source = if options.workers == 0 {
            Source::Inline(Box::new(make))
        } else {
            Source::Ahead(Prefetch::start(&assembler, options.prefetch, make)?)
        };
        let limit = options.forgiven(len);
        Ok(Self { source, assembler, limit, broken: Broken::new(), done: false })
    }

    /// The broken samples that were left out so far.
    pub fn broken(&self) -> &Broken {
        &self.broken
    }

    fn forgives(&self, broken: &Broken) -> Result<()> {
        forgiven(broken, self.assembler.source().len(), self.limit)
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
            let source = self.assembler.source();
            for (index, error) in made.broken {
                self.broken.insert(source.origin(index), broken_sample(source, index, &error));
            }
            if let Err(error) = self.forgives(&self.broken) {
                self.done = true;
                return Some(Err(error));
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

/// The same loader, which gives the annotations too.
pub struct Annotated<S: SampleSource>(pub EvalLoader<S>);

impl<S: SampleSource> Iterator for Annotated<S> {
    type Item = Result<Examples<S::Target>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_examples()
    }
}

impl<S: SampleSource> ExamplePass<S::Target> for Annotated<S> {
    fn broken(&self) -> &Broken {
        &self.0.broken
    }

    fn forgives(&self, broken: &Broken) -> Result<()> {
        self.0.forgives(broken)
    }
}
