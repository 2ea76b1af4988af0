//! The host's end: a library's table of functions as an engine between processes.
#![allow(unsafe_code, reason = "calls C functions of a library")]

use std::cell::Cell;
use std::ffi::c_void;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use palimpsest_abi::collective::{self as abi, ALL_REDUCE, ALL_TO_ALL, BROADCAST, Table};
use palimpsest_abi::{Code, Head, Kind, Opaque, Str};

use super::failure::Report;
use super::{Library, failure, info, wire};
use crate::backend::BackendInfo;
use crate::collective::{Bucket, Collective, NOTICED, Opening, Pending, Transfer, World};
use crate::{Error, Result};

/// A library that carries numbers between processes, and what it says of itself.
#[derive(Debug, Clone)]
pub struct CollectiveLibrary {
    table: Table,
    /// The engine's name, the version of what it was loaded with, and a line for people.
    pub info: BackendInfo,
}

/// An engine of a library, between the processes that have met.
#[derive(Debug)]
pub struct LoadedCollective {
    world: World,
    /// Name, version and interface.
    engine: String,
    opened: Arc<Opened>,
}

#[derive(Debug)]
struct Opened {
    table: Table,
    instance: Opaque,
    who: String,
    grace: Option<GracePeriod>,
    aborted: AtomicBool,
    turn: Mutex<()>,
}

// SAFETY: the table's contract lets `abort` be called by any thread, and the rest by one at a time: whoever calls holds
// `turn`.
unsafe impl Send for Opened {}
// SAFETY: as above.
unsafe impl Sync for Opened {}

/// A rank that waits for another, in an engine that doesn't notice a death by itself, leaves some time after a launcher has
/// ended it: a launcher does so to all as soon as one is gone.
#[derive(Debug)]
struct GracePeriod {
    ended: &'static AtomicBool,
    length: Duration,
}

/// A wait, and when it was first seen that the launcher ends this process.
struct Waiting<'a> {
    period: &'a GracePeriod,
    since: Cell<Option<Instant>>,
}

impl Waiting<'_> {
    fn is_over(&self) -> bool {
        if !self.period.ended.load(Ordering::Relaxed) {
            return false;
        }
        let since = self.since.get().unwrap_or_else(Instant::now);
        self.since.set(Some(since));
        since.elapsed() > self.period.length
    }
}

