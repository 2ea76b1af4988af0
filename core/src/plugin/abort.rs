//! A library that aborts the process, as Rust does where memory runs out and C++ with an exception that nobody catches.
#![allow(unsafe_code, reason = "installs a signal handler")]

use super::call::InCall;

const UNKNOWN: &[&str] =
    &["error: a library ended the program, most likely for want of memory (its own words are above); \
     the last checkpoint is whole: lower train.batch, or raise train.accumulate, and resume\n"];

/// Ends the process with status 1 and a sentence where a library aborts it. Of a plug-in the function is named in which
/// that happened.
pub fn report_aborts() {
    extern "C" fn told(_signal: libc::c_int) {
        match InCall::current() {
            None => write(UNKNOWN),
            Some(call) => write(&[
                "error: ",
                call.library,
                " ended the program in ",
                call.function,
                ": an exception that left it, a failed assertion or no memory left (more may be above); catch exceptions \
                 before they leave the library, and return an error; the last checkpoint is whole\n",
            ]),
        }
        // SAFETY: it may be called in a signal handler.
        unsafe { libc::_exit(1) };
    }
    fn write(parts: &[&str]) {
        for part in parts {
            // SAFETY: it may be called in a signal handler; the text is whole.
            unsafe { libc::write(2, part.as_ptr().cast(), part.len()) };
        }
    }
    let handler: extern "C" fn(libc::c_int) = told;
    // SAFETY: the handler only calls what a signal handler may call.
    unsafe { libc::signal(libc::SIGABRT, handler as libc::sighandler_t) };
}
