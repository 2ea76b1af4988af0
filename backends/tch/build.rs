//! Compiles the shim against libtorch's headers, and tells tests and examples where libtorch lies.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    for file in ["build.rs", "shim/shim.cpp", "shim/graphs"] {
        println!("cargo::rerun-if-changed={file}");
    }
    println!("cargo::rerun-if-env-changed=LIBTORCH_INCLUDE");

    // torch-sys has looked for libtorch already (LIBTORCH, or Python's under LIBTORCH_USE_PYTORCH).
    let libraries =
        PathBuf::from(env::var_os("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names libtorch's lib"));
    let root = match env::var_os("LIBTORCH_INCLUDE") {
        Some(folder) => PathBuf::from(folder),
        None => libraries.parent().expect("lib lies in libtorch's folder").to_owned(),
    };
    let include = root.join("include");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .pic(true)
        // libtorch's own headers warn.
        .warnings(false)
        .include(include.join("torch/csrc/api/include"))
        .include(include)
        .file("shim/shim.cpp")
        .compile("palimpsest_tch_shim");
    println!("cargo::rustc-link-lib=dl");
    graphs(&root);

    // Tests and examples find libtorch without LD_LIBRARY_PATH.
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libraries.display());
}

/// Makes `graphs.so`, which the crate carries inside itself: of CUDA it needs headers alone, and nothing to
/// link with. Empty where there are no headers; the library then says so when it is asked for graphs.
fn graphs(root: &Path) {
    println!("cargo::rerun-if-env-changed=CUDA_HOME");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("graphs.so");
    let wheels = root.parent().map(|folder| folder.join("nvidia/cu13/include"));
    let toolkit = env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("include"));
    let headers = [wheels, toolkit].into_iter().flatten();
    let Some(cuda) = headers.into_iter().find(|folder| folder.join("cuda_runtime_api.h").exists()) else {
        println!(
            "cargo::warning=no headers of CUDA's runtime beside libtorch or in CUDA_HOME: built without CUDA graphs"
        );
        fs::write(out, []).expect("OUT_DIR can be written");
        return;
    };
    let include = root.join("include");
    let status = cc::Build::new()
        .cpp(true)
        .std("c++17")
        .pic(true)
        .warnings(false)
        .include("shim/graphs/cuda")
        .include(include.join("torch/csrc/api/include"))
        .include(include)
        .include(cuda)
        .get_compiler()
        .to_command()
        .args(["-shared", "-s", "shim/graphs/graphs.cpp", "-o"])
        .arg(out)
        .status();
    assert!(status.is_ok_and(|status| status.success()), "shim/graphs/graphs.cpp can't be compiled");
}
