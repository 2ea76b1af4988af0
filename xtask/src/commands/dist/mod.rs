//! `dist`: one archive for a machine without Rust and network.

mod plugins;
mod sdk;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use palimpsest_core::{Error, Result};
use serde_json::json;

use crate::backends::Variant;
use crate::cli::Dist;
use crate::{backends, collectives, output};

/// What the archive says to its reader.
fn readme(backends: &[String], engines: &[String], variant: Variant) -> String {
    let with = match variant {
        Variant::Plain => "",
        Variant::Cuda => " with NVIDIA's driver 580 or newer",
        Variant::Wgpu => " with a graphics driver for Vulkan",
    };
    let mut text = format!(
        "Palimpsest, packed for a machine without Rust{with}.\n\n\
         ./palimpsest backend show         what this machine offers\n\
         ./palimpsest pretrain             the quick-start, on the embedded data\n\
         ./palimpsest compare recipes/paper-micro.toml --backends {}\n\
         ./palimpsest help                 the rest\n\n\
         Plug-ins with corruption strategies lie in plugins/, and each has a recipe of its name:\n\n\
         ./palimpsest plugin list\n\
         ./palimpsest pretrain recipes/band-noise.toml\n\n\
         Your own is begun with ./palimpsest plugin new NAME --lang c, which takes a C compiler, or with --lang rust, which\n\
         takes Rust and no network: the SDK's sources and the C headers are in sdk/.\n\n\
         Several processes train together by an engine: ./palimpsest collective list. mpi is built where it runs, with the\n\
         site's compiler: ./palimpsest collective build mpi.\n\n\
         share/ has manual pages and what completes commands in bash, zsh and fish.\n\n",
        backends.join(",")
    );
    if backends.iter().any(|name| name == "tch") {
        text += "The tch backend takes libtorch 2.11.0 from $LIBTORCH or from python3's torch.\n";
    }
    if engines.iter().any(|name| name == "gloo") {
        text += "So does the engine gloo.\n";
    }
    match variant {
        Variant::Plain => {}
        Variant::Cuda => {
            text += "For a GPU write --device cuda:0. burn and dfdx take NVRTC, and dfdx cuBLAS, of CUDA 13 from the\n\
                     system, LD_LIBRARY_PATH, or python3's PyTorch; burn takes CUDA's headers from $CUDA_PATH.\n";
        }
        Variant::Wgpu => text += "For a GPU write --backend burn --device wgpu:0.\n",
    }
    text + "Where a page says `cargo xtask`, write `./palimpsest`.\n"
}

pub(crate) fn run(args: &Dist) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let scratch = tempfile::tempdir().map_err(|e| Error::failure(format!("no temporary folder: {e}")))?;
    let folder = scratch.path().join("palimpsest");
    let library_folder = folder.join("backends");
    fs::create_dir_all(&library_folder).map_err(|e| Error::io(&library_folder, &e))?;
    let driver = std::env::current_exe()
        .map_err(|e| Error::failure(format!("cannot locate the driver's executable: {e}")))?;
    copy_stripped(&driver, &folder.join("palimpsest"))?;
    let asked = Variant::chosen(args.cuda, args.wgpu);
    for name in &args.backends {
        let variant = backends::nearest(name, asked)?;
        backends::prepare(name, variant)?;
        let library = backends::build(name, variant)?;
        let file = library.file_name().ok_or_else(|| Error::failure("a library without a name"))?;
        copy_stripped(&library, &library_folder.join(file))?;
    }
    let engines = engines(args);
    let engine_folder = folder.join("collectives");
    for name in &engines {
        let library = collectives::build(name)?;
        fs::create_dir_all(&engine_folder).map_err(|e| Error::io(&engine_folder, &e))?;
        let file = library.file_name().ok_or_else(|| Error::failure("a library without a name"))?;
        copy_stripped(&library, &engine_folder.join(file))?;
    }
    copy_folder(&root.join("recipes"), &folder.join("recipes"))?;
    let plugins = plugins::pack(root, &folder, scratch.path())?;
    sdk::pack(root, &folder, scratch.path())?;
    let page = folder.join("README.txt");
    fs::write(&page, readme(&args.backends, &engines, asked)).map_err(|e| Error::io(&page, &e))?;
    super::man::write(&folder.join("share/man/man1"))?;
    super::completions::write(&folder.join("share/completions"))?;
    pack(&folder, &args.out)?;
    let bytes = fs::metadata(&args.out).map_err(|e| Error::io(&args.out, &e))?.len();
    if args.result.json {
        let line = json!({
            "archive": args.out.display().to_string(), "bytes": bytes, "backends": args.backends, "collectives": engines, "cuda": args.cuda, "wgpu": args.wgpu,
            "plugins": plugins,
        });
        output::json(&line);
    } else {
        output::line(&format!("{} ({:.1} MB)", args.out.display(), bytes as f64 / 1e6));
    }
    Ok(())
}

/// The engines that are asked for; else gloo, where what it needs is needed anyway. An MPI's library is of no use beside
/// another MPI.
fn engines(args: &Dist) -> Vec<String> {
    let with_libtorch = args.backends.iter().any(|name| name == "tch");
    let default = || if with_libtorch { vec!["gloo".to_owned()] } else { vec![] };
    args.collectives.clone().unwrap_or_else(default)
}

/// Copies a program or library without its symbols, where the machine has `strip`.
fn copy_stripped(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map_err(|e| Error::io(from, &e))?;
    // What exports must stay, so only what no loader reads goes.
    let stripped = Command::new("strip").arg("--strip-unneeded").arg(to).status();
    if !stripped.is_ok_and(|status| status.success()) {
        output::note(&format!("note: {} is packed with its symbols, as there is no strip", to.display()));
    }
    Ok(())
}

/// Copies a folder with all below it.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(|e| Error::io(to, &e))?;
    for entry in fs::read_dir(from).map_err(|e| Error::io(from, &e))? {
        let path = entry.map_err(|e| Error::io(from, &e))?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_folder(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name)).map_err(|e| Error::io(&path, &e))?;
        }
    }
    Ok(())
}

/// A gzipped tar file; it appears whole or not at all.
fn pack(folder: &Path, out: &Path) -> Result<()> {
    if let Some(parent) = out.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(|e| Error::io(parent, &e))?;
    }
    let half = PathBuf::from(format!("{}.tmp", out.display()));
    let written = || -> std::io::Result<()> {
        let mut archive = tar::Builder::new(GzEncoder::new(File::create(&half)?, Compression::best()));
        archive.append_dir_all("palimpsest", folder)?;
        archive.into_inner()?.finish()?.sync_all()
    };
    written().and_then(|()| fs::rename(&half, out)).map_err(|e| {
        fs::remove_file(&half).ok();
        Error::io(out, &e)
    })
}
