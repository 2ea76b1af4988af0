//! Checkpoints that a thread writes while training goes on.
//!
//! The thread rests nine times as long as it works, unless somebody waits for it: where processor and memory are those that
//! train, a file that is written at full speed takes as much from the steps beside it.
//!
//! One at a time: who wants to write another waits for the one before, and only then copies weights to the host, so that
//! there is one copy of them at most.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Checkpoint, RunFolder};
use crate::sealed::Rest;
use crate::{Error, Result};

/// Writes checkpoints, one at a time, in a thread of its own. Dropped, it waits for what is being written.
pub struct Saver {
    write: Arc<Write>,
    /// What a thread calls first.
    begin: fn(),
    under_way: Option<UnderWay>,
}

/// Writes a checkpoint, resting in between where it should, and tells its file.
type Write = dyn Fn(&Checkpoint, Option<&Rest<'_>>) -> Result<PathBuf> + Send + Sync;

/// Rest for each second of work.
const REST: u32 = 9;
/// So long at most until a resting thread notices that it is waited for.
const NAP: Duration = Duration::from_millis(5);

/// Rests after some work, until somebody waits.
fn rest(worked: Duration, awaited: &AtomicBool) {
    let end = Instant::now() + worked * REST;
    while !awaited.load(Ordering::Relaxed) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        std::thread::sleep(left.min(NAP));
    }
}

struct UnderWay {
    step: u64,
    copy: f64,
    wait: f64,
    /// Whether somebody waits for it.
    awaited: Arc<AtomicBool>,
    /// The file, and the seconds that it took.
    thread: JoinHandle<Result<(PathBuf, f64)>>,
}

struct Made {
    checkpoint: Checkpoint,
    copy: f64,
    wait: f64,
}

/// A checkpoint that is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// Steps that were done.
    pub step: u64,
    /// Its file.
    pub path: PathBuf,
    /// Where the time went.
    pub times: SaveTimes,
}

/// Seconds of a checkpoint. The first two hold up training.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct SaveTimes {
    /// Waiting until the checkpoint before was written.
    pub wait: f64,
    /// Copying weights, moments and averages to the host.
    pub copy: f64,
    /// Writing the file, while training goes on.
    pub write: f64,
}

impl Saver {
    /// Writes into a run's folder, which keeps the newest `keep` checkpoints. Each thread calls `begin` first.
    pub fn new(folder: RunFolder, keep: usize, begin: fn()) -> Self {
        let mut saver = Self::with(move |checkpoint, rest| folder.save_resting(checkpoint, keep, rest));
        saver.begin = begin;
        saver
    }

