//! Limits for a process that runs a library's code.
#![allow(unsafe_code, reason = "sets limits and signal actions of the process")]

/// The most memory that a check may take, 4 GiB: a library that takes more is refused it, and mostly aborts.
const MEMORY: libc::rlim_t = 4 << 30;

/// Limits this process's memory, writes no core file, and lets an abort be seen as one. For a process that
/// runs one check and ends.
pub fn confine() {
    let data = libc::rlimit { rlim_cur: MEMORY, rlim_max: MEMORY };
    let core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: plain calls with structs that live as long as they do.
    unsafe {
        libc::setrlimit(libc::RLIMIT_DATA, &raw const data);
        libc::setrlimit(libc::RLIMIT_CORE, &raw const core);
        libc::signal(libc::SIGABRT, libc::SIG_DFL);
    }
}

/// Bytes of memory that are resident, where the system tells.
pub(crate) fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: a plain question.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(pages * u64::try_from(page).ok()?)
}
