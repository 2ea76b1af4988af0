//! How plug-ins are found, and what their manifests may not say.

use std::path::{Path, PathBuf};

use palimpsest_abi::MINOR;

use crate::driver::stderr;
use crate::workshop::{Workshop, compile, output, source};

/// A folder with `stripes` and its manifest.
fn stripes(workshop: &Workshop, name: &str) -> PathBuf {
    let folder = workshop.path(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    let text = std::fs::read_to_string(source("plugins/c-stripes/stripes.c")).expect("the source");
    std::fs::write(folder.join("stripes.c"), text).expect("a copy");
    let include = source("plugins/include");
    let make = format!(
        "libstripes.so: stripes.c\n\tcc -std=c11 -fPIC -shared -I {} -o $@ $< -lm\n",
        include.display()
    );
    std::fs::write(folder.join("Makefile"), make).expect("a Makefile");
    workshop.build(name)
}

fn ids(text: &str) -> Vec<String> {
    let list: serde_json::Value = serde_json::from_str(text).expect("JSON");
    list.as_array()
        .expect("a list")
        .iter()
        .map(|item| item["id"].as_str().unwrap_or("-").to_owned())
        .collect()
}

#[test]
fn places_are_searched_in_order_and_the_working_folder_never() {
    let workshop = Workshop::new();
    let built = stripes(&workshop, "stripes");
    // Neither here nor in a folder `plugins` below.
    for place in [".", "plugins"] {
        std::fs::create_dir_all(workshop.path(place)).expect("a folder");
        for file in ["stripes.palimpsest.toml", "libstripes.so"] {
            std::fs::copy(built.join(file), workshop.path(place).join(file)).expect("a copy");
        }
    }
    assert_eq!(ids(&workshop.succeed(&["plugin", "list", "--json"])), [""; 0]);
    let (text, status) = workshop.fail(&["pretrain", "tiny.toml", "corruption.kind=stripes", "--dry-run"]);
    assert!(text.contains("unknown corruption `stripes`") && status == Some(2), "{text}");
    let (text, _) =
        workshop.fail(&["pretrain", "tiny.toml", "corruption.kind=org.palimpsest.stripes", "--dry-run"]);
    assert!(text.contains("--plugin PATH"), "{text}");

    let stripes = "org.palimpsest.stripes";
    let train = ["pretrain", "tiny.toml", "corruption.kind=stripes", "--dry-run"];
    let listed = |command: &mut std::process::Command| ids(&output(command));
    assert_eq!(
        listed(workshop.command(&["plugin", "list", "--json"]).env("PALIMPSEST_PLUGIN_PATH", &built)),
        [stripes]
    );
    output(workshop.command(&train).env("PALIMPSEST_PLUGIN_PATH", &built));
    // A folder of manifests, a manifest, and a library with or without one beside.
    let bare = workshop.path("bare");
    std::fs::create_dir_all(&bare).expect("a folder");
    std::fs::copy(built.join("libstripes.so"), bare.join("libstripes.so")).expect("a copy");
    for place in [
        built.clone(),
        built.join("stripes.palimpsest.toml"),
        built.join("libstripes.so"),
        bare.join("libstripes.so"),
    ] {
        output(workshop.command(&train).arg("--plugin").arg(place));
    }
    // The user's own folder.
    let own = workshop.path("data/palimpsest/plugins");
    std::fs::create_dir_all(&own).expect("a folder");
    for file in ["stripes.palimpsest.toml", "libstripes.so"] {
        std::fs::copy(built.join(file), own.join(file)).expect("a copy");
    }
    assert_eq!(ids(&workshop.succeed(&["plugin", "list", "--json"])), [stripes]);
    workshop.succeed(&train);

    // Two of one id can't be told apart: both are named.
    let output = workshop.command(&train).arg("--plugin").arg(&built).output().expect("a driver");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("two plug-ins have the id org.palimpsest.stripes"), "{text}");
    for folder in [&built, &own] {
        assert!(text.contains(&folder.join("libstripes.so").display().to_string()), "{text}");
    }
}

