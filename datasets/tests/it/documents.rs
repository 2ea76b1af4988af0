//! What docs/data.md says of readers is what they say of themselves.

use palimpsest_core::registry;
use palimpsest_datasets::ReaderEntry;

/// The table of readers, as docs/data.md has it.
fn table() -> String {
    let mut lines = vec![
        "| `data.name` | what | `data.path` | `data.reader.` |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    for reader in registry::all::<ReaderEntry>() {
        let keys: Vec<String> = (reader.fields)().iter().map(|field| format!("`{}`", field.name)).collect();
        // A bar would end the cell.
        let cell = |text: &str| text.replace('|', "\\|");
        lines.push(format!(
            "| `{}` | {} | {} | {} |",
            reader.name,
            cell(reader.summary),
            cell(reader.layout),
            keys.join(", ")
        ));
    }
    lines.join("\n")
}

#[test]
fn the_table_of_readers_is_the_registrys() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/data.md");
    let page = std::fs::read_to_string(path).expect("docs/data.md");
    let table = table();
    assert!(page.contains(&table), "docs/data.md must have this table:\n{table}");
}

#[test]
fn every_key_is_described() {
    for reader in registry::all::<ReaderEntry>() {
        assert!(!reader.summary.is_empty() && !reader.layout.is_empty(), "{}", reader.name);
        assert!((reader.fields)().iter().all(|field| field.doc.ends_with('.')), "{}", reader.name);
    }
}
