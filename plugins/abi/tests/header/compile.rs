//! The header compiles without a word, in both languages and twice included.

#![allow(clippy::print_stderr, reason = "tells what was passed over")]

use std::process::Command;

use super::plugins;

fn compiles(compiler: &str, standard: &str, suffix: &str) {
    if Command::new(compiler).arg("--version").output().is_err() {
        eprintln!("passed over: no {compiler} on this machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join(format!("includes.{suffix}"));
    let text = "#include \"palimpsest.h\"\n#include \"palimpsest_philox.h\"\n#include \"palimpsest.h\"\n\
        int main(void) {\n\
            PalimpsestError error;\n\
            memset(&error, 0, sizeof error);\n\
            error.head.size = sizeof error;\n\
            PalimpsestPhilox random = palimpsest_philox(1, PALIMPSEST_STREAM_MASK, 2, 3);\n\
            uint32_t code = palimpsest_fail(&error, PALIMPSEST_CODE_USER, \"no\", NULL, \"yes\");\n\
            return code == PALIMPSEST_CODE_USER && error.message_len == 2 && error.place_len == 0\n\
                && error.mend_len == 3 && palimpsest_below(&random, 5) < 5 ? 0 : 1;\n\
        }\n";
    std::fs::write(&source, text).unwrap();
    let program = folder.path().join("includes");
    let output = Command::new(compiler)
        .args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-I"])
        .arg(plugins().join("include"))
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .arg("-lm")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(Command::new(program).status().unwrap().success());
}

#[test]
fn as_c11() {
    compiles("cc", "-std=c11", "c");
}

#[test]
fn as_cpp17() {
    compiles("c++", "-std=c++17", "cpp");
}
