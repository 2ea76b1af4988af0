//! How many threads a process takes.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use palimpsest_core::collective::{Launcher, World};
use palimpsest_core::{Error, Result};

/// Threads of this process, so that those of a machine have its cores once.
pub(crate) struct Threads {
    count: usize,
    why: String,
    /// Whether the user has said how many.
    given: bool,
}

/// What the program tells itself when it starts itself again: how many, and why.
const TAKEN: &str = "PALIMPSEST_THREADS";

impl Threads {
    pub(crate) fn of(world: &World) -> Self {
        // As this program told itself.
        let taken = std::env::var(TAKEN).ok();
        let taken = taken.as_deref().and_then(|taken| taken.split_once(' '));
        if let Some((count, why)) = taken.and_then(|(count, why)| Some((count.parse().ok()?, why))) {
            return Self { count, why: why.to_owned(), given: true };
        }
        let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse::<usize>().ok());
        if let Some(count) = asked.filter(|&count| count > 0) {
            return Self { count, why: "as RAYON_NUM_THREADS says".to_owned(), given: true };
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // mpirun and srun may have bound each process to cores of its own.
        let bound =
            matches!(world.launcher, Launcher::Mpi | Launcher::Slurm) && cores < online().unwrap_or(cores);
        let (count, why) = match (bound, world.launcher) {
            (true, _) => (cores, "the cores that it is bound to"),
            (_, Launcher::Torchrun) => (
                cores / world.local_size.max(1),
                "the machine's cores shared; torchrun's OMP_NUM_THREADS=1 is not taken for a wish",
            ),
            _ => (cores / world.local_size.max(1), "the machine's cores shared"),
        };
        Self { count: count.max(1), why: why.to_owned(), given: false }
    }

    /// Starts this program again, in this process, with so many threads: tensor libraries read the number from the
    /// environment, which a running process should not change.
    pub(crate) fn take(&self) -> Result<()> {
        if self.given {
            return Ok(());
        }
        let program =
            std::env::current_exe().map_err(|e| Error::failure(format!("can't find the program: {e}")))?;
        let count = self.count.to_string();
        let mut again = Command::new(program);
        if let Some(name) = std::env::args_os().next() {
            again.arg0(name);
        }
        again.args(std::env::args_os().skip(1)).env(TAKEN, format!("{count} {}", self.why));
        let error = again.env("RAYON_NUM_THREADS", &count).env("OMP_NUM_THREADS", &count).exec();
        Err(Error::failure(format!("can't start again with {count} threads: {error}")))
    }

    pub(crate) fn told(&self) -> String {
        let threads = if self.count == 1 { "thread" } else { "threads" };
        format!("{} {threads} each ({})", self.count, self.why)
    }
}

/// The machine's processors that are on.
fn online() -> Option<usize> {
    let text = std::fs::read_to_string(Path::new("/sys/devices/system/cpu/online")).ok()?;
    text.trim().split(',').try_fold(0, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(sum + last.parse::<usize>().ok()?.checked_sub(first.parse().ok()?)? + 1)
    })
}