    /// Writes by a function.
    fn with(
        write: impl Fn(&Checkpoint, Option<&Rest<'_>>) -> Result<PathBuf> + Send + Sync + 'static,
    ) -> Self {
        Self { write: Arc::new(write), begin: || (), under_way: None }
    }

    /// Waits for the checkpoint before, which is returned; makes another, which copies the state to the host; and starts
    /// writing it.
    ///
    /// # Errors
    /// The checkpoint before could not be written (a full disk, or weights that are not finite), this one can't be made,
    /// or no thread can be started.
    pub fn save(&mut self, make: impl FnOnce() -> Result<Checkpoint>) -> Result<Option<Saved>> {
        let (before, Made { checkpoint, copy, wait }) = self.make(make)?;
        let step = checkpoint.state.step;
        let (write, begin) = (self.write.clone(), self.begin);
        let awaited = Arc::new(AtomicBool::new(false));
        let asked = awaited.clone();
        let work = move || {
            begin();
            let started = Instant::now();
            let path = write(&checkpoint, Some(&|worked| rest(worked, &asked)))?;
            Ok((path, started.elapsed().as_secs_f64()))
        };
        let thread = std::thread::Builder::new().name("checkpoint".to_owned()).spawn(work).map_err(|e| {
            Error::failure(format!("no thread can be started that writes the checkpoint of step {step}: {e}"))
        })?;
        self.under_way = Some(UnderWay { step, copy, wait, awaited, thread });
        Ok(before)
    }

    /// [`Saver::save`] where nothing is to be done meanwhile: writes it in this thread, which gives way to none. Returns the
    /// checkpoint before, and this one.
    ///
    /// # Errors
    /// As [`Saver::save`], of both.
    pub fn save_now(&mut self, make: impl FnOnce() -> Result<Checkpoint>) -> Result<(Option<Saved>, Saved)> {
        let (before, Made { checkpoint, copy, wait }) = self.make(make)?;
        let started = Instant::now();
        let path = (self.write)(&checkpoint, None)?;
        let write = started.elapsed().as_secs_f64();
        Ok((before, Saved { step: checkpoint.state.step, path, times: SaveTimes { wait, copy, write } }))
    }

    /// Waits for the checkpoint before, and makes one.
    fn make(&mut self, make: impl FnOnce() -> Result<Checkpoint>) -> Result<(Option<Saved>, Made)> {
        let started = Instant::now();
        let before = self.settle()?;
        let wait = before.as_ref().map_or(0.0, |_| started.elapsed().as_secs_f64());
        let started = Instant::now();
        let checkpoint = make()?;
        Ok((before, Made { checkpoint, copy: started.elapsed().as_secs_f64(), wait }))
    }

    /// The checkpoint that was being written, if it is written now.
    ///
    /// # Errors
    /// As [`Saver::save`], of the checkpoint before.
    pub fn poll(&mut self) -> Result<Option<Saved>> {
        match &self.under_way {
            Some(under_way) if under_way.thread.is_finished() => self.settle(),
            _ => Ok(None),
        }
    }

    /// Waits for the checkpoint that is being written, if there is one.
    ///
    /// # Errors
    /// As [`Saver::save`], of the checkpoint before.
    pub fn settle(&mut self) -> Result<Option<Saved>> {
        let Some(UnderWay { step, copy, wait, awaited, thread }) = self.under_way.take() else {
            return Ok(None);
        };
        awaited.store(true, Ordering::Relaxed);
        let (path, write) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Some(Saved { step, path, times: SaveTimes { wait, copy, write } }))
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        if let Some(under_way) = self.under_way.take() {
            under_way.awaited.store(true, Ordering::Relaxed);
            // The run ends by another error, which is told.
            drop(under_way.thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::super::{CheckpointState, Pace};
    use super::*;

    fn checkpoint(step: u64) -> Checkpoint {
        let state = CheckpointState {
            step,
            recipe_hash: String::new(),
            recipe: String::new(),
            backend: String::new(),
            instructions: None,
            plugin: None,
            pace: Pace::default(),
        };
        Checkpoint { state, tensors: vec![] }
    }

    #[test]
    fn a_resting_thread_goes_on_where_it_is_waited_for() {
        let awaited = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let resting = scope.spawn(|| rest(Duration::from_secs(1000), &awaited));
            awaited.store(true, Ordering::Relaxed);
            resting.join().unwrap();
        });
    }

    /// A disk that takes its time: a write ends when it is told to, and says so.
    struct SlowDisk {
        saver: Saver,
        go_on: Sender<()>,
        events: Receiver<String>,
        tell: Sender<String>,
    }

    fn slow_disk() -> SlowDisk {
        let (go_on, told) = channel::<()>();
        let (tell, events) = channel();
        let (told, say) = (Mutex::new(told), Mutex::new(tell.clone()));
        let saver = Saver::with(move |checkpoint, _| {
            let step = checkpoint.state.step;
            let say = |what: &str| say.lock().unwrap().send(format!("{what} {step}")).unwrap();
            say("writes");
            told.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap();
            say("has written");
            match step {
                9 => Err(Error::failure("the disk is full")),
                _ => Ok(PathBuf::from(format!("{step}"))),
            }
        });
        SlowDisk { saver, go_on, events, tell }
    }

    #[test]
    fn steps_go_on_while_one_is_written_and_a_second_waits() {
        let SlowDisk { mut saver, go_on, events, tell } = slow_disk();
        let next = || events.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(saver.save(|| Ok(checkpoint(1))).unwrap(), None);
        assert_eq!(next(), "writes 1");
        // Nothing has told the disk to go on: if a step waited for it, this would never be reached.
        tell.send("step 2".to_owned()).unwrap();
        assert_eq!(saver.poll().unwrap(), None);
        assert_eq!(next(), "step 2");
        // The second is not even copied before the first is there.
        let later = go_on.clone();
        let disk = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            later.send(()).unwrap();
        });
        let copied = tell.clone();
        let make = move || {
            copied.send("copies 2".to_owned()).unwrap();
            Ok(checkpoint(2))
        };
        let first = saver.save(make).unwrap().unwrap();
        assert_eq!((first.step, first.path, first.times.wait), (1, PathBuf::from("1"), 0.0));
        disk.join().unwrap();
        assert_eq!([next(), next(), next()], ["has written 1", "copies 2", "writes 2"]);
        go_on.send(()).unwrap();
        let second = saver.settle().unwrap().unwrap();
        assert_eq!(second.step, 2);
        assert!(second.times.wait > 0.0, "the wait is told");
        assert_eq!(saver.settle().unwrap(), None);
    }

    #[test]
    fn a_failure_comes_at_the_next_look() {
        let SlowDisk { mut saver, go_on, events, .. } = slow_disk();
        saver.save(|| Ok(checkpoint(9))).unwrap();
        assert_eq!(saver.poll().unwrap(), None);
        go_on.send(()).unwrap();
        assert_eq!(events.recv().unwrap() + &events.recv().unwrap(), "writes 9has written 9");
        let error = loop {
            match saver.poll() {
                Err(error) => break error,
                Ok(saved) => assert_eq!(saved, None),
            }
            std::thread::yield_now();
        };
        assert_eq!(error.to_string(), "the disk is full");
        // Told once.
        assert_eq!(saver.poll().unwrap(), None);
    }

    /// The one before is waited for, and this one is there on return.
    #[test]
    fn at_once_it_is_written_after_the_one_before() {
        let SlowDisk { mut saver, go_on, events, .. } = slow_disk();
        saver.save(|| Ok(checkpoint(1))).unwrap();
        (0..2).for_each(|_| go_on.send(()).unwrap());
        let (before, saved) = saver.save_now(|| Ok(checkpoint(2))).unwrap();
        assert_eq!((before.unwrap().step, saved.step), (1, 2));
        let due = ["writes 1", "has written 1", "writes 2", "has written 2"];
        assert_eq!(events.try_iter().collect::<Vec<_>>(), due);
    }

    /// Whoever drops it finds the file whole.
    #[test]
    fn dropped_it_waits() {
        let SlowDisk { mut saver, go_on, events, .. } = slow_disk();
        saver.save(|| Ok(checkpoint(3))).unwrap();
        go_on.send(()).unwrap();
        drop(saver);
        assert_eq!(events.try_iter().collect::<Vec<_>>(), ["writes 3", "has written 3"]);
    }
}
