//! Where the library of an engine is, and how it is built.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};

use super::sources::{self, Source};
use crate::backends;
use crate::output;

/// What an engine is compiled with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compiler {
    /// A C++ compiler, against libtorch.
    Libtorch,
    /// The compiler of the machine's MPI.
    Mpi,
    /// A C compiler; NCCL is opened where it runs.
    C,
}

/// An engine of this project.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    /// What must be there to build and run it.
    pub(crate) needs: &'static str,
    compiler: Compiler,
    sources: &'static [Source],
}

/// The engines of this project.
pub(crate) const KNOWN: [Known; 3] = [
    Known {
        name: "gloo",
        summary: "sums on the processor, over TCP",
        needs: "libtorch 2.11.0 (cargo xtask backend add tch, or python3's torch), a C++ compiler",
        compiler: Compiler::Libtorch,
        sources: sources::GLOO,
    },
    Known {
        name: "mpi",
        summary: "sums on the processor, over whatever the machine's MPI uses",
        needs: "mpicc; processes that mpirun or srun started",
        compiler: Compiler::Mpi,
        sources: sources::MPI,
    },
    Known {
        name: "nccl",
        summary: "sums on NVIDIA GPUs, over NVLink, InfiniBand or TCP",
        needs: "libnccl.so.2 (python3's torch has one), a GPU a process, a C compiler",
        compiler: Compiler::C,
        sources: sources::NCCL,
    },
];

/// A folder with libraries, before all other places.
const FOLDER: &str = "PALIMPSEST_COLLECTIVES";

impl Known {
    fn file_name(&self) -> String {
        format!("{DLL_PREFIX}palimpsest_{}{DLL_SUFFIX}", self.name)
    }

    /// Who needs something, in errors.
    fn who(&self) -> String {
        format!("the engine {}", self.name)
    }
}

pub(super) fn is_path(name: &str) -> bool {
    name.contains(std::path::MAIN_SEPARATOR) || name.ends_with(DLL_SUFFIX)
}

pub(super) fn known(name: &str) -> Result<&'static Known> {
    KNOWN
        .iter()
        .find(|known| known.name == name)
        .ok_or_else(|| unknown_name("engine", name, KNOWN.iter().map(|known| known.name)).at("--collective"))
}

/// The library of a name, or of a path, with what it needs loaded.
pub(super) fn find(name: &str) -> Result<PathBuf> {
    if is_path(name) {
        return Ok(PathBuf::from(name));
    }
    let known = known(name)?;
    match known.compiler {
        Compiler::Libtorch => backends::load_libtorch(&known.who())?,
        Compiler::Mpi => {}
        Compiler::C => backends::offer_nccl(),
    }
    let place = place(known)?;
    if place.from_sources {
        return build(name);
    }
    if place.path.is_file() {
        return Ok(place.path);
    }
    let help = format!("{} collective build {name}", crate::cli::program());
    Err(Error::user(format!("the library of {} is not built", known.who()))
        .at(place.path.display())
        .help(help))
}

/// Whether a library of this name is there, current or not.
pub(crate) fn is_built(known: &Known) -> bool {
    place(known).is_ok_and(|place| place.path.is_file())
}

/// Where an engine's library belongs.
struct Place {
    path: PathBuf,
    /// Whether it is built anew where a source is newer: this is a checkout, whose sources may have changed.
    from_sources: bool,
}

fn place(known: &Known) -> Result<Place> {
    let file = known.file_name();
    if let Some(folder) = std::env::var_os(FOLDER) {
        return Ok(Place { path: Path::new(&folder).join(file), from_sources: false });
    }
    let program = std::env::current_exe()
        .map_err(|e| Error::failure(format!("cannot locate the driver's executable: {e}")))?;
    let beside = program.parent().unwrap_or(Path::new("."));
    // `cargo xtask` tells where cargo is. A packed program has a name of its own.
    if std::env::var_os("CARGO").is_some() {
        return Ok(Place { path: beside.join(file), from_sources: true });
    }
    let path = match crate::cli::program() == crate::cli::PACKED {
        true => beside.join("collectives").join(file),
        false => beside.join(file),
    };
    Ok(Place { path, from_sources: false })
}