/// Called by a library that polls.
extern "C" fn go_on(context: *mut c_void) -> u32 {
    // SAFETY: the context of `wait` below, which lives until `wait` returns; the library calls it on that thread.
    let waiting = unsafe { &*context.cast::<Waiting<'_>>() };
    u32::from(!waiting.is_over())
}

/// Text that is lent to a call.
fn lent(text: &str) -> Str {
    Str { ptr: text.as_ptr(), len: text.len() }
}

fn checked(code: u32, error: &palimpsest_abi::Error, who: &str) -> Result<()> {
    if code == Code::Ok as u32 { Ok(()) } else { Err(failure::read(code, error, who)) }
}

impl CollectiveLibrary {
    /// Loads a library and asks what it is; no other process is looked for.
    ///
    /// # Errors
    /// A library that doesn't fit, or what it needs is missing on this machine.
    pub fn load(path: &Path) -> Result<Self> {
        let library = Library::open(path, Kind::Collective)?;
        // SAFETY: the kind promises this table.
        let table: Table = unsafe { library.table_since(size_of::<Table>()) }?;
        let mut told = info::empty();
        let mut error = Report::new();
        // SAFETY: writable places.
        let code = unsafe { (table.about)(&raw mut told, &raw mut *error) };
        checked(code, &error, &format!("engine of {}", path.display()))?;
        Ok(Self { table, info: info::read(&told) })
    }

    /// Meets the other processes. `ended` becomes true once a launcher ends this process.
    ///
    /// # Errors
    /// A rank that doesn't come in time, or the engine's failure.
    pub fn open(
        &self,
        world: World,
        opening: &Opening,
        ended: Option<&'static AtomicBool>,
    ) -> Result<LoadedCollective> {
        let (address, port, served) = match &world.meeting {
            Some(meeting) => (meeting.address.as_str(), meeting.port, meeting.served),
            None => ("", 0, false),
        };
        let met = abi::World {
            head: Head::of::<abi::World>(),
            rank: world.rank as u32,
            size: world.size as u32,
            local_rank: world.local_rank as u32,
            local_size: world.local_size as u32,
            served: u32::from(served),
            address: lent(address),
            port: u32::from(port),
            interface: lent(&opening.interface),
            session: lent(&world.session),
            limit_ms: opening.limit.as_millis() as u64,
            device: wire::device_out(opening.device),
        };
        let who = format!("engine {}", self.info.name);
        let mut instance: Opaque = std::ptr::null_mut();
        let mut error = Report::new();
        // SAFETY: `met` and its texts live until the call returns; writable places.
        let code = unsafe { (self.table.open)(&raw mut instance, &raw const met, &raw mut *error) };
        checked(code, &error, &who)?;
        let grace = ended.zip(opening.grace).map(|(ended, length)| GracePeriod { ended, length });
        let (aborted, turn) = (AtomicBool::new(false), Mutex::new(()));
        let opened = Arc::new(Opened { table: self.table, instance, who, grace, aborted, turn });
        let mut engine = format!("{} {}", self.info.name, self.info.version);
        if let Some(interface) = opened.interface() {
            engine += &format!(" on {interface}");
        }
        Ok(LoadedCollective { world, engine, opened })
    }
}

impl Opened {
    /// The end of an operation between processes that had met. After a failure another one is lost to this one, and those
    /// that wait for this one are told at once.
    fn operated(&self, code: u32, error: &palimpsest_abi::Error) -> Result<()> {
        checked(code, error, &self.who).map_err(|e| {
            self.abort(NOTICED);
            Error::lost(e.message())
        })
    }

    /// One thread at a time calls the library.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn abort(&self, words: &str) {
        if !self.aborted.swap(true, Ordering::Relaxed) {
            // SAFETY: the text lives until the call returns.
            unsafe { (self.table.abort)(self.instance, lent(words)) };
        }
    }

    /// The network interface, where the library knows it.
    fn interface(&self) -> Option<String> {
        let ask = self.table.interface?;
        let mut out = [0; 256];
        let mut len = 0;
        let mut error = Report::new();
        // SAFETY: room for `out.len()` bytes.
        let code = unsafe { ask(self.instance, out.as_mut_ptr(), out.len(), &raw mut len, &raw mut *error) };
        let text = out.get(..len).filter(|text| code == Code::Ok as u32 && !text.is_empty())?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // To end in order would wait for the others.
            self.abort("failed: it panicked");
        }
        // SAFETY: nobody else has the instance any more.
        unsafe { (self.table.close)(self.instance) };
    }
}

/// An operation of a library under way.
struct Work {
    opened: Arc<Opened>,
    work: Opaque,
    bucket: Bucket,
    /// Where an exchange writes.
    to: Option<Bucket>,
}

// SAFETY: an instance's work may be waited for by any one thread.
unsafe impl Send for Work {}

fn place(bucket: &mut Bucket) -> *mut u8 {
    match bucket {
        Bucket::F32(values) => values.as_mut_ptr().cast(),
        Bucket::F64(values) => values.as_mut_ptr().cast(),
    }
}

impl Transfer for Work {
    fn wait(self: Box<Self>) -> Result<Bucket> {
        let Self { opened, work, bucket, to } = *self;
        let mut error = Report::new();
        let waiting = opened.grace.as_ref().map(|period| Waiting { period, since: Cell::new(None) });
        let (ask, context) = match &waiting {
            Some(waiting) => (
                Some(go_on as unsafe extern "C" fn(*mut c_void) -> u32),
                std::ptr::from_ref(waiting).cast_mut(),
            ),
            None => (None, std::ptr::null_mut()),
        };
        let turn = opened.turn();
        // SAFETY: the work is waited for once; the context lives until the call returns.
        let code =
            unsafe { (opened.table.wait)(opened.instance, work, ask, context.cast(), &raw mut *error) };
        drop(turn);
        match opened.operated(code, &error) {
            Ok(()) => Ok(to.unwrap_or(bucket)),
            Err(error) => {
                // The library may go on with the memory.
                std::mem::forget((bucket, to));
                Err(error)
            }
        }
    }
}