#[test]
fn listing_runs_no_code() {
    let workshop = Workshop::new();
    let built = stripes(&workshop, "stripes");
    // What a loader would choke on.
    std::fs::write(built.join("libstripes.so"), "no library").expect("a file");
    let path = built.display().to_string();
    let text = workshop.succeed(&["plugin", "list", "--plugin", &path]);
    assert!(text.contains("org.palimpsest.stripes") && text.contains("libstripes.so"), "{text}");
    workshop.succeed(&["part", "list", "corruptions", "--plugin", &path]);
    let (text, status) = workshop.fail(&["part", "show", "corruption", "stripes", "--plugin", &path]);
    assert!(text.contains("was changed since its manifest was written") && status == Some(2), "{text}");
}

#[test]
fn a_manifest_that_lies_is_refused_and_found() {
    let workshop = Workshop::new();
    let built = stripes(&workshop, "stripes");
    let manifest = built.join("stripes.palimpsest.toml");
    let (honest, path) =
        (std::fs::read_to_string(&manifest).expect("a manifest"), built.display().to_string());
    let run = ["pretrain", "tiny.toml", "corruption.kind=stripes", "--dry-run", "--plugin", &path];
    let sha = honest.split("sha256 = \"").nth(1).expect("a hash").split('"').next().expect("a hash");
    let abi = format!("1.{MINOR}");
    let (abi_line, other_abi) =
        (format!("abi = \"{abi}\""), format!("says abi 1.0, and its library is abi {abi}"));
    for (from, to, due) in [
        (
            "version = \"0.1.0\"",
            "version = \"0.2.0\"",
            "says version 0.2.0, and its library is version 0.1.0",
        ),
        (&abi_line, "abi = \"1.0\"", &other_abi),
        ("org.palimpsest.stripes", "org.other.stripes", "says id org.other.stripes"),
        (sha, &"0".repeat(64), "was changed since its manifest was written"),
    ] {
        std::fs::write(&manifest, honest.replace(from, to)).expect("a manifest");
        let (text, status) = workshop.fail(&run);
        assert!(text.contains(due) && status == Some(2), "{to}: {text}");
        let failed = workshop.validate(&built, &[]).failed;
        let [(check, value)] = &failed[..] else { panic!("{to}: {failed:?}") };
        assert_eq!(check, "manifest.truthful", "{value}");
    }
    for (from, to, due) in [
        ("manifest = 1", "manifest = 2", "is a manifest of format 2; this program reads 1"),
        ("libstripes.so", "../libstripes.so", "is not a plain file name"),
        ("version = ", "verson = ", "unknown field `verson`"),
        ("org.palimpsest.stripes", "stripes", "is no id"),
        ("linux-x86_64", "plan9-vax", "only for plan9-vax"),
        ("libstripes.so", "libgone.so", "which is not beside it"),
    ] {
        std::fs::write(&manifest, honest.replace(from, to)).expect("a manifest");
        let (text, status) = workshop.fail(&run);
        assert!(
            text.contains(due) && text.contains("stripes.palimpsest.toml") && status == Some(2),
            "{to}: {text}"
        );
        // Listed all the same, with what is wrong.
        workshop.succeed(&["plugin", "list", "--plugin", &path]);
    }
}

#[test]
fn what_is_no_plug_in_is_told() {
    let workshop = Workshop::new();
    let here = |name: &str| workshop.path(name).display().to_string();
    std::fs::write(here("text.so"), "no library").expect("a file");
    std::fs::write(here("empty.c"), "int nothing;\n").expect("a file");
    compile(Path::new(&here("empty.c")), Path::new(&here("empty.so")), "-DNDEBUG");
    let burn = crate::driver::library("palimpsest_burn").display().to_string();
    for (path, due) in [
        (here("gone.so"), "no plug-in is there"),
        (here("text.so"), "can't be loaded"),
        (here("empty.so"), "it has no symbol `palimpsest_entry`"),
        (burn, "is a library of kind 1, not a Corruption"),
    ] {
        let (text, status) = workshop.fail(&["part", "list", "corruptions", "--plugin", &path]);
        assert!(text.contains(due) && text.contains(&path) && status == Some(2), "{path}: {text}");
    }
}
