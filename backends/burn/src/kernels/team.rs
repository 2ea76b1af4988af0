//! Parallel work in which the calling thread takes part, without a wake-up for each piece of it.
//!
//! rayon lets a thread outside its pool wait while its workers run, which costs two switches of threads for each operation:
//! more than a small operation takes. Here the caller works too, and rayon's workers help. A worker that has helped stays
//! and looks for more for a while before it goes back to sleep, and runs rayon's other jobs meanwhile: there is one pool.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
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
    panicked: AtomicBool,
}

impl Work<'_> {
    /// Takes pieces until none is left.
    fn run(&self) {
        loop {
            let piece = self.next.fetch_add(1, Ordering::Relaxed);
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
/// As many as the board holds, to be looked at without its lock.
static POSTED: AtomicUsize = AtomicUsize::new(0);
/// Workers that look for work.
static LOOKING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static IS_LOOKING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `task` for 0..count, on this thread and rayon's workers.
///
/// # Panics
/// The task does, on any thread.
pub(super) fn run(count: usize, task: &(dyn Fn(usize) + Sync)) {
    let threads = rayon::current_num_threads();
    if count <= 1 || threads <= 1 {
        return (0..count).for_each(task);
    }
    let none = AtomicUsize::new(0);
    let work =
        Work { task, count, next: AtomicUsize::new(0), helpers: none, panicked: AtomicBool::new(false) };
    let posted = (&raw const work).cast::<Work<'static>>();
    board().push(Posted(posted));
    POSTED.fetch_add(1, Ordering::Release);
    let wanted = (threads - 1).min(count - 1);
    if LOOKING.load(Ordering::Relaxed) < wanted {
        // One worker less than there are threads: the caller is one.
        rayon::spawn_broadcast(move |context| {
            if context.index() + 1 < threads {
                look();
            }
        });
    }
    let own = catch_unwind(AssertUnwindSafe(|| work.run()));
    // Nobody else may begin; those who have are waited for, so that nobody holds on to the stack after this.
    board().retain(|other| !std::ptr::eq(other.0, posted));
    POSTED.fetch_sub(1, Ordering::Release);
    let mut rounds = 0;
    while work.helpers.load(Ordering::Acquire) > 0 {
        pause(&mut rounds);
    }
    if let Err(payload) = own {
        resume_unwind(payload);
    }
    assert!(!work.panicked.load(Ordering::Relaxed), "a piece of parallel work panicked; see above");
}

fn board() -> std::sync::MutexGuard<'static, Vec<Posted>> {
    BOARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Helps where work is posted; whether any was.
fn help() -> bool {
    if POSTED.load(Ordering::Acquire) == 0 {
        return false;
    }
    let work = {
        let board = board();
        // SAFETY: what is on the board is alive: its thread takes it down, under this lock, before it leaves.
        let works = board.iter().map(|posted| unsafe { &*posted.0 });
        let open = works.into_iter().find(|work| work.next.load(Ordering::Relaxed) < work.count);
        let Some(work) = open else { return false };
        // From here on its thread waits for this one.
        work.helpers.fetch_add(1, Ordering::Relaxed);
        work
    };
    if catch_unwind(AssertUnwindSafe(|| work.run())).is_err() {
        work.panicked.store(true, Ordering::Relaxed);
    }
    work.helpers.fetch_sub(1, Ordering::Release);
    true
}

/// Helps until nothing has come for a while. A worker that looks already is not doubled.
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
    fn a_panic_reaches_the_caller_and_leaves_nothing_behind() {
        for culprit in [0, 7, 63] {
            let panicked = catch_unwind(|| run(64, &|i| assert_ne!(i, culprit, "a test's panic")));
            assert!(panicked.is_err());
            run(64, &|_| ());
        }
    }
}
