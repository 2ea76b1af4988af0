//! The table of public data sets.

use std::collections::HashSet;

use palimpsest_fetch::{Unpack, catalog, find};

#[test]
fn is_whole() {
    let names: HashSet<&str> = catalog().iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names.len(), catalog().len(), "a name comes twice");
    for set in catalog() {
        assert!(
            !set.licence.is_empty() && !set.summary.is_empty() && set.page.starts_with("http"),
            "{}",
            set.name
        );
        for file in &set.files {
            assert!(!file.urls.is_empty() && file.size > 0, "{}", file.name);
            for url in &file.urls {
                assert!(url.starts_with("http"), "{url}");
                assert!(url.contains(file.name.as_str()), "{url} is not of {}", file.name);
            }
            let hex = |sum: &Option<String>, length: usize| {
                sum.as_ref().is_none_or(|s| s.len() == length && s.bytes().all(|b| b.is_ascii_hexdigit()))
            };
            assert!(hex(&file.md5, 32) && hex(&file.sha256, 64), "{}", file.name);
            let kind = match file.name.rsplit('.').next() {
                Some("zip") => Unpack::Zip,
                Some("tar") => Unpack::Tar,
                Some("tgz") => Unpack::TarGz,
                _ if file.name.ends_with(".tar.gz") => Unpack::TarGz,
                _ => Unpack::None,
            };
            assert_eq!(file.unpack, kind, "{}", file.name);
        }
    }
}

#[test]
fn names() {
    assert_eq!(find("cifar10").expect("known").reader, "cifar10");
    let error = find("cifar01").expect_err("unknown").to_string();
    assert!(error.contains("did you mean `cifar10`?"), "{error}");
    let error = find("cars").expect_err("gone").to_string();
    assert!(
        error.contains("serves it no more") && error.contains("data.name=cars data.path=FOLDER"),
        "{error}"
    );
}
