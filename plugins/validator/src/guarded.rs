//! Memory with a page behind and before it that nobody may touch.
#![allow(unsafe_code, reason = "maps and protects pages; a signal handler")]

use std::fmt::Write;
use std::os::fd::RawFd;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering};

use palimpsest_core::plugin::InCall;

use crate::outcome::{Checked, Finding};

/// What lies in the slack of the pages.
const CANARY: u8 = 0xA5;

/// The side of the memory that a forbidden page touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    Behind,
}

/// Bytes on pages of their own, between forbidden ones.
pub(crate) struct Guarded {
    name: &'static str,
    map: *mut u8,
    mapped: usize,
    offset: usize,
    len: usize,
    slot: usize,
}

/// The guarded memory that the handler knows: name, first byte, length.
static SLOTS: [Slot; 32] = [const { Slot::new() }; 32];

struct Slot {
    name: AtomicPtr<u8>,
    name_len: AtomicUsize,
    map: AtomicUsize,
    mapped: AtomicUsize,
    data: AtomicUsize,
    len: AtomicUsize,
}

impl Slot {
    const fn new() -> Self {
        Self {
            name: AtomicPtr::new(null_mut()),
            name_len: AtomicUsize::new(0),
            map: AtomicUsize::new(0),
            mapped: AtomicUsize::new(0),
            data: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
        }
    }
}

fn page() -> usize {
    // SAFETY: a plain question.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

impl Guarded {
    /// `len` bytes whose first or last one lies beside a forbidden page. Starts are aligned for 8 bytes where
    /// `len` is a multiple of it.
    pub(crate) fn new(name: &'static str, len: usize, side: Side) -> Checked<Self> {
        let page = page();
        let pages = len.div_ceil(page).max(1) * page;
        let mapped = pages + 2 * page;
        // SAFETY: new anonymous memory; the protected pages are of it.
        let map = unsafe {
            let map = libc::mmap(
                null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANON,
                -1,
                0,
            );
            if map == libc::MAP_FAILED {
                return Err(Finding::new("the validator", "got no memory", "free some").into());
            }
            let map = map.cast::<u8>();
            map.write_bytes(CANARY, mapped);
            libc::mprotect(map.cast(), page, libc::PROT_NONE);
            libc::mprotect(map.add(page + pages).cast(), page, libc::PROT_NONE);
            map
        };
        let offset = match side {
            Side::Before => page,
            Side::Behind => page + pages - len,
        };
        let free = SLOTS.iter().position(|slot| slot.map.load(Ordering::Relaxed) == 0);
        let slot = free.unwrap_or(SLOTS.len() - 1);
        let entry = &SLOTS[slot];
        entry.name.store(name.as_ptr().cast_mut(), Ordering::Relaxed);
        entry.name_len.store(name.len(), Ordering::Relaxed);
        entry.mapped.store(mapped, Ordering::Relaxed);
        entry.data.store(map.addr() + offset, Ordering::Relaxed);
        entry.len.store(len, Ordering::Relaxed);
        entry.map.store(map.addr(), Ordering::Release);
        Ok(Self { name, map, mapped, offset, len, slot })
    }

    /// A value beside a forbidden page.
    pub(crate) fn of<T: Copy>(name: &'static str, value: &T, side: Side) -> Checked<Self> {
        let mut memory = Self::new(name, size_of::<T>(), side)?;
        // SAFETY: it has the size of a `T`, whose bytes are read one by one.
        unsafe {
            std::ptr::copy_nonoverlapping(std::ptr::from_ref(value).cast::<u8>(), memory.data(), memory.len);
        }
        Ok(memory)
    }

    /// Its first byte.
    pub(crate) fn data(&mut self) -> *mut u8 {
        // SAFETY: within the mapping.
        unsafe { self.map.add(self.offset) }
    }

    /// Its first bytes as elements, a copy.
    pub(crate) fn read<T: Copy>(&mut self, count: usize) -> Vec<T> {
        assert!(count * size_of::<T>() <= self.len, "so many elements lie there");
        // SAFETY: so many bytes lie there, and are read without alignment; a `T` is a number.
        (0..count).map(|i| unsafe { self.data().cast::<T>().add(i).read_unaligned() }).collect()
    }

    /// Writes elements to its start.
    pub(crate) fn write<T: Copy>(&mut self, values: &[T]) {
        assert!(size_of_val(values) <= self.len, "there is room for them");
        // SAFETY: there is room, asserted above.
        unsafe {
            std::ptr::copy_nonoverlapping(values.as_ptr().cast::<u8>(), self.data(), size_of_val(values));
        }
    }

    /// The first byte in the slack of the pages that was changed, counted from the data's start.
    pub(crate) fn changed(&self) -> Option<isize> {
        let page = page();
        // SAFETY: the pages between the forbidden ones.
        let bytes = unsafe { std::slice::from_raw_parts(self.map.add(page), self.mapped - 2 * page) };
        let first = self.offset - page;
        let outside = |i: &usize| *i < first || *i >= first + self.len;
        let found = (0..bytes.len()).filter(outside).find(|&i| bytes[i] != CANARY)?;
        Some(found as isize - first as isize)
    }

    /// A finding if the slack was written to.
    pub(crate) fn whole(&self, location: &str) -> Checked<()> {
        match self.changed() {
            None => Ok(()),
            Some(at) => Err(Finding::new(
                format!("{location}: {}", self.name),
                format!("byte {at} was written, and it has {}", self.len),
                HELP,
            )
            .into()),
        }
    }
}

const HELP: &str = "stay within [B, L] of the request, and within each struct's head.size";

impl Drop for Guarded {
    fn drop(&mut self) {
        SLOTS[self.slot].map.store(0, Ordering::Release);
        // SAFETY: mapped in `new`, and given back once.
        unsafe { libc::munmap(self.map.cast(), self.mapped) };
    }
}

/// Where the handler writes its answer.
static ANSWER: AtomicI32 = AtomicI32::new(-1);

/// Makes a touched page, and whatever else ends this process within a function of the library, a finding in the file
/// `answer` instead of an end without a word. A fault elsewhere ends the process as it would have.
pub fn tell_faults(answer: RawFd) {
    // One of its own: an exception of another language closes what it passes on its way.
    // SAFETY: a plain call.
    ANSWER.store(unsafe { libc::dup(answer) }, Ordering::Relaxed);
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = fault;
    // SAFETY: the handler only calls what a signal handler may call.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT, libc::SIGILL, libc::SIGFPE] {
            libc::sigaction(signal, &raw const action, null_mut());
        }
    }
}

