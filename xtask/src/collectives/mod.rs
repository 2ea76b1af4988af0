//! Engines between processes by name or path: their libraries are found, built where that takes seconds, and loaded.

mod library;
mod sources;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use palimpsest_core::collective::{Collective, Launcher, Opening, World};
use palimpsest_core::plugin::CollectiveLibrary;
use palimpsest_core::{Error, Result};

pub(crate) use library::{KNOWN, build, is_built};

/// The engine of a name, or of a library's path, between the ranks of `world`, which it meets. `ended` becomes true
/// once a launcher ends this process.
///
/// # Errors
/// An engine that whoever started the processes doesn't serve; a rank that doesn't come in time; the engine's failure.
pub(crate) fn open(
    name: &str,
    world: World,
    opening: &Opening,
    ended: Option<&'static AtomicBool>,
) -> Result<Arc<dyn Collective>> {
    fits(name, &world)?;
    let library = load(name)?;
    let opening = Opening { grace: grace(&library.info.name, &world), ..opening.clone() };
    Ok(Arc::new(library.open(world, &opening, ended)?))
}

/// How long a rank that a launcher ends still waits for another. gloo notices a death by itself; of the
/// others the launcher's signal may be the only sign. mpirun kills its processes soon after (Open MPI 5.0 in a quarter of a
/// second, 4.1 in one), torchrun and Slurm half a minute later.
fn grace(name: &str, world: &World) -> Option<Duration> {
    match (name, world.launcher) {
        ("mpi" | "nccl", Launcher::Mpi) => Some(Duration::from_millis(50)),
        _ => Some(Duration::from_secs(20)),
    }
}

/// The library of a name, or of a path.
pub(crate) fn load(name: &str) -> Result<CollectiveLibrary> {
    let library = CollectiveLibrary::load(&library::find(name)?)?;
    let found = &library.info.name;
    if !library::is_path(name) && found != name {
        return Err(Error::user(format!("the library of the engine {name} calls itself {found}"))
            .at("--collective")
            .help(format!("build it again: {} collective build {name}", crate::cli::program())));
    }
    Ok(library)
}

/// Whether an engine can work between processes that were started so: what could only hang is refused.
fn fits(name: &str, world: &World) -> Result<()> {
    if library::is_path(name) {
        return Ok(());
    }
    library::known(name)?;
    let by_mpi = matches!(world.launcher, Launcher::Mpi | Launcher::Slurm);
    if name == "mpi" && !by_mpi {
        return Err(Error::user(format!(
            "the engine mpi works between processes that mpirun or srun started, and {} started these",
            world.launcher
        ))
        .at("--collective")
        .help("choose gloo or nccl, or start them by mpirun -n N"));
    }
    if name != "mpi" && world.meeting.is_none() {
        return Err(Error::user(format!(
            "the engine {name} needs a place where the processes meet, and {} names none",
            world.launcher
        ))
        .at("--collective")
        .help("set MASTER_ADDR to the first machine's address (with mpirun: -x MASTER_ADDR), or give --meet HOST:PORT, or choose mpi"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use palimpsest_core::collective::{LauncherFlags, launched};

    use super::*;

    fn told(name: &str, variables: &[(&str, &str)]) -> Option<String> {
        let known = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let world = launched(&LauncherFlags::default(), &known).expect("a world");
        fits(name, &world).err().map(|error| error.to_string())
    }

    #[test]
    fn pairings_that_can_only_hang_are_sentences() {
        let mpirun = [("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "2")];
        let hand = [("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1")];
        let torchrun = [hand.as_slice(), &[("TORCHELASTIC_RUN_ID", "x")]].concat();
        let met = [mpirun.as_slice(), &[("MASTER_ADDR", "127.0.0.1")]].concat();
        for fine in
            [("gloo", &hand[..]), ("gloo", &torchrun), ("gloo", &met), ("mpi", &mpirun), ("nccl", &hand)]
        {
            assert_eq!(told(fine.0, fine.1), None);
        }
        let text = told("gloo", &mpirun).expect("no place to meet");
        assert!(text.contains("gloo needs a place") && text.contains("mpirun names none"), "{text}");
        let text = told("mpi", &torchrun).expect("another launcher");
        assert!(text.contains("mpirun or srun started, and torchrun started these"), "{text}");
        let text = told("mpi", &hand).expect("another launcher");
        assert!(text.contains("RANK and WORLD_SIZE started these"), "{text}");
        let text = told("glo", &hand).expect("no such engine");
        assert!(text.contains("unknown engine `glo`"), "{text}");
    }
}
