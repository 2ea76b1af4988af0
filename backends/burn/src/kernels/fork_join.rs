//! Parallel work in which the calling thread takes part, without a wake-up for each piece of it.
//!
//! rayon lets a thread outside its pool wait while its workers run, which costs two switches of threads for each operation:
//! more than a small operation takes. Here the caller works too, and rayon's workers help. A worker that has helped stays
//! and looks for more for a while before it goes back to sleep, and runs rayon's other jobs meanwhile: there is one pool.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a worker looks for more: longer than the gaps between the operations of a step.
const PATIENCE: Duration = Duration::from_micros(200);
/// Looks between two looks at the clock.
const ROUNDS: u32 = 64;

/// Work whose pieces are taken one by one, on the stack of the thread that posted it.
struct Work<'a> {
    task: &'a (dyn Fn(usize) + Sync),
    count: usize,
    /// The next piece that nobody has taken.
    next: AtomicUsize,
    /// Workers that hold on to this.
    helpers: AtomicUsize,
    /// What a helper's piece panicked with: the first one's.
    panicked: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Work<'_> {
    /// Takes pieces until none is left.
    fn run(&self) {
        loop {
            let piece = self.next.fetch_add(1, Ordering::Relaxed);
            if piece + 1 == self.count {
                OPEN.fetch_sub(1, Ordering::Relaxed);
            }
            if piece >= self.count {
                return;
            }
            (self.task)(piece);
        }
    }
}

/// Work that takes helpers.
struct Posted(*const Work<'static>);

// SAFETY: the pointer is followed under the lock of `BOARD` or by a helper that is counted; see `run`.
unsafe impl Send for Posted {}

static BOARD: Mutex<Vec<Posted>> = Mutex::new(Vec::new());
/// Works on the board of which a piece is left, to be looked at without its lock.
static OPEN: AtomicUsize = AtomicUsize::new(0);
/// Workers that look for work.
static LOOKING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static IS_LOOKING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `task` for 0..count, on this thread and rayon's workers.
///
/// # Panics
/// With what the task panics with, on any thread.
pub(super) fn run(count: usize, task: &(dyn Fn(usize) + Sync)) {
    let threads = rayon::current_num_threads();
    if count <= 1 || threads <= 1 {
        return (0..count).for_each(task);
    }
    let next = AtomicUsize::new(0);
    let work = Work { task, count, next, helpers: AtomicUsize::new(0), panicked: Mutex::new(None) };
    let posted = (&raw const work).cast::<Work<'static>>();
    OPEN.fetch_add(1, Ordering::Release);
    lock(&BOARD).push(Posted(posted));
    let wanted = (threads - 1).min(count - 1);
    if LOOKING.load(Ordering::Relaxed) < wanted {
        call_workers(wanted);
    }
    let own = catch_unwind(AssertUnwindSafe(|| work.run()));
    // Nobody else may begin; those who have are waited for, so that nobody holds on to the stack after this. Where a piece
    // of this thread's panicked, others may be left: they are taken off.
    if own.is_err() && work.next.fetch_max(count, Ordering::Relaxed) < count {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
    lock(&BOARD).retain(|other| !std::ptr::eq(other.0, posted));
    let mut rounds = 0;
    while work.helpers.load(Ordering::Acquire) > 0 {
        pause(&mut rounds);
    }
    if let Err(payload) = own {
        resume_unwind(payload);
    }
    if let Some(payload) = lock(&work.panicked).take() {
        resume_unwind(payload);
    }
}

/// Has `wanted` workers look for work. One worker less than there are threads is enough, as the caller is one: a thread
/// outside the pool, or one of the workers, who then isn't asked.
fn call_workers(wanted: usize) {
    let own = rayon::current_thread_index();
    rayon::spawn_broadcast(move |context| {
        let index = context.index();
        let place = if own.is_some_and(|own| index > own) { index - 1 } else { index };
        if own != Some(index) && place < wanted {
            look();
        }
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Helps where work is open; whether any was.
fn help() -> bool {
    if OPEN.load(Ordering::Acquire) == 0 {
        return false;
    }
    let work = {
        // Who doesn't get the lock looks again.
        let Ok(board) = BOARD.try_lock() else { return false };
        // SAFETY: what is on the board is alive: its thread takes it down, under this lock, before it leaves.
        let mut works = board.iter().map(|posted| unsafe { &*posted.0 });
        let Some(work) = works.find(|work| work.next.load(Ordering::Relaxed) < work.count) else {
            return false;
        };
        // From here on its thread waits for this one.
        work.helpers.fetch_add(1, Ordering::Relaxed);
        work
    };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| work.run())) {
        lock(&work.panicked).get_or_insert(payload);
    }
    work.helpers.fetch_sub(1, Ordering::Release);
    true
}

/// Helps until nothing has come for a while. A worker that looks already is not doubled. One that rayon has wait for the other
/// half of a join may come here and be late for it, by as long as others post work.
fn look() {
    if IS_LOOKING.replace(true) {
        return;
    }
    LOOKING.fetch_add(1, Ordering::Relaxed);
    let (mut last, mut rounds) = (Instant::now(), 0);
    loop {
        if help() || rayon::yield_now() == Some(rayon::Yield::Executed) {
            (last, rounds) = (Instant::now(), 0);
            continue;
        }
        pause(&mut rounds);
        if rounds == 0 && last.elapsed() > PATIENCE {
            break;
        }
    }
    LOOKING.fetch_sub(1, Ordering::Relaxed);
    IS_LOOKING.set(false);
}

/// Lets a moment pass, and other threads run now and then.
fn pause(rounds: &mut u32) {
    *rounds = (*rounds + 1) % ROUNDS;
    match *rounds {
        0 => std::thread::yield_now(),
        _ => std::hint::spin_loop(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn each_piece_runs_once_from_many_threads() {
        std::thread::scope(|scope| {
            for caller in 0..4 {
                scope.spawn(move || {
                    for count in (0..200).chain([5000]) {
                        let runs: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
                        run(count, &|i| {
                            // Work within work.
                            if i == caller {
                                run(3, &|_| ());
                            }
                            runs[i].fetch_add(1, Ordering::Relaxed);
                        });
                        assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1), "{count}");
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_with_its_words_and_leaves_nothing_behind() {
        for culprit in [0, 7, 63] {
            let run_all = || run(64, &|i| assert_ne!(i, culprit, "a test's panic"));
            let payload = catch_unwind(run_all).expect_err("a piece panics");
            let words = payload.downcast_ref::<String>().expect("with words");
            assert!(words.contains("a test's panic"), "{words}");
            run(64, &|_| ());
        }
    }

    #[test]
    fn a_worker_that_calls_is_helped_by_the_others() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a pool");
        let seen = Mutex::new(HashSet::new());
        pool.install(|| {
            run(60, &|_| {
                lock(&seen).insert(std::thread::current().id());
                // Long enough for workers to come.
                std::thread::sleep(Duration::from_millis(2));
            });
        });
        assert!(lock(&seen).len() > 1, "it worked alone");
    }
}
