//! `data list` and `data fetch` as a user runs them; no host is asked.

use serde_json::Value;

use crate::driver::{command, folder, run, stderr, succeed};

#[test]
fn what_would_be_fetched() {
    let folder = folder();
    let path = folder.path();
    let output = succeed(path, &["data", "list", "--json"]);
    let list: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let readers: Vec<&str> =
        list["readers"].as_array().expect("readers").iter().filter_map(|r| r["name"].as_str()).collect();
    for set in list["sets"].as_array().expect("sets") {
        assert!(readers.contains(&set["reader"].as_str().expect("a reader")), "{set}");
    }
    let dry = command(path, &["data", "fetch", "cifar10", "--dry-run", "--json"])
        .env("XDG_DATA_HOME", path)
        .output()
        .expect("the driver starts");
    let plan: Value = serde_json::from_slice(&dry.stdout).expect("JSON");
    assert_eq!(plan["size"].as_u64(), Some(170_052_171));
    let place = path.join("palimpsest/datasets/cifar10");
    assert_eq!(plan["folder"].as_str(), place.to_str());
    assert!(!place.exists(), "a dry run changes nothing");
    let text =
        succeed(path, &["data", "fetch", "coco", "--dry-run", "--out", "coco", "--mirror", "http://a/b/"]);
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(text.contains("http://a/b/val2017.zip http://images.cocodataset.org/zips/val2017.zip"), "{text}");
    for (name, parts) in [("cifar01", "did you mean `cifar10`?"), ("cars", "serves it no more")] {
        let output = run(path, &["data", "fetch", name, "--out", "x"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(parts), "{}", stderr(&output));
    }
}