impl LoadedCollective {
    fn start(&self, op: u32, mut bucket: Bucket, mut to: Option<Bucket>, root: usize) -> Result<Pending> {
        let transfer = abi::Transfer {
            head: Head::of::<abi::Transfer>(),
            op,
            dtype: bucket.dtype() as u32,
            data: place(&mut bucket),
            to: to.as_mut().map_or(std::ptr::null_mut(), place),
            count: bucket.len() as u64,
            root: root as u32,
        };
        let mut work: Opaque = std::ptr::null_mut();
        let mut error = Report::new();
        let Opened { table, instance, .. } = &*self.opened;
        let turn = self.opened.turn();
        // SAFETY: the numbers' memory stays where it is while their vectors are moved, and is kept until `wait` returns.
        let code = unsafe { (table.start)(*instance, &raw const transfer, &raw mut work, &raw mut *error) };
        drop(turn);
        self.opened.operated(code, &error)?;
        Ok(Pending::new(Work { opened: self.opened.clone(), work, bucket, to }))
    }
}

/// The most bytes that [`Collective::share`] carries.
const SHARED: usize = 64 << 10;

impl Collective for LoadedCollective {
    fn world(&self) -> &World {
        &self.world
    }

    fn engine(&self) -> String {
        self.engine.clone()
    }

    fn all_reduce(&self, bucket: Bucket) -> Result<Pending> {
        self.start(ALL_REDUCE, bucket, None, 0)
    }

    fn broadcast(&self, bucket: Bucket, root: usize) -> Result<Pending> {
        self.start(BROADCAST, bucket, None, root)
    }

    fn all_to_all(&self, bucket: Bucket) -> Result<Pending> {
        let mut to = Bucket::empty(bucket.dtype(), bucket.len())?;
        to.resize(bucket.len());
        self.start(ALL_TO_ALL, bucket, Some(to), 0)
    }

    fn barrier(&self) -> Result<()> {
        let mut error = Report::new();
        let Opened { table, instance, .. } = &*self.opened;
        let turn = self.opened.turn();
        // SAFETY: a writable error.
        let code = unsafe { (table.barrier)(*instance, &raw mut *error) };
        drop(turn);
        self.opened.operated(code, &error)
    }

    fn share(&self, key: &str, value: Option<&[u8]>) -> Result<Vec<u8>> {
        let value = value.unwrap_or_default();
        let mut out = vec![0; SHARED];
        let mut len = 0;
        let mut error = Report::new();
        let Opened { table, instance, .. } = &*self.opened;
        let turn = self.opened.turn();
        // SAFETY: text and value live until the call returns; room for `out.len()` bytes.
        let code = unsafe {
            (table.share)(
                *instance,
                lent(key),
                value.as_ptr(),
                value.len(),
                out.as_mut_ptr(),
                out.len(),
                &raw mut len,
                &raw mut *error,
            )
        };
        drop(turn);
        self.opened.operated(code, &error)?;
        out.truncate(len);
        Ok(out)
    }

    fn abort(&self, words: &str) {
        self.opened.abort(words);
    }

    fn fates(&self) -> Option<Vec<Option<String>>> {
        let mut out = vec![0; SHARED];
        let mut len = 0;
        let mut error = Report::new();
        let Opened { table, instance, .. } = &*self.opened;
        let _turn = self.opened.turn();
        // SAFETY: room for `out.len()` bytes.
        let code = unsafe {
            (table.fates)(*instance, FATES_MS, out.as_mut_ptr(), out.len(), &raw mut len, &raw mut *error)
        };
        if code != Code::Ok as u32 {
            return None;
        }
        out.truncate(len);
        let mut fates = vec![None; self.world.size];
        for line in String::from_utf8_lossy(&out).lines() {
            if let Some((rank, words)) = line.split_once(' ')
                && let Some(fate) = rank.parse::<usize>().ok().and_then(|rank| fates.get_mut(rank))
            {
                *fate = Some(words.to_owned());
            }
        }
        Some(fates)
    }
}

/// How long the others' last words are waited for. Whoever notices a death does so within 0.15 s.
const FATES_MS: u64 = 600;
