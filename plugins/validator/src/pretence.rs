//! Other answers of the C library, for one library alone: a clock that is ahead, and variables that are set.
#![allow(unsafe_code, reason = "writes to the tables by which a library finds functions of others")]

use std::path::Path;

use serde::{Deserialize, Serialize};

/// What a library is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pretence {
    /// Seconds that its clocks are ahead.
    pub seconds: i64,
    /// Whether every variable of the environment that is not set has a value.
    pub variables: bool,
}

/// Lets a library that is loaded be told something else. Where the system's tables are not known, nothing changes.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(crate) fn pretend(library: &Path, pretence: &Pretence) {
    if *pretence != (Pretence { seconds: 0, variables: false }) {
        elf::pretend(library, pretence);
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(crate) fn pretend(_: &Path, _: &Pretence) {}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod elf {
    use std::ffi::{CStr, c_char, c_int, c_void};
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::Pretence;

    static AHEAD: AtomicI64 = AtomicI64::new(0);

    unsafe extern "C" fn time(out: *mut libc::time_t) -> libc::time_t {
        // SAFETY: `out` is null or the caller's to write to, as for the function that this one stands for.
        unsafe {
            let now = libc::time(std::ptr::null_mut()) + AHEAD.load(Ordering::Relaxed);
            if let Some(out) = out.as_mut() {
                *out = now;
            }
            now
        }
    }

    unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, out: *mut libc::timespec) -> c_int {
        // SAFETY: as above.
        unsafe {
            let code = libc::clock_gettime(clock, out);
            if let Some(out) = out.as_mut().filter(|_| code == 0) {
                out.tv_sec += AHEAD.load(Ordering::Relaxed);
            }
            code
        }
    }

    unsafe extern "C" fn gettimeofday(out: *mut libc::timeval, zone: *mut c_void) -> c_int {
        // SAFETY: as above.
        unsafe {
            let code = libc::gettimeofday(out, zone.cast());
            if let Some(out) = out.as_mut().filter(|_| code == 0) {
                out.tv_sec += AHEAD.load(Ordering::Relaxed);
            }
            code
        }
    }

    /// C11's clock; `TIME_UTC` is the only base that it has to know.
    unsafe extern "C" fn timespec_get(out: *mut libc::timespec, base: c_int) -> c_int {
        // SAFETY: as above.
        if unsafe { clock_gettime(libc::CLOCK_REALTIME, out) } == 0 { base } else { 0 }
    }

    unsafe extern "C" fn getenv(name: *const c_char) -> *mut c_char {
        // SAFETY: the caller gives a text with an end, as for the function that this one stands for.
        let value = unsafe { libc::getenv(name) };
        if value.is_null() { c"4211".as_ptr().cast_mut() } else { value }
    }

    const CLOCKS: [(&CStr, *const c_void); 4] = [
        (c"time", time as *const c_void),
        (c"clock_gettime", clock_gettime as *const c_void),
        (c"gettimeofday", gettimeofday as *const c_void),
        (c"timespec_get", timespec_get as *const c_void),
    ];
    const VARIABLES: [(&CStr, *const c_void); 2] =
        [(c"getenv", getenv as *const c_void), (c"secure_getenv", getenv as *const c_void)];

    /// An entry of a library's dynamic section.
    #[repr(C)]
    struct Dynamic {
        tag: i64,
        value: usize,
    }

    /// A place in a library that holds a symbol's address, with a number added.
    #[repr(C)]
    struct Relocation {
        offset: usize,
        info: u64,
        addend: i64,
    }

    const END: i64 = 0;
    const PLT_SIZE: i64 = 2;
    const STRINGS: i64 = 5;
    const SYMBOLS: i64 = 6;
    const RELOCATIONS: i64 = 7;
    const RELOCATIONS_SIZE: i64 = 8;
    const PLT: i64 = 23;

    struct Wanted<'a> {
        name: &'a [u8],
        functions: Vec<(&'static CStr, *const c_void)>,
    }

    pub(super) fn pretend(library: &Path, pretence: &Pretence) {
        AHEAD.store(pretence.seconds, Ordering::Relaxed);
        let mut functions = vec![];
        if pretence.seconds != 0 {
            functions.extend(CLOCKS);
        }
        if pretence.variables {
            functions.extend(VARIABLES);
        }
        let mut wanted = Wanted { name: library.as_os_str().as_bytes(), functions };
        // SAFETY: the function gets what it is given here, and doesn't keep it.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut wanted).cast()) };
    }

    unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, wanted: *mut c_void) -> c_int {
        // SAFETY: the loader describes a library that is loaded and stays so; `wanted` is ours.
        unsafe {
            let (info, wanted) = (&*info, &*wanted.cast::<Wanted<'_>>());
            if info.dlpi_name.is_null() || CStr::from_ptr(info.dlpi_name).to_bytes() != wanted.name {
                return 0;
            }
            let headers = std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
            if let Some(dynamic) = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC) {
                let base = info.dlpi_addr as usize;
                redirect(base, (base + dynamic.p_vaddr as usize) as *const Dynamic, &wanted.functions);
            }
            1
        }
    }

    /// Lets each place that holds the address of one of the functions hold ours.
    ///
    /// # Safety
    /// A library that is loaded at `base`, with its dynamic section.
    unsafe fn redirect(base: usize, dynamic: *const Dynamic, functions: &[(&CStr, *const c_void)]) {
        // SAFETY: the section ends with an entry of tag 0; what it points to are the loader's own tables.
        unsafe {
            let find = |tag: i64| {
                let mut entry = dynamic;
                while (*entry).tag != END {
                    if (*entry).tag == tag {
                        return Some((*entry).value);
                    }
                    entry = entry.add(1);
                }
                None
            };
            // Some loaders leave addresses in the section as the file has them: relative to the library.
            let address = |value: usize| if value < base { base + value } else { value };
            let (Some(strings), Some(symbols)) = (find(STRINGS), find(SYMBOLS)) else { return };
            let (strings, symbols) =
                (address(strings) as *const c_char, address(symbols) as *const libc::Elf64_Sym);
            for (table, size) in [(RELOCATIONS, RELOCATIONS_SIZE), (PLT, PLT_SIZE)] {
                let (Some(table), Some(size)) = (find(table), find(size)) else { continue };
                let table = address(table) as *const Relocation;
                for i in 0..size / size_of::<Relocation>() {
                    let relocation = &*table.add(i);
                    let symbol = (relocation.info >> 32) as usize;
                    // Addresses of functions have nothing added to them.
                    if symbol == 0 || relocation.addend != 0 {
                        continue;
                    }
                    let name = CStr::from_ptr(strings.add((*symbols.add(symbol)).st_name as usize));
                    if let Some((_, ours)) = functions.iter().find(|(known, _)| *known == name) {
                        write(base + relocation.offset, *ours);
                    }
                }
            }
        }
    }

    /// Writes an address where the loader may have forbidden to write.
    ///
    /// # Safety
    /// A place within a library that holds the address of a function.
    unsafe fn write(place: usize, value: *const c_void) {
        // SAFETY: the page is mapped, and holds nothing but such addresses.
        unsafe {
            let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
            let start = place / page * page;
            if libc::mprotect(start as *mut c_void, page, libc::PROT_READ | libc::PROT_WRITE) == 0 {
                (place as *mut *const c_void).write(value);
            }
        }
    }
}
