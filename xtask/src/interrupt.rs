//! Signals by which a user or a batch system asks the program to stop.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use palimpsest_core::{Error, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::output;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Ctrl-C, the end of a terminal, and what batch systems send before they end a job.
const SIGNALS: [i32; 5] = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2];
/// One request may come as several signals: `timeout` sends its own to the process and to its group.
const ONE_REQUEST: Duration = Duration::from_millis(300);

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
        let mut first = None;
        for signal in signals.forever() {
            let asked = *first.get_or_insert_with(Instant::now);
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
            } else if !patient && asked.elapsed() > ONE_REQUEST {
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
    #[test]
    fn ignored_signals_are_read() {
        // proc(5): a mask in hexadecimal, whose lowest bit is signal 1, SIGHUP.
        assert_eq!(super::ignored("Name:\txtask\nSigIgn:\t0000000000001001\n"), 0x1001);
        assert_eq!(super::ignored(""), 0);
    }
}
