//! Libraries that were built otherwise than the driver: other settings, compilers, allocators and versions of the ABI.
#![allow(clippy::print_stderr, reason = "tells what was passed over")]

use std::process::Command;

use palimpsest_abi::MINOR;

use crate::workshop::{Workshop, output, source, target};

/// An allocator whose blocks no other one could free: what it gives out lies 64 bytes into what it took.
const ALLOCATOR: &str = r#"
struct Shifted;

unsafe impl std::alloc::GlobalAlloc for Shifted {
    unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
        let wider = std::alloc::Layout::from_size_align(layout.size() + 64, layout.align().max(64)).unwrap();
        let start = unsafe { std::alloc::System.alloc(wider) };
        if start.is_null() { start } else { unsafe { start.add(64) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: std::alloc::Layout) {
        let wider = std::alloc::Layout::from_size_align(layout.size() + 64, layout.align().max(64)).unwrap();
        unsafe { std::alloc::System.dealloc(pointer.sub(64), wider) };
    }
}

#[global_allocator]
static ALLOCATOR: Shifted = Shifted;
"#;

/// Another compiler of this machine, where rustup has one.
fn other_compiler() -> Option<String> {
    let which = Command::new("rustup").args(["which", "--toolchain", "nightly", "rustc"]).output().ok()?;
    let path = String::from_utf8(which.stdout).ok()?.trim().to_owned();
    let version = |rustc: &str| Some(Command::new(rustc).arg("-V").output().ok()?.stdout);
    let other = version(&path).filter(|_| which.status.success())?;
    (Some(other) != version("rustc")).then_some(path)
}

/// Builds it with these variables, checks it and trains with it.
fn works(tier: &str, name: &str, more: &str, variables: &[(&str, &str)]) {
    let workshop = Workshop::new();
    let file = workshop.write(name, "rust", tier).join("src/lib.rs");
    let text = std::fs::read_to_string(&file).expect("the source");
    std::fs::write(&file, text + more).expect("the source");
    // Their own target folder: other settings would have what is shared built again.
    let mut build = workshop.command(&["plugin", "build", name]);
    output(build.env("CARGO_TARGET_DIR", target().join(name)).envs(variables.iter().copied()));
    let plugin = format!("{name}/plugin");
    assert_eq!(workshop.validate(plugin.as_ref(), &[]).failed, [], "{name}");
    let kind = format!("corruption.kind={name}");
    workshop.succeed(&["pretrain", "tiny.toml", "--plugin", &plugin, "--steps", "2", &kind]);
}

#[test]
fn another_compiler_allocator_and_no_optimisation() {
    let compiler = other_compiler();
    let mut variables = vec![
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
        ("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"),
        ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true"),
        ("CARGO_PROFILE_RELEASE_DEBUG", "true"),
    ];
    match &compiler {
        Some(path) => variables.push(("RUSTC", path)),
        None => eprintln!("another compiler: passed over, this machine has one alone"),
    }
    works("ops", "elsewhere", ALLOCATOR, &variables);
}

#[test]
fn other_settings_of_the_optimiser() {
    let variables = [
        ("CARGO_PROFILE_RELEASE_LTO", "fat"),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
        ("CARGO_PROFILE_RELEASE_STRIP", "true"),
    ];
    works("plan", "slim", "", &variables);
}

#[test]
fn a_library_that_would_abort_is_refused() {
    let workshop = Workshop::new();
    workshop.write("abrupt", "rust", "plan");
    let mut build = workshop.command(&["plugin", "build", "abrupt"]);
    build.env("CARGO_TARGET_DIR", target().join("abrupt")).env("CARGO_PROFILE_RELEASE_PANIC", "abort");
    let output = build.output().expect("a driver");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("was built with panic = \"abort\": a panic in it would end the program"), "{text}");
    assert!(text.contains("panic = \"unwind\""), "{text}");
}

/// The line of the header that tells its minor version.
fn minor_line() -> String {
    format!("#define PALIMPSEST_MINOR {MINOR}")
}

/// What strategies read of the header as version 1.0 had it: without the fields that `fields.txt` says are of 1.1.
fn first_header() -> String {
    let mut text = std::fs::read_to_string(source("plugins/include/palimpsest.h")).expect("the header");
    let since = "Since ABI 1.1.";
    while let Some(at) = text.find(since) {
        let start = text[..at].rfind("/*").expect("its comment");
        let end = at + text[at..].find(';').expect("its end") + 1;
        text.replace_range(start..end, "");
    }
    let fields = std::fs::read_to_string(source("plugins/abi/fields.txt")).expect("the fields");
    let newer: Vec<Vec<&str>> =
        fields.lines().filter(|line| line.ends_with(" 1.1")).map(|line| line.split(' ').collect()).collect();
    assert!(!newer.is_empty());
    let grown = |line: &str| {
        newer.iter().any(|field| {
            line.contains(&format!("sizeof({})", field[0]))
                || line.contains(&format!("offsetof({}, {})", field[0], field[1]))
        })
    };
    let kept: Vec<&str> =
        text.lines().filter(|line| !(line.starts_with("PALIMPSEST_ASSERT") && grown(line))).collect();
    kept.join("\n").replace(&minor_line(), "#define PALIMPSEST_MINOR 0") + "\n"
}

#[test]
fn an_older_minor_version_works() {
    let workshop = Workshop::new();
    for (tier, functions) in [("plan", "plan, NULL"), ("ops", "plan, apply")] {
        let name = format!("old-{tier}");
        let folder = workshop.write(&name, "c", tier);
        std::fs::write(folder.join("palimpsest.h"), first_header()).expect("the header");
        let table = folder.join(format!("old_{tier}.c"));
        workshop.edit(&table, &format!("{functions}, NULL, NULL}}"), &format!("{functions}}}"));
        let plugin = workshop.build(&name).display().to_string();
        let text = workshop.succeed(&["plugin", "show", &plugin, "--json"]);
        assert!(text.contains("\"abi\":\"1.0\""), "{text}");
        assert_eq!(workshop.validate(plugin.as_ref(), &[]).failed, [], "{name}");
        let kind = format!("corruption.kind={name}");
        workshop.succeed(&["pretrain", "tiny.toml", "--plugin", &plugin, "--steps", "2", &kind]);
    }
}

#[test]
fn a_newer_major_version_is_refused_by_name() {
    let workshop = Workshop::new();
    let folder = workshop.write("next", "c", "plan");
    workshop.edit(&folder.join("palimpsest.h"), "#define PALIMPSEST_MAJOR 1", "#define PALIMPSEST_MAJOR 2");
    let (text, status) = workshop.fail(&["plugin", "build", "next"]);
    let due = format!("libnext.so: speaks ABI 2.{MINOR}, this program 1.{MINOR}");
    assert!(text.contains(&due), "{text}");
    assert_eq!(status, Some(2));
}

/// A newer minor version than the host's: it goes by the fields that the host has.
#[test]
fn a_newer_minor_version_works() {
    let workshop = Workshop::new();
    let folder = workshop.write("later", "c", "plan");
    workshop.edit(&folder.join("palimpsest.h"), &minor_line(), "#define PALIMPSEST_MINOR 9");
    let plugin = workshop.build("later");
    assert_eq!(workshop.validate(&plugin, &[]).failed, []);
}