/// Whether a library is missing, or older than a source of the checkout.
fn is_stale(known: &Known, library: &Path) -> bool {
    let time = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let Some(built) = time(library) else { return true };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let sources = known.sources.iter().map(|source| root.join("collectives").join(source.path));
    let newest: Option<SystemTime> =
        sources.chain([root.join("plugins/include/palimpsest.h")]).filter_map(|path| time(&path)).max();
    newest.is_some_and(|newest| newest > built)
}

/// Builds the library of an engine from the sources in this program, and says where it is. In a checkout one that is newer
/// than its sources stays.
pub(crate) fn build(name: &str) -> Result<PathBuf> {
    let known = known(name)?;
    let place = place(known)?;
    if place.from_sources && !is_stale(known, &place.path) {
        return Ok(place.path);
    }
    let Some(main) = known.sources.first() else {
        return Err(Error::failure(format!("this program was built without the sources of {}", known.who())));
    };
    let began = SystemTime::now();
    let folder = place.path.parent().unwrap_or(Path::new("."));
    let help = || format!("name a folder of yours: {FOLDER}=FOLDER, also where you train");
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e).help(help()))?;
    // The ranks of a run start at once; one of them builds.
    let lock_path = folder.join(format!(".{}.lock", known.file_name()));
    let lock = File::create(&lock_path).map_err(|e| Error::io(&lock_path, &e).help(help()))?;
    lock.lock().map_err(|e| Error::io(&lock_path, &e))?;
    if place.path.metadata().and_then(|m| m.modified()).is_ok_and(|built| built > began) {
        return Ok(place.path);
    }
    let scratch = tempfile::tempdir_in(folder).map_err(|e| Error::io(folder, &e))?;
    for source in known.sources {
        write(&scratch.path().join(source.path), source.text)?;
    }
    write(&scratch.path().join("palimpsest.h"), sources::HEADER)?;
    if !place.path.is_file() {
        output::note(&format!("building {}", known.who()));
    }
    let half = scratch.path().join(known.file_name());
    compile(known, scratch.path(), main, &half)?;
    fs::rename(&half, &place.path).map_err(|e| Error::io(&place.path, &e))?;
    Ok(place.path)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
    }
    fs::write(path, text).map_err(|e| Error::io(path, &e))
}

fn compile(known: &Known, scratch: &Path, main: &Source, out: &Path) -> Result<()> {
    let (variable, default) = match known.compiler {
        Compiler::Libtorch => ("CXX", "c++"),
        Compiler::Mpi => ("MPICC", "mpicc"),
        Compiler::C => ("CC", "cc"),
    };
    let program = std::env::var(variable).ok().filter(|name| !name.is_empty());
    let program = program.unwrap_or_else(|| default.to_owned());
    let mut compiler = Command::new(&program);
    compiler.args(["-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-I"]).arg(scratch);
    let main_path = scratch.join(main.path);
    match known.compiler {
        Compiler::Libtorch => {
            let torch = backends::libtorch_with_headers(&known.who())?;
            let standin = main_path.with_file_name("standin");
            let include = torch.join("include");
            compiler.args(["-std=c++17", "-w", "-I"]).arg(standin);
            for folder in [include.clone(), include.join("torch/csrc/api/include")] {
                compiler.arg("-isystem").arg(folder);
            }
            compiler.arg(&main_path).arg("-L").arg(torch.join("lib"));
            compiler.args(["-ltorch_cpu", "-lc10", "-Wl,--no-undefined", "-s"]);
        }
        Compiler::Mpi => {
            compiler.arg("-std=gnu11").arg(&main_path);
        }
        Compiler::C => {
            compiler.arg("-std=gnu11").arg(&main_path).args(["-ldl", "-lpthread"]);
        }
    }
    compiler.arg("-o").arg(out);
    let output = compiler.output().map_err(|e| {
        Error::user(format!("{} is built with {program}, which can't be started: {e}", known.who()))
            .help(format!("it needs {}; another compiler is named in {variable}", known.needs))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    output::note(said.trim_end());
    Err(Error::failure(format!("{} could not be built with {program}", known.who()))
        .help("the reason is above"))
}
