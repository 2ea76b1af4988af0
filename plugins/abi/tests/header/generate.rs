//! The header's text.

use std::collections::HashMap;
use std::fmt::Write as _;

use cbindgen::{
    Builder, Config, DocumentationStyle, EnumConfig, ExportConfig, FunctionConfig, Language, RenameRule,
    Style,
};
use palimpsest_abi::layout;

const LIB: &str = include_str!("../../src/lib.rs");
const BACKEND: &str = include_str!("../../src/backend.rs");
const COLLECTIVE: &str = include_str!("../../src/collective.rs");
const CORRUPTION: &str = include_str!("../../src/corruption.rs");
const OP: &str = include_str!("../../src/op.rs");

pub(crate) fn header() -> String {
    // cbindgen knows no modules: one source with one name space.
    let backend = BACKEND.replace("Table", "BackendTable");
    let collective = COLLECTIVE.replace("Table", "CollectiveTable");
    let corruption = CORRUPTION.replace("Table", "CorruptionTable");
    let mut names = HashMap::new();
    for source in [LIB, &backend, &corruption, &collective] {
        names.extend(items(source).map(|(name, constant)| {
            let in_c = if constant { format!("PALIMPSEST_{name}") } else { format!("Palimpsest{name}") };
            (name.to_owned(), in_c)
        }));
    }
    names.extend(items(OP).map(|(name, _)| (name.to_owned(), format!("PALIMPSEST_OP_{name}"))));
    let source =
        [LIB, &backend, &corruption, &collective, OP].map(|source| documented(source, &names)).concat();

    // In one order, which is the order of the header.
    let mut include: Vec<String> = names.keys().cloned().collect();
    include.sort();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abi.rs");
    std::fs::write(&path, source).unwrap();
    let config = Config {
        language: Language::C,
        cpp_compat: true,
        no_includes: true,
        sys_includes: vec!["stddef.h".to_owned(), "stdint.h".to_owned(), "string.h".to_owned()],
        // cbindgen's own guard ends before the trailer.
        header: Some([&preamble(), "\n\n#ifndef PALIMPSEST_H\n#define PALIMPSEST_H"].concat()),
        trailer: Some([&assertions(), include_str!("trailer.h"), "\n#endif /* PALIMPSEST_H */"].concat()),
        documentation_style: DocumentationStyle::C,
        style: Style::Both,
        usize_is_size_t: true,
        line_length: 110,
        tab_width: 4,
        export: ExportConfig { include, rename: names.clone(), ..ExportConfig::default() },
        enumeration: EnumConfig {
            rename_variants: RenameRule::QualifiedScreamingSnakeCase,
            ..EnumConfig::default()
        },
        function: FunctionConfig::default(),
        ..Config::default()
    };
    let bindings = Builder::new().with_config(config).with_src(&path).generate().unwrap();
    let mut out = Vec::new();
    bindings.write(&mut out);
    String::from_utf8(out).unwrap()
}

/// The public items of a source, and whether they are constants.
fn items(source: &str) -> impl Iterator<Item = (&str, bool)> {
    let lines = source.lines();
    lines.filter_map(|line| {
        let rest = line.strip_prefix("pub ")?;
        let (keyword, rest) = rest.split_once(' ')?;
        let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        match keyword {
            "struct" | "enum" | "type" => Some((name, false)),
            // A list of all is of no use in C.
            "const" if name != "ALL" => Some((name, true)),
            _ => None,
        }
    })
}

/// With the C names in doc comments, and without Rust's links.
fn documented(source: &str, names: &HashMap<String, String>) -> String {
    let mut out = String::new();
    // Inner attributes and docs may stand at the top of a file alone.
    let inner = |line: &&str| !line.starts_with("//!") && !line.starts_with("#![");
    for line in source.lines().filter(inner) {
        if line.trim_start().starts_with("///") {
            out.push_str(&c_names(line, names));
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

fn c_names(line: &str, names: &HashMap<String, String>) -> String {
    let mut out = String::new();
    for (i, part) in line.split('`').enumerate() {
        let last = part.rsplit("::").next().unwrap_or(part);
        match (i % 2, names.get(last)) {
            (1, Some(name)) => out.push_str(name),
            _ => out.push_str(part),
        }
    }
    // Links lose their brackets; [B, L] and the like keep theirs.
    for name in names.values() {
        out = out.replace(&format!("[{name}]"), name);
    }
    out
}

/// The `//!` lines of a source.
fn module_docs(source: &str) -> Vec<&str> {
    source
        .lines()
        .filter_map(|line| line.strip_prefix("//!").map(|text| text.strip_prefix(' ').unwrap_or(text)))
        .collect()
}

fn preamble() -> String {
    let mut out = String::from(
        "/*\n * Palimpsest's C interface for dynamic libraries, in one file to copy into your project.\n *\n",
    );
    let mut section = |title: &str, source: &str| {
        if !title.is_empty() {
            let _ = writeln!(out, " *\n * {title}");
        }
        for line in module_docs(source) {
            let plain = line.replace(['`'], "").replace("[Head]", "PalimpsestHead");
            let plain = plain.replace("[Code]", "PalimpsestCode").replace("[MAJOR]", "PALIMPSEST_MAJOR");
            let plain = plain.replace("[MINOR]", "PALIMPSEST_MINOR").replace("[Ops]", "PalimpsestOps");
            let plain = plain
                .replace("#[repr(C)]", "C")
                .replace("[crate::backend::HostTensor]", "PalimpsestHostTensor");
            out.push_str(format!(" * {plain}").trim_end());
            out.push('\n');
        }
    };
    section("", LIB);
    section("Backends: PalimpsestBackendTable.", BACKEND);
    section("Strategies: PalimpsestCorruptionTable.", CORRUPTION);
    section("Communication: PalimpsestCollectiveTable.", COLLECTIVE);
    section("Operations: PALIMPSEST_OP_*.", OP);
    out.push_str(" *\n * Needs C11 or C++17. Made by cbindgen from plugins/abi: change it there.\n */");
    out
}

/// What Rust says of sizes and offsets, for the C compiler to hold.
fn assertions() -> String {
    let mut out = String::from(
        "\n#if defined(__cplusplus)\n\
         #define PALIMPSEST_ASSERT(condition) static_assert(condition, #condition)\n\
         #define PALIMPSEST_ALIGN(type) alignof(type)\n\
         #else\n\
         #define PALIMPSEST_ASSERT(condition) _Static_assert(condition, #condition)\n\
         #define PALIMPSEST_ALIGN(type) _Alignof(type)\n\
         #endif\n\n\
         /* Where everything lies, as Rust's compiler says it. */\n\
         PALIMPSEST_ASSERT(sizeof(void *) == 8);\n",
    );
    for layout in layout::ALL {
        let name = layout.name;
        let _ = writeln!(out, "PALIMPSEST_ASSERT(sizeof({name}) == {});", layout.size);
        let _ = writeln!(out, "PALIMPSEST_ASSERT(PALIMPSEST_ALIGN({name}) == {});", layout.align);
        for field in layout.fields {
            // A word of C's own is written with a `_` behind it.
            let in_c = if field.name == "default" { "default_" } else { field.name };
            let _ = writeln!(out, "PALIMPSEST_ASSERT(offsetof({name}, {in_c}) == {});", field.offset);
        }
    }
    out
}
