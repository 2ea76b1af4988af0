//! Binds the library's calls of NVIDIA's functions to its own definitions of them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Without this, a process that has NVIDIA's libraries loaded for all would have the calls go there,
    // past the workarounds.
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    }
}
