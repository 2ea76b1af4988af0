//! The thread that owns the GPU.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, RecvError, Sender, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dfdx::tensor::Cuda;
use palimpsest_core::backend::MemoryStats;
use palimpsest_core::{Error, Result};

use super::message::Message;
use super::{arena, blas, compiler, driver, memory};
use crate::front::Executor;
use crate::panics::caught;
use crate::recording;
use crate::sampler::Sampler;
use crate::session::Session;

/// How long either side looks for the other's word before it sleeps: waking costs 10 us and more,
/// and thousands of operations a step go back and forth.
const LOOK: Duration = Duration::from_micros(50);

/// The GPU, and its thread from the first use on.
pub(super) struct Gpu {
    sampler: Sampler,
    thread: OnceLock<Result<Owner>>,
}

impl Gpu {
    /// A GPU that is not set up yet.
    pub(super) fn new(sampler: Sampler) -> Self {
        Self { sampler, thread: OnceLock::new() }
    }

    fn owner(&self) -> Result<&Owner> {
        self.thread.get_or_init(|| Owner::start(self.sampler.clone())).as_ref().map_err(Clone::clone)
    }
}

impl Executor<Cuda> for Gpu {
    fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Session<Cuda>) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let owner = self.owner()?;
        let (reply, answer) = mpsc::channel();
        // Whether operations are recorded is asked of the thread that runs them.
        let recorded = recording::enabled();
        let job = move |session: &Session<Cuda>| {
            recording::set(recorded);
            // Only the work's result is sent: what it was given is dropped before. Nobody waits
            // where the caller is gone.
            let result = caught("cuda:0", || work(session));
            drop(reply.send(result));
        };
        owner.messages.send(Message::Work(Box::new(job))).map_err(|_| ended())?;
        next(&answer).map_err(|_| ended())?
    }

    fn memory(&self) -> MemoryStats {
        memory::stats()
    }
}

fn ended() -> Error {
    Error::failure("the thread of cuda:0 has ended")
}

/// The running thread.
struct Owner {
    messages: Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Owner {
    /// Sets the GPU up on a thread of its own.
    fn start(sampler: Sampler) -> Result<Self> {
        blas::look()?;
        compiler::look()?;
        let (messages, inbox) = mpsc::channel();
        let door = messages.clone();
        let (ready, started) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("dfdx cuda:0".to_owned())
            .spawn(move || {
                let device = caught("cuda:0", || {
                    Cuda::try_build(0, 0).map_err(|error| Error::failure(format!("cuda:0: {error:?}")))
                });
                match device {
                    Ok(device) => {
                        driver::keep_freed_memory();
                        arena::open(door);
                        drop(ready.send(Ok(())));
                        let session = Session::new(device, sampler);
                        serve(&session, &inbox);
                        // cudarc panics where a failing driver takes things back; nobody is left to tell.
                        drop(catch_unwind(arena::close));
                        drop(catch_unwind(AssertUnwindSafe(|| drop(session))));
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            })
            .map_err(|e| Error::failure(format!("no thread for cuda:0: {e}")))?;
        started.recv().map_err(|_| ended())??;
        Ok(Self { messages, thread: Some(thread) })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.messages.send(Message::Stop));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Does what comes, in order. Jobs catch the panics of their work.
fn serve(session: &Session<Cuda>, inbox: &Receiver<Message>) {
    while let Ok(message) = next(inbox) {
        let done = catch_unwind(AssertUnwindSafe(|| match message {
            Message::Work(job) => {
                job(session);
                true
            }
            Message::Release(number) => {
                arena::release(number);
                true
            }
            Message::Stop => false,
        }));
        if let Ok(false) = done {
            return;
        }
    }
}

/// The next message: looked for at first, then slept for.
fn next<T>(inbox: &Receiver<T>) -> std::result::Result<T, RecvError> {
    let start = Instant::now();
    while start.elapsed() < LOOK {
        match inbox.try_recv() {
            Ok(message) => return Ok(message),
            Err(TryRecvError::Disconnected) => return Err(RecvError),
            Err(TryRecvError::Empty) => std::hint::spin_loop(),
        }
    }
    inbox.recv()
}
