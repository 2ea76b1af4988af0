//! Signals by which a user or a batch system asks the program to stop.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use palimpsest_core::{Error, ErrorKind, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::output;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Ctrl-C, the end of a terminal, and what batch systems send before they end a job.
const SIGNALS: [i32; 5] = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2];
/// One request may come as several signals: `timeout` sends its own to the process and to its group.
const ONE_REQUEST: Duration = Duration::from_millis(300);

/// The first signal that asked to stop; 0 before.
static FIRST: AtomicI32 = AtomicI32::new(0);

/// `EX_TEMPFAIL` of sysexits.h: "the user is invited to retry". No shell, launcher or batch system has a meaning of its own
/// for it, and it is none of this program's other statuses.
const TRY_AGAIN: u8 = 75;

/// The exit status after an error: of an interrupted run what a batch system can start it again on, unless it was a person
/// with Ctrl-C; of other interrupted work that of a shell, 128 and the signal's number.
pub(crate) fn exit_status(error: &Error) -> u8 {
    status(error, FIRST.load(Ordering::Relaxed))
}

fn status(error: &Error, signal: i32) -> u8 {
    match error.kind() {
        // Another process of the run may have been asked, and this one not.
        ErrorKind::Interrupted if error.is_saved() && signal != SIGINT => TRY_AGAIN,
        ErrorKind::Interrupted if signal > 0 => 128 + signal as u8,
        _ => error.exit_status(),
    }
}

/// Whether SIGTERM has come, by which launchers end what is left of their processes.
static ENDED: AtomicBool = AtomicBool::new(false);

/// Whether further requests are nothing new: a launcher passes on what the terminal has sent already, and sends the rest
/// of its processes a signal as soon as one has ended.
static PATIENT: AtomicBool = AtomicBool::new(false);

/// Whether this process waits for the others to come, so that a signal ends it at once: there is nothing to save.
static MEETING: AtomicBool = AtomicBool::new(false);

/// The wait for the other processes begins or is over.
pub(crate) fn meeting(waits: bool) {
    MEETING.store(waits, Ordering::Relaxed);
}

/// After so long a further signal of the user's ends one of several processes too.
const PATIENCE: Duration = Duration::from_secs(40);

/// One of several processes is asked to stop by its launcher too, and must come to an end that all agree on.
pub(crate) fn be_patient() {
    PATIENT.store(true, Ordering::Relaxed);
}

/// Becomes true once the program was asked to end by SIGTERM.
///
/// # Errors
/// As [`flag`].
pub(crate) fn ended() -> Result<&'static AtomicBool> {
    flag().map(|_| &ENDED)
}

/// Becomes true once the program was asked to stop; asked again, it ends at once.
pub(crate) fn flag() -> Result<&'static AtomicBool> {
    static WATCHED: OnceLock<Result<()>> = OnceLock::new();
    WATCHED.get_or_init(watch).clone().map(|()| &INTERRUPTED)
}

fn watch() -> Result<()> {
    let fail = |e: std::io::Error| Error::failure(format!("can't catch signals: {e}"));
    // As `nohup` starts a program: what is ignored at its start stays so.
    let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    let heeded = SIGNALS.into_iter().filter(|signal| (ignored >> (signal - 1)) & 1 == 0);
    let mut signals = Signals::new(heeded).map_err(fail)?;
    let heed = move || {
        let (mut first, mut warned) = (None, false);
        for signal in signals.forever() {
            let asked = *first.get_or_insert_with(Instant::now);
            let _ = FIRST.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
            // SIGTERM after a warning is nothing new, once: Slurm ends a job by it and, half a minute later, by SIGKILL. A
            // checkpoint that is being written needs that half minute.
            let follows = signal == SIGTERM && warned;
            warned = signal == SIGUSR1 || signal == SIGUSR2;
            if MEETING.load(Ordering::Relaxed) {
                let _ = emulate_default_handler(signal);
            }
            if signal == SIGTERM {
                ENDED.store(true, Ordering::Relaxed);
            }
            let patient = PATIENT.load(Ordering::Relaxed) && asked.elapsed() < PATIENCE;
            if !INTERRUPTED.swap(true, Ordering::Relaxed) {
                output::note(match patient {
                    true => "stopping, once all processes have come to the end of a step",
                    false => "stopping; a second signal ends the program at once",
                });
            } else if !patient && !follows && asked.elapsed() > ONE_REQUEST {
                let _ = emulate_default_handler(signal);
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(heed).map_err(fail)?;
    Ok(())
}

/// The signals that a process ignores, a bit each, as Linux tells; none where nothing is told.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use palimpsest_core::Error;
    use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

    use super::status;

    #[test]
    fn a_batch_system_can_tell_what_to_start_again() {
        let saved = Error::interrupted("after step 5").saved();
        assert_eq!([SIGTERM, SIGUSR1, SIGINT, 0].map(|signal| status(&saved, signal)), [75, 75, 130, 75]);
        // Nothing of it is kept: started again and again under the same limit it would never end.
        let lost = Error::interrupted("before the heads were scored");
        assert_eq!([SIGTERM, SIGINT].map(|signal| status(&lost, signal)), [143, 130]);
        assert_eq!([Error::failure("f"), Error::user("u")].map(|e| status(&e, SIGTERM)), [1, 2]);
    }

    #[test]
    fn ignored_signals_are_read() {
        // proc(5): a mask in hexadecimal, whose lowest bit is signal 1, SIGHUP.
        assert_eq!(super::ignored("Name:\txtask\nSigIgn:\t0000000000001001\n"), 0x1001);
        assert_eq!(super::ignored(""), 0);
    }
}