/// Text on the stack: a signal handler may not allocate.
struct Line {
    bytes: [u8; 512],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = (self.len + text.len()).min(self.bytes.len());
        self.bytes[self.len..end].copy_from_slice(&text.as_bytes()[..end - self.len]);
        self.len = end;
        Ok(())
    }
}

/// What a signal says that ended a process.
pub fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGILL => "illegal instruction",
        libc::SIGABRT => "abort: a failed assertion, an exception that nobody caught, or no memory left",
        libc::SIGBUS => "bus error",
        libc::SIGFPE => "division by zero",
        libc::SIGKILL => "killed",
        libc::SIGSEGV => "segmentation fault",
        _ => "see signal(7)",
    }
}

/// Writes a finding as an answer, and ends the process. For a signal handler; none of the texts needs an escape.
fn end(place: &str, value: std::fmt::Arguments<'_>, help: &str) -> ! {
    let mut line = Line { bytes: [0; 512], len: 0 };
    let _ = writeln!(
        line,
        "{{\"verdict\":\"failed\",\"note\":\"\",\"findings\":[{{\"place\":\"{place}\",\"value\":\"{value}\",\
         \"mend\":\"{help}\"}}]}}"
    );
    // SAFETY: `write` and `_exit` may be called in a signal handler; the text lies on the stack.
    unsafe {
        libc::write(ANSWER.load(Ordering::Relaxed), line.bytes.as_ptr().cast(), line.len);
        libc::_exit(0);
    }
}

extern "C" fn fault(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the system gives it.
    let address = unsafe { (*info).si_addr() }.addr();
    let touched = matches!(signal, libc::SIGSEGV | libc::SIGBUS);
    for slot in SLOTS.iter().filter(|_| touched) {
        let map = slot.map.load(Ordering::Acquire);
        if map == 0 || !(map..map + slot.mapped.load(Ordering::Relaxed)).contains(&address) {
            continue;
        }
        let (data, len) = (slot.data.load(Ordering::Relaxed), slot.len.load(Ordering::Relaxed));
        // SAFETY: name and length are those of a static text.
        let name = unsafe {
            std::str::from_utf8_unchecked(std::slice::from_raw_parts(
                slot.name.load(Ordering::Relaxed),
                slot.name_len.load(Ordering::Relaxed),
            ))
        };
        let at = address as isize - data as isize;
        end(name, format_args!("byte {at} was touched, and it has {len}"), HELP);
    }
    if let Some(call) = InCall::current() {
        let help = match signal {
            libc::SIGABRT => {
                "catch exceptions before they leave the library, and return errors; --in-process shows more"
            }
            _ => "run it under a debugger: --only CHECK --in-process",
        };
        let value = format_args!("ended the process by signal {signal} ({})", signal_name(signal));
        end(call.function, value, help);
    }
    // SAFETY: as above. The fault comes again when the handler returns, and ends the process.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}
