//! Libraries of backends that don't fit or fail: a clear error, and nothing is lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::driver::{command, folder, library, stderr, succeed};

/// A library of C sources.
fn c_library(folder: &Path, name: &str, source: &str) -> PathBuf {
    let (from, to) = (folder.join(format!("{name}.c")), folder.join(format!("lib{name}.so")));
    fs::write(&from, source).expect("written");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&to, &from])
        .status()
        .expect("a C compiler, which Rust needs too");
    assert!(status.success());
    to
}

/// An entry with these first fields and a table of this size.
fn entry(major: u32, kind: u32, unwinds: u32, entry_size: usize, table_size: usize) -> String {
    format!(
        "#include <stddef.h>\n#include <stdint.h>\n\
         static const struct {{ size_t size; void *extension; void *f[40]; }} table = {{ {table_size}, 0, {{0}} }};\n\
         const struct {{ size_t size; void *extension; uint32_t major, minor, kind, unwinds;\
         const char *text; size_t len; const void *table; }} palimpsest_entry =\
         {{ {entry_size}, 0, {major}, 0, {kind}, {unwinds}, \"c\", 1, &table }};\n"
    )
}

fn told(output: &Output, status: i32, parts: &[&str]) {
    let text = stderr(output);
    for part in parts {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
    assert_eq!(output.status.code(), Some(status), "{text}");
}

#[test]
fn libraries_that_do_not_fit() {
    let folder = folder();
    let path = folder.path();
    let check = |library: &Path| {
        let library = library.to_str().expect("UTF-8");
        command(path, &["backend", "show", library]).output().expect("the driver starts")
    };
    told(&check(&path.join("nothing.so")), 2, &["nothing.so", "no such library"]);
    fs::write(path.join("text.so"), "not a library").expect("written");
    told(&check(&path.join("text.so")), 2, &["text.so", "can't be loaded"]);
    let library = c_library(path, "plain", "int nothing;");
    told(&check(&library), 2, &["libplain.so", "no symbol `palimpsest_entry`"]);
    let library = c_library(path, "newer", &entry(99, 1, 1, 56, 136));
    told(
        &check(&library),
        2,
        &[
            "libnewer.so",
            &format!("speaks ABI 99.0, this program 1.{}", palimpsest_abi::MINOR),
            "build the library again",
        ],
    );
    let library = c_library(path, "short", &entry(1, 1, 1, 40, 136));
    told(&check(&library), 2, &["libshort.so", "lies about its version", "40 bytes"]);
    let library = c_library(path, "table", &entry(1, 1, 1, 56, 32));
    told(&check(&library), 2, &["libtable.so", "lies about its version", "table has 32 bytes"]);
    let library = c_library(path, "kind", &entry(1, 7, 1, 56, 136));
    told(&check(&library), 2, &["libkind.so", "kind 7, not a Backend"]);
    let library = c_library(path, "abort", &entry(1, 1, 0, 56, 136));
    told(&check(&library), 2, &["libabort.so", "panic = \"abort\""]);

    let needed = c_library(path, "needed", "int answer(void) { return 42; }");
    let from = path.join("needs.c");
    fs::write(&from, "int answer(void); int ask(void) { return answer(); }").expect("written");
    let needs = path.join("libneeds.so");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&needs, &from, &needed])
        .args(["-Wl,-soname,libneeds.so"])
        .status()
        .expect("a C compiler");
    assert!(status.success());
    fs::remove_file(&needed).expect("removed");
    told(&check(&needs), 2, &["needs", "libneeded.so", "not on this machine"]);
}

#[test]
fn libraries_that_fail() {
    let folder = folder();
    let path = folder.path();
    succeed(path, &["pretrain", "tiny.toml", "--out", "run", "--steps", "10"]);
    // As if it had been killed.
    for name in ["summary.json", "checkpoints/step-000000010.safetensors"] {
        fs::remove_file(path.join("run").join(name)).expect("removed");
    }
    let checkpoint = path.join("run/checkpoints/step-000000005.safetensors");
    let before = fs::read(&checkpoint).expect("read");
    let faulty = library("palimpsest_faulty_backend");
    let resume = |fault: &str| {
        let faulty = faulty.to_str().expect("UTF-8");
        command(path, &["resume", "run", "--backend", faulty])
            .env("PALIMPSEST_FAULT", fault)
            .output()
            .expect("the driver starts")
    };
    told(&resume("open"), 2, &["needs a device that is not there; plug it in"]);
    told(&resume("panic"), 1, &["the backend faulty panicked: out of cheese"]);
    told(&resume("shape"), 1, &["the backend faulty returned f32[7, 7] where"]);
    told(&resume("count"), 1, &["returned 0 tensors where 1 were due"]);
    told(&resume("memory"), 1, &["want of memory", "the last checkpoint is whole"]);
    assert!(fs::read(&checkpoint).expect("read") == before, "the checkpoint was changed");
    succeed(path, &["eval", "run", "--head", "knn"]);
}
