//! A new file in a folder of parts (`automod`) is in no list that cargo watches, so the folders are.
fn main() {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=build.rs");
}
