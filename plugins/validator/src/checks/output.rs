//! Standard output, which belongs to the host.
#![allow(unsafe_code, reason = "turns standard output away while the library works")]

use palimpsest_abi::corruption as abi;
use palimpsest_core::DType;

use super::planned;
use crate::outcome::{Checked, Finding, fail};
use crate::scene::scenes;
use crate::subject::{Subject, request, says};

const HELP: &str = "print nothing, or to standard error: with --json standard output is one line of JSON";

pub(crate) fn silent(subject: &Subject<'_>) -> Checked {
    let capture = Capture::begin()?;
    let library = subject.library()?;
    capture.quiet("loading")?;
    let instance = subject.instance()?;
    capture.quiet("`create`")?;
    let geometries = subject.geometries(&instance)?;
    capture.quiet("`check`")?;
    for geometry in geometries {
        planned(&instance, &request(&instance, geometry, 4))?;
    }
    capture.quiet("`plan`")?;
    if says(&library, abi::OPS) || says(&library, abi::OBSERVES) {
        let device = subject.device()?;
        for scene in scenes(&instance)? {
            // What they give is told elsewhere.
            drop(scene.apply(&instance, &device, DType::F32));
            capture.quiet("`apply`")?;
            drop(scene.score(&instance, &device, DType::F32));
            capture.quiet("`score`")?;
        }
    }
    drop(instance);
    capture.quiet("`destroy`")?;
    Ok(String::new())
}

/// Standard output, led into a file until it is dropped.
struct Capture {
    file: *mut libc::FILE,
    before: libc::c_int,
}

impl Capture {
    fn begin() -> Checked<Self> {
        // SAFETY: plain calls; `before` and `file` are given back once, when it is dropped.
        let (file, before) = unsafe {
            libc::fflush(std::ptr::null_mut());
            (libc::tmpfile(), libc::dup(1))
        };
        if file.is_null() || before < 0 {
            return fail("the validator", "can't open a temporary file", "make room in the folder for them");
        }
        // SAFETY: both are open.
        unsafe { libc::dup2(libc::fileno(file), 1) };
        Ok(Self { file, before })
    }

    /// A finding if anything was printed so far.
    fn quiet(&self, during: &str) -> Checked<()> {
        let mut bytes = [0_u8; 80];
        // SAFETY: the file is open, and the buffer has the length that is told. `pread` leaves the place where
        // printing goes on.
        let length = unsafe {
            libc::fflush(std::ptr::null_mut());
            libc::pread(libc::fileno(self.file), bytes.as_mut_ptr().cast(), bytes.len(), 0)
        };
        let Some(said) = usize::try_from(length).ok().filter(|&length| length > 0) else { return Ok(()) };
        let said = String::from_utf8_lossy(&bytes[..said]).into_owned();
        let line = said.lines().next().unwrap_or_default();
        Err(Finding::new(during, format!("prints to standard output: {line:?}"), HELP).into())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // SAFETY: both are open, and used no more.
        unsafe {
            libc::dup2(self.before, 1);
            libc::close(self.before);
            libc::fclose(self.file);
        }
    }
}
