//! `plugin new`: a plug-in that builds, passes validation and trains.

use std::fs;
use std::path::{Path, PathBuf};

use palimpsest_core::plugin::check_id;
use palimpsest_core::{Error, Result};

use super::sdk;
use crate::cli::{Language, NewPlugin, Tier};
use crate::output;

/// Files by the path that they get, with words between @ to fill in.
type Files = &'static [(&'static str, &'static str)];

const RUST: Files = &[
    ("Cargo.toml", include_str!("../../../templates/plugin/rust/Cargo.toml.in")),
    ("README.md", include_str!("../../../templates/plugin/rust/README.md.in")),
    (".gitignore", "/target\n/plugin\n"),
];
const RUST_PLAN: Files = &[("src/lib.rs", include_str!("../../../templates/plugin/rust/plan.rs.in"))];
const RUST_OPS: Files = &[("src/lib.rs", include_str!("../../../templates/plugin/rust/ops.rs.in"))];
const C: Files = &[
    ("Makefile", include_str!("../../../templates/plugin/c/Makefile.in")),
    ("README.md", include_str!("../../../templates/plugin/c/README.md.in")),
    ("palimpsest.h", include_str!("../../../../plugins/include/palimpsest.h")),
    ("palimpsest_philox.h", include_str!("../../../../plugins/include/palimpsest_philox.h")),
    ("test.c", include_str!("../../../templates/plugin/c/test.c.in")),
    (".gitignore", "/*.so\n/*.dylib\n/test\n/plugin\n"),
];
const C_PLAN: Files = &[("@CRATE@.c", include_str!("../../../templates/plugin/c/plan.c.in"))];
const C_OPS: Files = &[("@CRATE@.c", include_str!("../../../templates/plugin/c/ops.c.in"))];

/// Names that cargo refuses: Rust's words, and crates that come with it.
const RESERVED: &str = "abstract as async await become box break const continue crate do dyn else enum extern false \
    final fn for gen if impl in let loop macro match mod move mut override priv pub ref return self static struct \
    super trait true try type typeof unsafe unsized use virtual where while yield alloc build core proc-macro std test";

pub(super) fn run(args: &NewPlugin) -> Result<()> {
    let name = args.name.as_str();
    check_name(name)?;
    let id = args.id.clone().unwrap_or_else(|| format!("org.example.{name}"));
    check_id(&id).map_err(|e| e.at("--id"))?;
    let folder = args.path.clone().unwrap_or_else(|| PathBuf::from(name));
    check_empty(&folder)?;
    let mut words = vec![
        ("@NAME@", name.to_owned()),
        ("@CRATE@", name.replace('-', "_")),
        ("@TYPE@", type_name(name)),
        ("@ID@", id.clone()),
        ("@KIND@", id.rsplit('.').next().unwrap_or(&id).to_owned()),
    ];
    let mut files: Vec<(String, String)> = vec![];
    let parts = match (args.lang, args.tier) {
        (Language::Rust, Tier::Plan) => [RUST, RUST_PLAN],
        (Language::Rust, Tier::Ops) => [RUST, RUST_OPS],
        (Language::C, Tier::Plan) => [C, C_PLAN],
        (Language::C, Tier::Ops) => [C, C_OPS],
    };
    if args.lang == Language::Rust {
        let sdk = sdk::find()?;
        let text = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
        words.push(("@SDK@", text(&sdk.folder)));
        // The versions that the SDK was tested with; what isn't needed is dropped by cargo.
        let lock = fs::read_to_string(&sdk.lock).map_err(|e| Error::io(&sdk.lock, &e))?;
        files.push(("Cargo.lock".to_owned(), lock));
        if let Some(vendor) = &sdk.vendor {
            let config = format!(
                "[source.crates-io]\nreplace-with = \"beside-palimpsest\"\n\n[source.beside-palimpsest]\ndirectory = {}\n",
                text(vendor)
            );
            files.push((".cargo/config.toml".to_owned(), config));
        }
    }
    let fill =
        |text: &str| words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
    files.extend(parts.concat().into_iter().map(|(path, text)| (fill(path), fill(text))));
    for (path, text) in &files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).map_err(|e| Error::io(parent, &e))?;
        fs::write(&path, text).map_err(|e| Error::io(&path, &e))?;
    }
    output::line(&folder.display().to_string());
    output::note(&format!("next: cargo xtask plugin build {}", folder.display()));
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let valid = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if !starts || !name.bytes().all(valid) || name.ends_with('-') || name.contains("--") || name.len() > 64 {
        return Err(Error::user(format!("`{name}` can't be the name of a plug-in"))
            .help("write lower case letters, digits and -, as blue-noise"));
    }
    if RESERVED.split(' ').any(|word| word == name) {
        return Err(Error::user(format!("`{name}` is a word of Rust's own")).help("choose another name"));
    }
    Ok(())
}

fn check_empty(folder: &Path) -> Result<()> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::user("is not empty")
                .at(folder.display())
                .help("choose another folder with --path")),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::user(format!("is no folder to write to: {e}"))
            .at(folder.display())
            .help("choose another folder with --path")),
    }
}

/// `blue-noise` as `BlueNoise`.
fn type_name(name: &str) -> String {
    let part = |part: &str| {
        let mut letters = part.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(part).collect()
}
