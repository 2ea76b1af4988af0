//! Processes that this program starts to work for it: they stop when it stops, also where it is killed.

use std::process::{Child, Command, ExitStatus};

/// The process that a process works for: its number.
const PARENT: &str = "PALIMPSEST_PARENT";

/// Has the process stop, as by SIGTERM, when this one is gone. It is in a group of its own: what a terminal sends to this one's
/// group is passed on by [`ask_to_stop`], once.
pub(crate) fn bind(command: &mut Command) {
    command.env(PARENT, std::process::id().to_string());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// Asks a process to end as by SIGTERM: one that trains writes a checkpoint first.
pub(crate) fn ask_to_stop(child: &Child) {
    #[cfg(target_os = "linux")]
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = child;
}

/// The signal that ended a process, if one did.
#[cfg(unix)]
pub(crate) fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// The signal that ended a process: none here.
#[cfg(not(unix))]
pub(crate) fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// The other end of [`bind`], at the start of a process. Where the system can't tell of a parent's end, nothing happens.
pub(crate) fn heed() {
    #[cfg(target_os = "linux")]
    if let Some(parent) = std::env::var(PARENT).ok().and_then(|text| text.parse::<i32>().ok()) {
        use rustix::process::{Signal, getppid, set_parent_process_death_signal};
        let _ = set_parent_process_death_signal(Some(Signal::TERM));
        // It may be gone already: then nobody will tell.
        if getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
            std::process::exit(1);
        }
    }
}
