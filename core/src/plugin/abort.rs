//! A library that aborts the process, as Rust does where memory runs out.
#![allow(unsafe_code, reason = "installs a signal handler")]

const WORDS: &[u8] =
    b"error: a library ended the program, most likely for want of memory (its own words are above); \
the last checkpoint is whole: lower train.batch, or raise train.accumulate, and resume\n";

/// Ends the process with status 1 and a sentence where a library aborts it.
pub fn report_aborts() {
    extern "C" fn told(_signal: libc::c_int) {
        // SAFETY: `write` and `_exit` may be called in a signal handler.
        unsafe {
            libc::write(2, WORDS.as_ptr().cast(), WORDS.len());
            libc::_exit(1);
        }
    }
    let handler: extern "C" fn(libc::c_int) = told;
    // SAFETY: the handler only calls what a signal handler may call.
    unsafe { libc::signal(libc::SIGABRT, handler as libc::sighandler_t) };
}
