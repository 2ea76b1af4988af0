//! Compiles the shim against libtorch's headers, and tells tests and examples where libtorch lies.

use std::env;
use std::path::PathBuf;

fn main() {
    for file in ["build.rs", "shim/shim.cpp"] {
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

    // Tests and examples find libtorch without LD_LIBRARY_PATH.
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libraries.display());
}
