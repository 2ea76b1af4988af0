//! A thread that works ahead by a bounded number of items.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use palimpsest_core::{Error, Result};

use crate::assemble::{Assembled, Assembler};
use crate::source::SampleSource;

/// Batches made ahead on a thread: at most `ahead` (or 1, if that is 0) exist, finished or in the
/// making, besides those that were handed over.
pub(crate) struct Prefetch<S: SampleSource> {
    assembler: Arc<Assembler<S>>,
    receiver: Option<Receiver<Result<Assembled<S::Target>>>>,
    thread: Option<JoinHandle<()>>,
}

impl<S: SampleSource> Prefetch<S> {
    /// Calls `make` over and over until it returns none or an error.
    pub(crate) fn start(
        assembler: &Arc<Assembler<S>>,
        ahead: usize,
        mut make: impl FnMut() -> Option<Result<Assembled<S::Target>>> + Send + 'static,
    ) -> Result<Self> {
        // The thread itself holds one.
        let (sender, receiver) = sync_channel(ahead.saturating_sub(1));
        let thread = std::thread::Builder::new()
            .name("loader".to_owned())
            .spawn(move || {
                while let Some(made) = make() {
                    let last = made.is_err();
                    if sender.send(made).is_err() || last {
                        break;
                    }
                }
            })
            .map_err(|e| Error::failure(format!("can't start the loader's thread: {e}")))?;
        Ok(Self { assembler: Arc::clone(assembler), receiver: Some(receiver), thread: Some(thread) })
    }

    /// The next item; none once `make` has returned none.
    pub(crate) fn next(&mut self) -> Option<Result<Assembled<S::Target>>> {
        if let Ok(made) = self.receiver.as_ref()?.recv() {
            return Some(made);
        }
        self.receiver = None;
        match self.thread.take()?.join() {
            Ok(()) => None,
            Err(_) => Some(Err(Error::failure("the loader's thread panicked"))),
        }
    }
}

impl<S: SampleSource> Drop for Prefetch<S> {
    fn drop(&mut self) {
        self.assembler.set_stop(true);
        // With no receiver, a thread that waits to hand over a batch gives up.
        self.receiver = None;
        if let Some(thread) = self.thread.take() {
            // Its panic, if any, has no one left to hear of it.
            let _ = thread.join();
        }
        self.assembler.set_stop(false);
    }
}
